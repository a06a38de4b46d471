// Threads for work that blocks, and the ways between them and a reactor.
#pragma once

#include "deferred.hpp"
#include "error.hpp"
#include "reactor.hpp"
#include "unique_function.hpp"

#include <cstddef>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_set>
#include <utility>

namespace weft {

namespace detail {

/// What a call in a thread owes the reactor. The promise in it belongs to the reactor's thread.
class ThreadDebt {
 public:
  virtual ~ThreadDebt();
  /// The result will not come. Called in the reactor's thread.
  virtual void give_up() noexcept = 0;
};

/// The way back from a thread to the reactor whose pool it is of. It is shut when the pool leaves
/// the thread to itself: the reactor may be gone when that thread is done.
class ThreadDoor {
 public:
  /// The reactor's thread waits for `debt`.
  void expect(std::shared_ptr<ThreadDebt> debt);
  /// It has come.
  void settle(const std::shared_ptr<ThreadDebt>& debt) noexcept;
  /// Calls `deliver` unless the door is shut, which waits meanwhile. Thread: any.
  template <class F>
  void pass(F&& deliver) {
    const std::lock_guard lock(mutex_);
    if (open_) deliver();
  }
  /// Lets nothing through any more; what is still expected is given up.
  void shut() noexcept;

 private:
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<ThreadDebt>> expected_;
  bool open_ = true;
};

}  // namespace detail

/// Runs work in threads of its own, first in, first out. Threads are started when there is work for
/// them. Thread: any, except for construction and destruction.
class ThreadPool {
 public:
  static constexpr std::size_t default_max_threads = 10;

  explicit ThreadPool(std::size_t max_threads = default_max_threads);
  /// Waits for the work that runs, and drops what has not begun. `stop` before it bounds the wait.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Runs `work` in a thread; what it throws is logged. False when the pool has stopped.
  bool submit(Callback work);
  /// Takes no more work, drops what has not begun, and waits until `deadline` from now for what
  /// runs. False when some still runs then: it is left to itself, and logged. The pool may be used
  /// again afterwards.
  bool stop(Duration deadline);

  [[nodiscard]] std::size_t threads() const;
  /// For work that has something to tell: open as long as this pool waits for it.
  [[nodiscard]] std::shared_ptr<detail::ThreadDoor> door() const noexcept { return door_; }

 private:
  struct State;
  static void work(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
  std::shared_ptr<detail::ThreadDoor> door_;
  std::size_t max_threads_;
};

namespace detail {

[[nodiscard]] Failure reactor_gone();
void refuse_blocking_own_reactor(Reactor& reactor);

/// Carries the result of `f` from a thread of the pool to the reactor's.
template <class R>
struct ThreadResult final : ThreadDebt {
  explicit ThreadResult(SourceLocation where) { promise.emplace(Callback(), where); }

  void fire() {
    auto firing = std::move(*promise);
    promise.reset();
    firing.fire(std::move(*outcome));
  }
  void give_up() noexcept override {
    if (!promise) return;
    auto firing = std::move(*promise);
    promise.reset();
    try {
      firing.errback(reactor_gone());
    } catch (...) {
      // Without memory for the message it fails as a broken promise.
      return;
    }
  }

  // Touched by the reactor's thread only, which also empties it: whoever is last may be another.
  std::optional<Promise<R>> promise;
  std::optional<Outcome<R>> outcome;
};

template <class R, class F>
Outcome<R> outcome_of(F& f) noexcept {
  try {
    if constexpr (std::is_void_v<R>) {
      f();
      return {};
    } else {
      return f();
    }
  } catch (...) {
    return Failure::current();
  }
}

}  // namespace detail

/// Calls `f(args...)` in a thread of the reactor's pool; the deferred fires in the reactor's
/// thread. Cancelling it forgets the result; the call itself goes on. Errors: what the call throws;
/// NotRunningError when the reactor ends before it does.
template <class F, class... Args>
auto defer_to_thread(Reactor& reactor, F f, Args... args) {
  using R = std::invoke_result_t<F&, Args...>;
  auto result = std::make_shared<detail::ThreadResult<R>>(SourceLocation::current());
  auto deferred = result->promise->deferred();
  auto call = [f = std::move(f), ... args = std::move(args)]() mutable -> R {
    return f(std::move(args)...);
  };
  auto& pool = reactor.thread_pool();
  const auto door = pool.door();
  door->expect(result);
  const bool accepted = pool.submit([&reactor, door, result, call = std::move(call)]() mutable {
    result->outcome = detail::outcome_of<R>(call);
    door->pass([&] {
      // A reactor that takes no more calls gives its debts up itself.
      static_cast<void>(reactor.call_from_thread([door, result = std::move(result)] {
        door->settle(result);
        result->fire();
      }));
    });
  });
  if (!accepted) {
    door->settle(result);
    result->give_up();
  }
  return deferred;
}

/// Calls `f()` in the reactor's thread and waits for what it returns or throws.
/// Thread: any but the reactor's own, where it would wait for ever. Errors: WrongThreadError there;
/// NotRunningError when the reactor has ended.
template <class F>
auto call_in_reactor_and_wait(Reactor& reactor, F f) {
  using R = std::invoke_result_t<F&>;
  detail::refuse_blocking_own_reactor(reactor);
  std::promise<R> promise;
  auto future = promise.get_future();
  const bool taken =
      reactor.call_from_thread([f = std::move(f), promise = std::move(promise)]() mutable {
        try {
          if constexpr (std::is_void_v<R>) {
            f();
            promise.set_value();
          } else {
            promise.set_value(f());
          }
        } catch (...) {
          promise.set_exception(std::current_exception());
        }
      });
  if (!taken) detail::reactor_gone().raise();
  return future.get();
}

}  // namespace weft
