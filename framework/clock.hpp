// Time as the framework sees it: a monotonic clock that calls back later.
#pragma once

#include "diagnostics/pending_work.hpp"
#include "source_location.hpp"
#include "unique_function.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace weft {

class Turn;
namespace detail {
class TimerQueue;
struct TimerNode;
}  // namespace detail

using Duration = std::chrono::nanoseconds;
/// A point on a clock's own monotonic time line; comparable only with points of the same clock.
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// A call that a clock will make later: what `Clock::call_later` gives. Copies are handles to the
/// same call; dropping all of them lets the call happen. Errors: changing a call that was made
/// throws AlreadyCalledError; one that was cancelled, AlreadyCancelledError.
class DelayedCall {
 public:
  /// A handle to nothing: not active, and cancelling it is refused like that of a call already
  /// made.
  DelayedCall() noexcept;
  DelayedCall(const DelayedCall&) noexcept;
  DelayedCall(DelayedCall&&) noexcept;
  DelayedCall& operator=(const DelayedCall&) noexcept;
  DelayedCall& operator=(DelayedCall&&) noexcept;
  ~DelayedCall();

  /// Makes sure that the call never happens; what it captured is destroyed now.
  void cancel();
  /// Like `cancel`, but silent where there is nothing left to cancel.
  void cancel_if_active() noexcept;
  /// Makes it due `from_now`, earlier or later than before.
  void reset(Duration from_now);
  /// Makes it due `longer` later than it was.
  void delay(Duration longer);
  /// True until the call begins or is cancelled.
  [[nodiscard]] bool active() const noexcept;
  [[nodiscard]] TimePoint due() const;

 private:
  friend class detail::TimerQueue;
  explicit DelayedCall(detail::TimerNode* node) noexcept;
  detail::TimerNode* node_ = nullptr;
};

/// Monotonic time, and calls made when it has passed. A reactor is one; so is the test kit's manual
/// clock.
class Clock {
 public:
  virtual ~Clock();
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;

  [[nodiscard]] virtual TimePoint now() const = 0;

  /// Calls `callback` once, `delay` from now or as soon after as it can be, never inside this call.
  /// Calls due at the same instant are made in the order in which they were scheduled. An exception
  /// that leaves `callback` is logged. Errors: InvalidArgument for a negative delay or an empty
  /// callback.
  DelayedCall call_later(Duration delay, Callback callback,
                         SourceLocation where = SourceLocation::current());

  /// How many calls are scheduled and neither made nor cancelled.
  [[nodiscard]] std::size_t pending_calls() const noexcept;

  /// The way into user code that belongs to this clock's loop.
  [[nodiscard]] Turn& turn() noexcept { return *turn_; }
  [[nodiscard]] const Turn& turn() const noexcept { return *turn_; }

 protected:
  Clock();
  /// When the earliest call is due; nothing when none is scheduled.
  [[nodiscard]] std::optional<TimePoint> next_due() const noexcept;
  /// Makes the calls that are due at `now` and were scheduled before this call; says how many it
  /// made.
  std::size_t run_due(TimePoint now);
  /// A call became the earliest: a loop that sleeps until the earliest call must be told.
  virtual void earliest_call_moved_forward() {}
  /// Adds each scheduled call to `pending`, earliest first.
  void describe_calls(std::vector<PendingWork>& pending) const;
  /// Drops all calls without making them, for a loop that ends; the census counts them as
  /// abandoned.
  void drop_calls() noexcept;

 private:
  friend class detail::TimerQueue;
  std::unique_ptr<Turn> turn_;
  std::unique_ptr<detail::TimerQueue> timers_;
};

}  // namespace weft
