// The threads of a pool and how they begin and end together.
#pragma once

#include "../../framework/failure.hpp"
#include "../reactor_pool.hpp"
#include "pool_ports.hpp"
#include "thread_cores.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace weft::detail {

class PoolCore : public std::enable_shared_from_this<PoolCore> {
 public:
  enum class State : std::uint8_t { idle, running, ended };

  PoolCore(ReactorPool& owner, std::size_t count, const ReactorPoolOptions& options);
  ~PoolCore();

  /// Begins all, or all but the first, which the caller runs by `run_first`.
  void start(bool all);
  void run_first();
  void join();
  void stop();
  void stop_from_thread() noexcept;

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] std::size_t size() const noexcept { return members_.size(); }
  [[nodiscard]] Reactor& reactor(std::size_t index) const;
  [[nodiscard]] const std::shared_ptr<ThreadDoor>& door(std::size_t index) const {
    return members_[index].door;
  }
  [[nodiscard]] std::optional<std::size_t> index() const noexcept;
  /// False when that reactor takes no more.
  bool post(std::size_t index, Callback call) {
    return members_[index].reactor->call_from_thread(std::move(call));
  }
  [[nodiscard]] PoolPorts& ports() const noexcept { return *ports_; }

  ReactorPool& pool;

 private:
  struct Member {
    std::unique_ptr<Reactor> reactor;
    // The way back to it, for the results of its calls in the others.
    std::shared_ptr<ThreadDoor> door = std::make_shared<ThreadDoor>();
    std::thread thread;
    // Its shutdown came to its end. Of its thread.
    bool orderly = false;
  };

  void prepare(std::size_t index);
  Deferred<void> last_phase(std::size_t index);
  void begin_threads(bool all, const std::shared_future<bool>& go);
  void run(std::size_t index) noexcept;
  void died(std::size_t index, const Failure& failure) noexcept;
  void cut_others(std::size_t index) noexcept;
  void others_have_ended() noexcept;
  void has_ended(std::size_t index) noexcept;

  ReactorPoolOptions options_;
  // Outlives the reactors, whose calls know it.
  std::unique_ptr<PoolPorts> ports_;
  std::vector<Member> members_;
  std::optional<BoundHere> bound_here_;

  std::atomic<State> state_{State::idle};
  std::atomic<bool> stop_asked_{false};
  std::atomic<std::size_t> running_{0};
  std::atomic<std::size_t> others_running_{0};
  // What the shutdown of the first waits for. Of its thread.
  std::optional<Promise<void>> others_have_ended_;

  std::mutex mutex_;
  std::condition_variable all_ended_;
  std::optional<Failure> error_;
};

}  // namespace weft::detail
