#include "looping_call.hpp"

#include "error.hpp"
#include "step_clock_test.hpp"
#include "test_results_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

// Writes down at which milliseconds it was called.
struct Ticks {
  StepClock clock;
  std::vector<int> at;
  Duration each_takes = 0ms;
  LoopingCall loop{clock, [this] {
                     at.push_back(static_cast<int>(clock.now().time_since_epoch() / 1ms));
                     clock.be_busy(each_takes);
                   }};
};

TEST(LoopingCall, CallsAtOnceAndThenAtEachInterval) {
  Ticks ticks;
  auto done = ticks.loop.start(10ms);
  EXPECT_EQ(ticks.at, (std::vector{0}));
  ticks.clock.advance(35ms);
  EXPECT_EQ(ticks.at, (std::vector{0, 10, 20, 30}));
  EXPECT_TRUE(ticks.loop.running());
  EXPECT_EQ(ticks.loop.interval(), 10ms);
}

TEST(LoopingCall, CallsOneIntervalLaterWhenAskedTo) {
  Ticks ticks;
  auto done = ticks.loop.start(10ms, FirstTick::after_interval);
  EXPECT_EQ(ticks.at, (std::vector<int>{}));
  ticks.clock.advance(25ms);
  EXPECT_EQ(ticks.at, (std::vector{10, 20}));
}

TEST(LoopingCall, KeepsItsGridHoweverLongACallTakes) {
  Ticks ticks;
  ticks.each_takes = 3ms;
  auto done = ticks.loop.start(10ms);
  for (int i = 0; i < 4; ++i)
    ticks.clock.advance(10ms);
  EXPECT_EQ(ticks.at, (std::vector{0, 10, 20, 30, 40}));
}

TEST(LoopingCall, SkipsMissedTicksAndSaysHowMany) {
  StepClock clock;
  std::vector<int> counts;
  // [looping_call]
  LoopingCall loop(clock, [&](int ticks) { counts.push_back(ticks); });
  auto done = loop.start(10ms);
  // [looping_call]
  clock.advance(10ms);
  clock.be_busy(37ms);
  clock.turn_over();
  clock.advance(3ms);
  EXPECT_EQ(counts, (std::vector{1, 1, 3, 1}));
}

TEST(LoopingCall, WithAnIntervalOfZeroCallsOnceEachTurn) {
  StepClock clock;
  std::vector<int> counts;
  LoopingCall loop(clock, [&](int ticks) { counts.push_back(ticks); });
  auto done = loop.start(0ms);
  clock.turn_over();
  clock.turn_over();
  EXPECT_EQ(counts, (std::vector{1, 1, 1}));
}

TEST(LoopingCall, StopFiresTheDeferredOfStart) {
  Ticks ticks;
  auto done = ticks.loop.start(10ms);
  EXPECT_EQ(end_of(done), "pending");
  ticks.loop.stop();
  EXPECT_EQ(end_of(done), "done");
  EXPECT_FALSE(ticks.loop.running());
  EXPECT_EQ(ticks.clock.pending_calls(), 0U);
}

TEST(LoopingCall, StopInsideACallEndsItAfterThatCall) {
  StepClock clock;
  std::optional<LoopingCall> loop;
  int calls = 0;
  loop.emplace(clock, [&] {
    if (++calls == 2) loop->stop();
  });
  auto done = loop->start(10ms);
  clock.advance(1s);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(end_of(done), "done");
}

TEST(LoopingCall, EndsAndFailsWithWhatACallThrows) {
  StepClock clock;
  int calls = 0;
  LoopingCall loop(clock, [&] {
    if (++calls == 3) throw std::runtime_error("the clockwork broke");
  });
  auto done = loop.start(10ms);
  clock.advance(1s);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(end_of(done), "std::runtime_error");
  EXPECT_FALSE(loop.running());
}

TEST(LoopingCall, MayBeStartedAgainAfterItEnded) {
  Ticks ticks;
  auto first = ticks.loop.start(10ms);
  ticks.loop.stop();
  ticks.clock.advance(5ms);
  auto second = ticks.loop.start(10ms);
  ticks.clock.advance(10ms);
  EXPECT_EQ(ticks.at, (std::vector{0, 5, 15}));
}

TEST(LoopingCall, RefusesToStartTwiceAndToStopOrResetWhenIdle) {
  Ticks ticks;
  EXPECT_THROW(ticks.loop.stop(), NotRunningError);
  EXPECT_THROW(ticks.loop.reset(), NotRunningError);
  EXPECT_THROW(static_cast<void>(ticks.loop.start(-1ms)), InvalidArgument);
  auto done = ticks.loop.start(10ms);
  EXPECT_THROW(static_cast<void>(ticks.loop.start(10ms)), AlreadyRunningError);
}

TEST(LoopingCall, ResetBeginsANewGrid) {
  Ticks ticks;
  auto done = ticks.loop.start(10ms);
  ticks.clock.advance(7ms);
  ticks.loop.reset();
  ticks.clock.advance(20ms);
  EXPECT_EQ(ticks.at, (std::vector{0, 17, 27}));
}

TEST(LoopingCall, ResetInsideACallBeginsANewGrid) {
  StepClock clock;
  std::optional<LoopingCall> loop;
  std::vector<int> at;
  loop.emplace(clock, [&] {
    at.push_back(static_cast<int>(clock.now().time_since_epoch() / 1ms));
    clock.be_busy(4ms);
    if (at.size() == 2) loop->reset();
  });
  auto done = loop->start(10ms);
  clock.advance(10ms);
  clock.advance(10ms);
  EXPECT_EQ(at, (std::vector{0, 10, 24}));
}

// A call whose work ends when the test says so.
struct SlowTicks {
  StepClock clock;
  std::optional<Promise<void>> work;
  bool work_cancelled = false;
  std::vector<int> counts;
  std::optional<LoopingCall> loop;

  SlowTicks() {
    loop.emplace(clock, [this](int ticks) {
      counts.push_back(ticks);
      work.emplace([this] { work_cancelled = true; });
      return work->deferred();
    });
  }
};

TEST(LoopingCall, WaitsForTheDeferredOfACallAndGoesOnAtTheNextGridTime) {
  SlowTicks ticks;
  auto done = ticks.loop->start(10ms);
  ticks.clock.advance(23ms);
  EXPECT_EQ(ticks.counts, (std::vector{1}));
  ticks.work->callback();
  ticks.clock.advance(6ms);
  EXPECT_EQ(ticks.counts, (std::vector{1}));
  ticks.clock.advance(1ms);
  EXPECT_EQ(ticks.counts, (std::vector{1, 3}));
}

TEST(LoopingCall, StopWaitsForTheCallInFlight) {
  SlowTicks ticks;
  auto done = ticks.loop->start(10ms);
  ticks.loop->stop();
  EXPECT_EQ(end_of(done), "pending");
  EXPECT_THROW(static_cast<void>(ticks.loop->start(10ms)), AlreadyRunningError);
  ticks.work->callback();
  EXPECT_EQ(end_of(done), "done");
}

TEST(LoopingCall, FailsWithWhatTheDeferredOfACallFailsWith) {
  SlowTicks ticks;
  auto done = ticks.loop->start(10ms);
  ticks.work->errback(make_failure<QueueOverflow>("full"));
  EXPECT_EQ(end_of(done), "weft::QueueOverflow");
  EXPECT_EQ(ticks.clock.pending_calls(), 0U);
}

TEST(LoopingCall, CancellingTheDeferredOfStartCancelsTheCallInFlight) {
  SlowTicks ticks;
  auto done = ticks.loop->start(10ms);
  done.cancel();
  EXPECT_TRUE(ticks.work_cancelled);
  EXPECT_EQ(end_of(done), "weft::CancelledError");
  EXPECT_FALSE(ticks.loop->running());
}

TEST(LoopingCall, CancellingTheDeferredOfStartStopsIt) {
  Ticks ticks;
  auto done = ticks.loop.start(10ms);
  done.cancel();
  EXPECT_EQ(end_of(done), "weft::CancelledError");
  ticks.clock.advance(1s);
  EXPECT_EQ(ticks.at, (std::vector{0}));
}

TEST(LoopingCall, DestroyedCallsNoMoreAndFiresTheDeferredOfStart) {
  StepClock clock;
  int calls = 0;
  auto loop = std::make_unique<LoopingCall>(clock, [&] { ++calls; });
  auto done = loop->start(10ms);
  loop.reset();
  clock.advance(1s);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(end_of(done), "done");
}

TEST(LoopingCall, DestroyedCancelsTheCallInFlightWithoutAFailureOfItsOwn) {
  RecordedLog log;
  SlowTicks ticks;
  auto done = ticks.loop->start(10ms);
  ticks.loop.reset();
  EXPECT_TRUE(ticks.work_cancelled);
  EXPECT_EQ(end_of(done), "done");
  EXPECT_TRUE(log.lines().empty());
}

TEST(LoopingCall, MayBeDestroyedByItsOwnCall) {
  StepClock clock;
  std::unique_ptr<LoopingCall> loop;
  int calls = 0;
  loop = std::make_unique<LoopingCall>(clock, [&] {
    if (++calls == 2) loop.reset();
  });
  auto done = loop->start(10ms);
  clock.advance(1s);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(clock.pending_calls(), 0U);
}

}  // namespace
}  // namespace weft
