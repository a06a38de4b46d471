// Time that passes only when a test says so.
#pragma once

#include "../framework/clock.hpp"

namespace weft::testing {

/// Moves from deadline to deadline, and runs what becomes ready in between: ten one-second ticks in
/// `advance(10s)` see ten different times.
class ManualClock : public Clock {
 public:
  ManualClock();
  ~ManualClock() override;

  [[nodiscard]] TimePoint now() const override { return now_; }
  /// Lets `by` pass. What a call throws is logged, as by a reactor.
  void advance(Duration by);
  /// Delivers what waits for the loop to come round, and makes the calls that are due now, until
  /// nothing is left; but at most so often that two who wake each other for ever are noticed.
  /// Errors: std::logic_error then.
  void settle();

 private:
  TimePoint now_{};
};

}  // namespace weft::testing
