// One worker process as its pool sees it.
#pragma once

#include "../../framework/process.hpp"
#include "../../framework/reactor.hpp"
#include "../process_pool.hpp"
#include "worker_messages.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::detail {

class PoolWorker;

/// A call, from when it was made until it has its result.
struct PoolCall {
  std::uint64_t number = 0;
  std::string function;
  CallOptions options;
  std::string arguments;
  std::vector<std::pair<std::string, std::string>> context;
  std::optional<Promise<std::string>> promise;
  // Who runs it; null while it waits.
  PoolWorker* worker = nullptr;
};

/// Whom a worker tells what becomes of it.
class WorkerOwner {
 public:
  /// It takes calls.
  virtual void worker_ready(PoolWorker& worker) = 0;
  /// Its call has this result; the worker is free, or about to go.
  virtual void call_answered(PoolWorker& worker, const std::shared_ptr<PoolCall>& call,
                             Outcome<std::string> outcome) = 0;
  /// Its process is gone. Last of all.
  virtual void worker_ended(PoolWorker& worker) = 0;

 protected:
  ~WorkerOwner() = default;
};

/// Lifetime: the reactor keeps it until its process is gone.
class PoolWorker final : public ProcessProtocol {
 public:
  PoolWorker(Reactor& reactor, std::weak_ptr<WorkerOwner> owner, const ProcessPoolOptions& options);

  /// Starts its process. Errors: SpawnError.
  void start();
  [[nodiscard]] bool starting() const noexcept { return state_ == State::starting; }
  [[nodiscard]] bool idle() const noexcept { return state_ == State::idle; }
  [[nodiscard]] bool busy() const noexcept { return state_ == State::busy; }
  [[nodiscard]] std::int64_t pid() const noexcept { return pid_; }
  /// Whether it was ever ready for a call.
  [[nodiscard]] bool useful() const noexcept { return ready_at_.has_value(); }
  /// Since when; only where it was.
  [[nodiscard]] TimePoint ready_at() const noexcept { return *ready_at_; }
  [[nodiscard]] std::size_t calls_begun() const noexcept { return calls_begun_; }
  [[nodiscard]] bool has_answered() const noexcept { return has_answered_; }

  /// Hands a call to it, which must be idle, and stays so where that throws. Errors:
  /// std::length_error for one that is too large; InvalidArgument for a timeout below zero.
  void begin(std::shared_ptr<PoolCall> call);
  /// Its call is the caller's business from now on; null when it has none.
  [[nodiscard]] std::shared_ptr<PoolCall> take_call() noexcept { return std::move(call_); }
  /// Its call is nobody's any more, and it is killed.
  void drop_call();
  /// Lets it end, which it does when it is idle; killed if it does not.
  void retire();
  void kill();
  /// How it ended without a call, once it is gone.
  [[nodiscard]] std::string why_unused() const;

  void connection_made() override;
  void child_data_received(int descriptor, BytesView data) override;
  void child_connection_lost(int descriptor) override;
  void process_ended(const ProcessStatus& status) override;

 private:
  enum class State : std::uint8_t { starting, idle, busy, ending, ended };

  [[nodiscard]] ProcessOptions process_options() const;
  void heard(const FromWorker& message);
  void greeted(const WorkerHello& hello);
  void answered(std::uint64_t number, Outcome<std::string> outcome);
  void misunderstood(const Failure& failure);
  void timed_out();
  void said(std::string_view text);
  [[nodiscard]] Failure failure_of(const WorkerFailure& failure) const;

  Reactor& reactor_;
  std::weak_ptr<WorkerOwner> owner_;
  ProcessPoolOptions options_;
  State state_ = State::starting;
  std::int64_t pid_ = 0;
  FrameCutter frames_;
  std::shared_ptr<PoolCall> call_;
  std::size_t calls_begun_ = 0;
  bool has_answered_ = false;
  std::optional<TimePoint> ready_at_;
  DelayedCall time_limit_;
  std::string last_words_;
  std::string unfinished_line_;
  std::string trouble_;
  std::optional<ProcessStatus> status_;
};

}  // namespace weft::detail
