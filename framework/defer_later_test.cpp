#include "defer_later.hpp"

#include "error.hpp"
#include "step_clock_test.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weft {
namespace {

using namespace std::chrono_literals;

TEST(DeferLater, FiresWhenTheTimeHasPassed) {
  StepClock clock;
  auto later = defer_later(clock, 5ms);
  clock.advance(4ms);
  EXPECT_FALSE(later.ready());
  clock.advance(1ms);
  EXPECT_TRUE(later.take_result()->succeeded());
}

TEST(DeferLater, CancelRemovesTheCallFromTheClock) {
  StepClock clock;
  auto later = defer_later(clock, 5ms);
  later.cancel();
  EXPECT_EQ(clock.pending_calls(), 0U);
  EXPECT_NE(later.take_result()->failure().check<CancelledError>(), nullptr);
}

TEST(DeferLater, RefusesANegativeDelay) {
  StepClock clock;
  EXPECT_THROW(static_cast<void>(defer_later(clock, -1ms)), InvalidArgument);
}

// Two waits, one after the other, and what is had instead when somebody loses patience.
Deferred<std::string> breakfast(Clock& clock) {
  // [chain]
  return defer_later(clock, 3min)
      .add_callback([] { return std::string("a soft egg"); })
      .add_callback([&clock](std::string egg) {
        return defer_later(clock, 2min).add_callback([egg] { return egg + " and toast"; });
      })
      .add_errback<CancelledError>([](const Failure&) { return std::string("nothing"); });
  // [chain]
}

TEST(DeferLater, WaitsAnywhereInAChain) {
  StepClock clock;
  auto meal = breakfast(clock);
  clock.advance(3min);
  EXPECT_FALSE(meal.ready());
  clock.advance(2min);
  EXPECT_EQ(meal.take_result()->value(), "a soft egg and toast");
}

TEST(DeferLater, IsCancelledWhereverTheChainWaits) {
  StepClock clock;
  auto meal = breakfast(clock);
  clock.advance(4min);
  meal.cancel();
  EXPECT_EQ(clock.pending_calls(), 0U);
  EXPECT_EQ(meal.take_result()->value(), "nothing");
}

}  // namespace
}  // namespace weft
