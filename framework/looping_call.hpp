// Something done again and again, on a grid of times.
#pragma once

#include "clock.hpp"
#include "deferred.hpp"
#include "source_location.hpp"
#include "unique_function.hpp"

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

/// When a LoopingCall calls for the first time: inside `start`, or one interval later.
enum class FirstTick : std::uint8_t { at_once, after_interval };

/// Calls a function at fixed times: `start` plus a multiple of the interval, without drift. Ticks
/// that were missed, because the loop was busy or the function's own deferred took longer, are
/// skipped. Lifetime: destroying it stops it, and cancels the deferred of a call in flight.
class LoopingCall {
 public:
  /// `f()` or `f(int ticks)`, where `ticks` counts the grid times since the call before: one, and
  /// one more for each that was skipped. It returns nothing or a Deferred<void>, which the next
  /// tick waits for.
  template <class F>
  LoopingCall(Clock& clock, F f, SourceLocation where = SourceLocation::current())
      : LoopingCall(clock, Function(adapt(std::move(f))), where, Adapted{}) {}
  ~LoopingCall();
  LoopingCall(const LoopingCall&) = delete;
  LoopingCall& operator=(const LoopingCall&) = delete;

  /// Begins to call; an interval of zero calls once each turn of the loop. The deferred fires when
  /// `stop` has ended it, and fails with what the function threw or its deferred failed with, which
  /// ends it too; cancelling it stops it. Errors: AlreadyRunningError while it runs, or while a
  /// call is in flight after `stop`; InvalidArgument for a negative interval.
  Deferred<void> start(Duration interval, FirstTick first = FirstTick::at_once);
  /// Ends it, after the call in flight if there is one. Errors: NotRunningError.
  void stop();
  /// Begins a new grid: the next tick is one interval from now. Errors: NotRunningError.
  void reset();

  [[nodiscard]] bool running() const noexcept;
  /// What it was last started with.
  [[nodiscard]] Duration interval() const noexcept;

 private:
  using Function = UniqueFunction<Deferred<void>(int)>;
  struct Loop;
  struct Adapted {};
  LoopingCall(Clock& clock, Function function, SourceLocation where, Adapted);

  template <class F>
  static auto adapt(F f) {
    return [f = std::move(f)](int ticks) mutable -> Deferred<void> {
      if constexpr (std::is_invocable_v<F&, int>) {
        return maybe_deferred(f, ticks);
      } else {
        return maybe_deferred(f);
      }
    };
  }

  std::shared_ptr<Loop> loop_;
};

}  // namespace weft
