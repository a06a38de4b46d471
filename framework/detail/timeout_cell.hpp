// What stands between a result and who waits for it no longer than so.
#pragma once

#include "../clock.hpp"
#include "cell.hpp"

#include <utility>

namespace weft::detail {

[[nodiscard]] bool is_cancellation(const Failure& failure) noexcept;

/// Hands a T on as a U, by `pass(Outcome<T>&&)`. When the time has passed it cancels the operation,
/// and gives `timed_out()` if that ends in a CancelledError. One that comes from outside stays what
/// it is, also behind the time-out: whoever cancels wants no other answer.
template <class T, class U, class Pass, class TimedOut>
class TimeoutCell final : public Cell<U> {
 public:
  TimeoutCell(Pass pass, TimedOut timed_out, SourceLocation where)
      : Cell<U>(where), pass_(std::move(pass)), timed_out_(std::move(timed_out)) {}

  /// Cancels what feeds this, after `timeout`. Errors: as `Clock::call_later`.
  void begin(Clock& clock, Duration timeout) {
    call_ = clock.call_later(
        timeout,
        [this] {
          passed_ = true;
          this->cancel_source();
        },
        this->where());
  }

 private:
  ~TimeoutCell() { call_.cancel_if_active(); }
  void dispose() noexcept override { delete this; }
  void discard() noexcept override { call_.cancel_if_active(); }
  void advance(CellBase& source) noexcept override {
    call_.cancel_if_active();
    auto outcome = static_cast<Cell<T>&>(source).take();
    const bool own =
        passed_ && !this->cancelled() && !outcome.succeeded() && is_cancellation(outcome.failure());
    this->put(own ? timed_out_() : pass_(std::move(outcome)));
  }

  Pass pass_;
  TimedOut timed_out_;
  DelayedCall call_;
  bool passed_ = false;
};

}  // namespace weft::detail
