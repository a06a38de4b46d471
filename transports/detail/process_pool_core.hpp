// What a ProcessPool is behind its face: calls that wait, workers, and who gets which.
#pragma once

#include "../../framework/turn.hpp"
#include "../process_pool.hpp"
#include "pool_worker.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::detail {

class ProcessPoolCore final : public WorkerOwner,
                              public Turn::Participant,
                              public std::enable_shared_from_this<ProcessPoolCore> {
 public:
  ProcessPoolCore(Reactor& reactor, ProcessPoolOptions options);
  /// What needs the object to be shared already.
  void open();
  /// The pool is destroyed: workers are killed, calls fail.
  void abandon() noexcept;

  /// What it gives was made at `where`.
  [[nodiscard]] Deferred<std::string> call(const std::string& function, std::string arguments,
                                           const CallOptions& options, const SourceLocation& where);
  [[nodiscard]] Deferred<void> stop(Duration deadline, const SourceLocation& where);
  [[nodiscard]] ProcessPoolStats stats() const;
  [[nodiscard]] const ProcessPoolOptions& options() const noexcept { return options_; }

 private:
  void worker_ready(PoolWorker& worker) override;
  void call_answered(PoolWorker& worker, const std::shared_ptr<PoolCall>& call,
                     Outcome<std::string> outcome) override;
  void worker_ended(PoolWorker& worker) override;

  void flush() noexcept override {}
  void wake() noexcept override {}
  void loop_ended() noexcept override;

  [[nodiscard]] std::size_t busy() const noexcept;
  void cancel(const std::shared_ptr<PoolCall>& call);
  void give_out_calls();
  void start_workers_soon();
  void start_workers();
  [[nodiscard]] std::size_t wanted_workers() const noexcept;
  void start_worker();
  void start_failed(const std::string& why);
  void pause_replacing(const std::string& why);
  void start_no_more() noexcept;
  void fail_waiting(const Failure& why);
  void fail_all(const Failure& why);
  void kill_all();
  void tell_if_stopped();
  void tell_stopped();

  Reactor& reactor_;
  ProcessPoolOptions options_;
  std::deque<std::shared_ptr<PoolCall>> waiting_;
  std::vector<std::shared_ptr<PoolWorker>> workers_;
  // How many it has grown to: one that dies is replaced.
  std::size_t grown_ = 0;
  std::size_t failed_starts_ = 0;
  // How many pauses came one after the other in which those who ended unused were not replaced.
  int pauses_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t started_ = 0;
  bool stopping_ = false;
  DelayedCall start_call_;
  DelayedCall pause_;
  DelayedCall stop_call_;
  std::vector<Promise<void>> stopped_;
  std::optional<TriggerId> stop_trigger_;
};

}  // namespace weft::detail
