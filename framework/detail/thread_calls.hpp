// What goes between a reactor and the threads that work for it: who owes whom a result, and the way
// back.
#pragma once

#include "../clock.hpp"
#include "../deferred.hpp"
#include "../turn.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_set>
#include <utility>

namespace weft {

class Reactor;

namespace detail {

/// Nobody waits for longer: clocks would overflow.
inline constexpr Duration longest_wait = std::chrono::hours(24 * 365);

/// What a call in a thread owes the reactor. The promise in it belongs to the reactor's thread.
class ThreadDebt {
 public:
  virtual ~ThreadDebt();
  /// The result will not come. Called in the reactor's thread.
  virtual void give_up() noexcept = 0;
};

/// The way back from threads to a reactor, which may be gone when a thread is done. The reactor's
/// own pool has two: one for its threads, shut when it leaves one of them to itself, and one for
/// those of other pools, shut when it goes.
class ThreadDoor {
 public:
  /// The reactor's thread waits for `debt`.
  void expect(std::shared_ptr<ThreadDebt> debt);
  /// It has come.
  void settle(const std::shared_ptr<ThreadDebt>& debt) noexcept;
  /// Calls `deliver` unless the door is shut, which waits meanwhile; false when it is. Thread: any.
  template <class F>
  bool pass(F&& deliver) {
    const std::lock_guard lock(mutex_);
    if (open_) deliver();
    return open_;
  }
  /// Lets nothing through any more; what is still expected is given up.
  void shut() noexcept;

 private:
  std::mutex mutex_;
  std::unordered_set<std::shared_ptr<ThreadDebt>> expected_;
  bool open_ = true;
};

/// While it lives, this thread works for a reactor.
class WorksFor {
 public:
  WorksFor(Reactor* reactor, const std::shared_ptr<ThreadDoor>& door) noexcept
      : reactor_(reactor), door_(door), before_(std::exchange(current_, this)) {}
  ~WorksFor() { current_ = before_; }
  WorksFor(const WorksFor&) = delete;
  WorksFor& operator=(const WorksFor&) = delete;

  [[nodiscard]] Reactor* reactor() const noexcept { return reactor_; }
  [[nodiscard]] ThreadDoor& door() const noexcept { return *door_; }
  /// Null where no reactor is worked for.
  [[nodiscard]] static const WorksFor* current() noexcept {
    return current_ != nullptr && current_->reactor_ != nullptr ? current_ : nullptr;
  }

 private:
  static inline thread_local const WorksFor* current_ = nullptr;

  Reactor* reactor_;
  const std::shared_ptr<ThreadDoor>& door_;
  const WorksFor* before_;
};

[[nodiscard]] Failure reactor_gone();
[[nodiscard]] Failure pool_stopped();
/// The turn of a reactor, which this header knows by name only.
[[nodiscard]] Turn& turn_of(Reactor& reactor) noexcept;
void refuse_blocking_own_reactor(Reactor& reactor);
/// Errors: NoReactorError when this thread works for none.
[[nodiscard]] const WorksFor& works_for();
/// This thread of a pool is free again in all but name: who hears of the result may give it more.
void work_is_done() noexcept;
/// False when the call will never be made.
[[nodiscard]] bool call_in(Reactor& reactor, Callback callback);

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

/// Carries the result of a call from a thread of a pool to the reactor's.
template <class R>
struct ThreadResult final : ThreadDebt {
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
  // Takes the call out of the queue it waits in; the reactor's too.
  Callback drop;
  std::optional<Outcome<R>> outcome;
};

/// A call on its way through the queue of a pool. When it is dropped before it begins, its reactor
/// hears that the pool has stopped; nobody hears it where the call was cancelled.
template <class R, class F>
class ThreadCall {
 public:
  ThreadCall(Reactor& reactor, std::shared_ptr<ThreadDoor> door,
             std::shared_ptr<ThreadResult<R>> result, F f)
      : reactor_(&reactor), door_(std::move(door)), result_(std::move(result)), f_(std::move(f)) {}
  ThreadCall(ThreadCall&& other) noexcept = default;
  ThreadCall& operator=(ThreadCall&&) = delete;
  ~ThreadCall() {
    if (result_ == nullptr) return;
    try {
      result_->outcome = Outcome<R>(pool_stopped());
      deliver();
    } catch (...) {
      // Without memory for the message it is given up when the reactor ends.
      return;
    }
  }

  void operator()() {
    const WorksFor scope(reactor_, door_);
    result_->outcome = outcome_of<R>(*f_);
    // What it captured goes here, not in the reactor's thread.
    f_.reset();
    work_is_done();
    deliver();
  }

 private:
  void deliver() {
    door_->pass([this] {
      // A reactor that takes no more calls gives its debts up itself.
      static_cast<void>(call_in(*reactor_, [door = door_, result = std::move(result_)] {
        door->settle(result);
        if (result->promise) result->fire();
      }));
    });
    result_.reset();
  }

  Reactor* reactor_;
  std::shared_ptr<ThreadDoor> door_;
  std::shared_ptr<ThreadResult<R>> result_;
  std::optional<F> f_;
};

/// Where a thread waits for what a reactor gives it.
template <class R>
class Rendezvous {
 public:
  /// The first result counts.
  void put(Outcome<R> outcome) {
    const std::lock_guard lock(mutex_);
    if (outcome_) return;
    outcome_.emplace(std::move(outcome));
    there_.notify_all();
  }
  /// Nothing when it did not come within `deadline`; without one it waits for ever.
  std::optional<Outcome<R>> take(std::optional<Duration> deadline) {
    std::unique_lock lock(mutex_);
    const auto come = [this] { return outcome_.has_value(); };
    if (!deadline) {
      there_.wait(lock, come);
    } else if (!there_.wait_for(lock, std::min(*deadline, longest_wait), come)) {
      left_ = true;
      return std::nullopt;
    }
    return std::exchange(outcome_, std::nullopt);
  }
  /// Nobody waits any more.
  [[nodiscard]] bool left() const {
    const std::lock_guard lock(mutex_);
    return left_;
  }

  // The reactor's alone, and empty before this goes: cancels the deferred that is waited for.
  Canceller canceller;

 private:
  mutable std::mutex mutex_;
  std::condition_variable there_;
  std::optional<Outcome<R>> outcome_;
  bool left_ = false;
};

/// A deferred that another thread waits for fails with the loop that it belongs to.
template <class R>
class LoopEndWatch final : public Turn::Participant {
 public:
  LoopEndWatch(Turn& turn, std::shared_ptr<Rendezvous<R>> rendezvous)
      : Turn::Participant(turn), rendezvous_(std::move(rendezvous)) {}

 private:
  void flush() noexcept override {}
  void wake() noexcept override {}
  void loop_ended() noexcept override {
    rendezvous_->canceller = Canceller();
    rendezvous_->put(Outcome<R>(reactor_gone()));
  }

  std::shared_ptr<Rendezvous<R>> rendezvous_;
};

/// Calls `f` in the reactor's thread, for another that waits.
template <class R, class F>
class AwaitedCall {
 public:
  AwaitedCall(Reactor& reactor, std::shared_ptr<Rendezvous<R>> rendezvous, F f)
      : reactor_(&reactor), rendezvous_(std::move(rendezvous)), f_(std::move(f)) {}
  AwaitedCall(AwaitedCall&& other) noexcept = default;
  AwaitedCall& operator=(AwaitedCall&&) = delete;
  ~AwaitedCall() {
    if (rendezvous_ != nullptr) rendezvous_->put(Outcome<R>(reactor_gone()));
  }

  void operator()() {
    const auto rendezvous = std::exchange(rendezvous_, nullptr);
    if (rendezvous->left()) return;
    if constexpr (is_deferred<std::invoke_result_t<F&>>) {
      auto watch = std::make_shared<LoopEndWatch<R>>(turn_of(*reactor_), rendezvous);
      // Moved, since a task needs what it captured for longer than this is there.
      auto waiting = maybe_deferred(std::move(f_))
                         .add_both([rendezvous, watch = std::move(watch)](Outcome<R> outcome) {
                           rendezvous->canceller = Canceller();
                           rendezvous->put(std::move(outcome));
                         });
      if (!waiting.ready()) rendezvous->canceller = waiting.canceller();
    } else {
      rendezvous->put(outcome_of<R>(f_));
    }
  }

 private:
  Reactor* reactor_;
  std::shared_ptr<Rendezvous<R>> rendezvous_;
  F f_;
};

[[noreturn]] void refuse_late(Duration deadline);

template <class R>
R value_of(Outcome<R> outcome) {
  auto&& value = std::move(outcome).value();
  if constexpr (!std::is_void_v<R>) return std::move(value);
}

/// `ask` hands a callback to the reactor, and says whether it was taken.
template <class F, class Ask>
auto call_and_wait(Reactor& reactor, F f, std::optional<Duration> deadline, const Ask& ask) {
  using R = ReturnedValue<std::invoke_result_t<F&>>;
  refuse_blocking_own_reactor(reactor);
  auto rendezvous = std::make_shared<Rendezvous<R>>();
  // One that is not taken is dropped, which says so.
  static_cast<void>(ask(AwaitedCall<R, F>(reactor, rendezvous, std::move(f))));
  auto outcome = rendezvous->take(deadline);
  if (!outcome) {
    static_cast<void>(ask([rendezvous] { rendezvous->canceller.cancel(); }));
    refuse_late(*deadline);
  }
  return value_of<R>(std::move(*outcome));
}

}  // namespace detail
}  // namespace weft
