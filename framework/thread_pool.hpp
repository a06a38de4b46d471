// Threads for work that blocks, and the ways between them and a reactor.
#pragma once

#include "deferred.hpp"
#include "detail/thread_calls.hpp"
#include "error.hpp"
#include "reactor.hpp"
#include "unique_function.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// As many calls as may wait for a pool wait already.
class QueueFull : public QueueOverflow {
 public:
  using QueueOverflow::QueueOverflow;
};

/// How large a pool is, and what its threads are called.
struct ThreadPoolOptions {
  static constexpr std::size_t default_max_threads = 10;
  static constexpr std::size_t unlimited = SIZE_MAX;

  ThreadPoolOptions() {}
  /// Threads are started when there is work for them.
  std::size_t max_threads = default_max_threads;
  /// As many stay when there is none.
  std::size_t min_threads = 0;
  /// How long each of the others waits for work before it ends.
  Duration max_idle = std::chrono::seconds(30);
  /// How many calls may wait beyond those that the threads have begun.
  std::size_t max_queued = unlimited;
  /// Threads are called by it and a number: "weft-3". Where a system's names are short (15 bytes on
  /// Linux), the end of this goes first.
  std::string name = "weft";
};

/// What a pool does just now.
struct ThreadPoolStats {
  std::size_t threads = 0;
  /// Of these, how many run a call.
  std::size_t busy = 0;
  /// How many calls have not begun.
  std::size_t queued = 0;
};

/// One call that a pool was given. Thread: any. Lifetime: may outlive the pool.
class ThreadJob {
 public:
  ThreadJob() noexcept = default;
  /// Takes it out of the queue, and destroys it. False when it has begun, or was not accepted.
  bool cancel() const noexcept;
  /// False when the pool had stopped.
  [[nodiscard]] bool accepted() const noexcept { return number_ != 0; }

 private:
  friend class ThreadPool;
  friend void detail::work_is_done() noexcept;
  struct Pool;
  ThreadJob(const std::shared_ptr<Pool>& pool, std::uint64_t number) noexcept
      : pool_(pool), number_(number) {}
  std::weak_ptr<Pool> pool_;
  std::uint64_t number_ = 0;
};

/// Runs work in threads of its own, first in, first out. Thread: any, except for construction,
/// destruction and `stop`.
class ThreadPool {
 public:
  static constexpr std::size_t default_max_threads = ThreadPoolOptions::default_max_threads;

  explicit ThreadPool(std::size_t max_threads = default_max_threads);
  /// What runs in its threads works for that reactor, unless it was given for another by
  /// `defer_to_thread_pool`; the reactor may go first. Thread: the reactor's, or any before it
  /// runs. Errors: InvalidArgument for no threads, or more at least than at most.
  explicit ThreadPool(ThreadPoolOptions options, Reactor* works_for = nullptr);
  /// A reactor's own pool, which goes with it.
  [[nodiscard]] static std::unique_ptr<ThreadPool> of_reactor(Reactor& reactor);
  /// Waits for the work that runs, and drops what has not begun. `stop` before it bounds the wait.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Runs `work` in a thread; what it throws is logged. False when the pool has stopped.
  /// Errors: QueueFull; std::system_error when no thread can be started and there is none.
  bool submit(Callback work);
  /// The same, for work that may be cancelled.
  ThreadJob submit_job(Callback work);
  /// Takes no more work, drops what has not begun, and waits until `deadline` from now for what
  /// runs. False when some still runs then: it is left to itself, and logged. The pool may be used
  /// again afterwards.
  bool stop(Duration deadline);

  /// From now on: threads are started for what waits already, and those that are too many end as
  /// soon as they have nothing to do. Errors: those of construction.
  void set_options(ThreadPoolOptions options);
  [[nodiscard]] std::size_t threads() const { return stats().threads; }
  [[nodiscard]] ThreadPoolStats stats() const;

  /// The reactor that this thread of a pool works for. Errors: NoReactorError where there is none.
  [[nodiscard]] static Reactor& current_reactor() { return *detail::works_for().reactor(); }
  /// For work that has something to tell: open as long as this pool waits for it.
  [[nodiscard]] std::shared_ptr<detail::ThreadDoor> door() const;
  /// The same for work in other pools: open as long as this one is there.
  [[nodiscard]] const std::shared_ptr<detail::ThreadDoor>& lasting_door() const noexcept {
    return lasting_door_;
  }

 private:
  using State = ThreadJob::Pool;
  static void work(const std::shared_ptr<State>& state, std::size_t number);
  static void start_thread(const std::shared_ptr<State>& state);
  [[nodiscard]] std::shared_ptr<State> state() const;

  // Guards which state it is: `stop` leaves one to the threads that do not end.
  mutable std::mutex mutex_;
  std::shared_ptr<State> state_;
  std::shared_ptr<detail::ThreadDoor> lasting_door_ = std::make_shared<detail::ThreadDoor>();
};

/// Calls `f(args...)` in a thread of `pool`; the deferred fires in the reactor's thread. Cancelling
/// it before the call has begun takes it out of the queue; later the call goes on, and its result
/// is dropped. Errors: what the call throws; QueueFull; NotRunningError when the pool stops before
/// it begins, or the reactor ends before it is done.
template <class F, class... Args>
auto defer_to_thread_pool(Reactor& reactor, ThreadPool& pool, F f, Args... args) {
  using R = std::invoke_result_t<F&, Args...>;
  auto result = std::make_shared<detail::ThreadResult<R>>();
  const auto drop = [weak = std::weak_ptr(result)] {
    if (const auto waiting = weak.lock(); waiting != nullptr && waiting->drop) waiting->drop();
  };
  auto deferred = result->promise.emplace(Callback(drop), SourceLocation::current()).deferred();
  auto call = [f = std::move(f), ... args = std::move(args)]() mutable -> R {
    return f(std::move(args)...);
  };
  // The reactor's own pool is there as long as it.
  auto& own = reactor.thread_pool();
  const auto door = &pool == &own ? own.door() : own.lasting_door();
  door->expect(result);
  const auto refused = [&](Failure why) {
    door->settle(result);
    auto promise = std::move(*result->promise);
    result->promise.reset();
    promise.errback(std::move(why));
  };
  try {
    const auto job = pool.submit_job(
        detail::ThreadCall<R, decltype(call)>(reactor, door, result, std::move(call)));
    if (!job.accepted()) refused(detail::pool_stopped());
    result->drop = [job] { job.cancel(); };
  } catch (...) {
    refused(Failure::current());
  }
  return deferred;
}

/// The same in a thread of the reactor's own pool.
template <class F, class... Args>
requires std::invocable<F&, Args...>
auto defer_to_thread(Reactor& reactor, F f, Args... args) {
  return defer_to_thread_pool(reactor, reactor.thread_pool(), std::move(f), std::move(args)...);
}
/// The same for the reactor that runs this code. Errors: also NoReactorError, thrown at once.
template <class F, class... Args>
requires(!std::derived_from<F, Reactor> &&
         std::invocable<F&, Args...>) auto defer_to_thread(F f, Args... args) {
  return defer_to_thread(Reactor::current(), std::move(f), std::move(args)...);
}

/// Makes `calls` one after the other in one thread of the reactor's pool. Fires when all are made;
/// what one throws is its failure, and those after it are not made.
Deferred<void> call_multiple_in_thread(Reactor& reactor, std::vector<Callback> calls);

/// Calls `f()` in the reactor's thread and waits for what it returns or throws; when that is a
/// deferred, for its result. Thread: any but the reactor's own, where it would wait for ever.
/// Errors: WrongThreadError there; NotRunningError when the reactor has ended, or ends before.
template <class F>
requires std::invocable<F&>
auto call_in_reactor_and_wait(Reactor& reactor, F f) {
  return detail::call_and_wait(reactor, std::move(f), std::nullopt, [&](Callback callback) {
    return reactor.call_from_thread(std::move(callback));
  });
}
/// The same for `deadline` at most. Errors: also TimeoutError; a call that has not begun is not
/// made then, and a deferred is cancelled.
template <class F>
requires std::invocable<F&>
auto call_in_reactor_and_wait(Reactor& reactor, F f, Duration deadline) {
  return detail::call_and_wait(reactor, std::move(f), deadline, [&](Callback callback) {
    return reactor.call_from_thread(std::move(callback));
  });
}
/// The same in a thread of a pool, for the reactor that it works for, which may be gone.
/// Errors: also NoReactorError elsewhere.
template <class F>
requires std::invocable<F&>
auto call_in_reactor_and_wait(F f, std::optional<Duration> deadline = std::nullopt) {
  const auto& way = detail::works_for();
  return detail::call_and_wait(*way.reactor(), std::move(f), deadline, [&](Callback callback) {
    bool taken = false;
    way.door().pass([&] { taken = way.reactor()->call_from_thread(std::move(callback)); });
    return taken;
  });
}

}  // namespace weft
