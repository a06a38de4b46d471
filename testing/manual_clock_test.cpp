#include "manual_clock.hpp"

#include "../framework/error.hpp"
#include "log_capture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

TEST(ManualClock, GoesFromDeadlineToDeadline) {
  ManualClock clock;
  const auto begin = clock.now();
  std::vector<Duration> seen;
  std::function<void()> tick = [&] {
    seen.push_back(clock.now() - begin);
    if (seen.size() < 10) clock.call_later(1s, tick);
  };
  clock.call_later(1s, tick);
  clock.advance(10s);
  EXPECT_EQ(seen, (std::vector<Duration>{1s, 2s, 3s, 4s, 5s, 6s, 7s, 8s, 9s, 10s}));
  EXPECT_EQ(clock.now() - begin, 10s);
}

TEST(ManualClock, StandsStillBetweenCalls) {
  ManualClock clock;
  const auto begin = clock.now();
  clock.settle();
  clock.advance(0s);
  EXPECT_EQ(clock.now(), begin);
}

TEST(ManualClock, LogsWhatACallThrowsAndGoesOn) {
  const LogCapture log;
  ManualClock clock;
  bool next = false;
  clock.call_later(1s, [] { throw std::runtime_error("in a call"); });
  clock.call_later(1s, [&] { next = true; });
  clock.advance(1s);
  EXPECT_TRUE(next);
  EXPECT_TRUE(log.contains("in a call"));
}

TEST(ManualClock, GoesOnlyForwards) {
  ManualClock clock;
  EXPECT_THROW(clock.advance(-1s), InvalidArgument);
}

TEST(ManualClock, NoticesWhatWakesItselfForEver) {
  ManualClock clock;
  DelayedCall last;
  std::function<void()> again = [&] { last = clock.call_later(0s, again); };
  again();
  EXPECT_THROW(clock.settle(), std::logic_error);
  last.cancel();
}

}  // namespace
}  // namespace weft::testing
