#include "clock.hpp"

#include "allocation_counter_test.hpp"
#include "census.hpp"
#include "error.hpp"
#include "step_clock_test.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

// Writes down which calls were made, and in which order.
struct Calls {
  StepClock clock;
  std::string made;

  DelayedCall later(Duration delay, char name) {
    return clock.call_later(delay, [this, name] { made += name; });
  }
};

TEST(Clock, MakesACallWhenItsTimeHasCome) {
  Calls calls;
  calls.later(10ms, 'a');
  calls.clock.advance(9ms);
  EXPECT_EQ(calls.made, "");
  calls.clock.advance(1ms);
  EXPECT_EQ(calls.made, "a");
  calls.clock.advance(1h);
  EXPECT_EQ(calls.made, "a");
}

TEST(Clock, MakesCallsInTheOrderOfTheirTimes) {
  Calls calls;
  calls.later(3ms, 'c');
  calls.later(1ms, 'a');
  calls.later(2ms, 'b');
  calls.clock.advance(3ms);
  EXPECT_EQ(calls.made, "abc");
}

TEST(Clock, MakesCallsOfOneInstantInTheOrderInWhichTheyWereScheduled) {
  Calls calls;
  for (char name = 'a'; name <= 'z'; ++name)
    calls.later(5ms, name);
  calls.clock.advance(5ms);
  EXPECT_EQ(calls.made, "abcdefghijklmnopqrstuvwxyz");
}

TEST(Clock, NeverMakesACallInsideCallLater) {
  Calls calls;
  calls.later(0ms, 'a');
  EXPECT_EQ(calls.made, "");
  calls.clock.turn_over();
  EXPECT_EQ(calls.made, "a");
}

TEST(Clock, LeavesACallScheduledByACallbackWithZeroDelayToTheNextTurn) {
  Calls calls;
  calls.clock.call_later(0ms, [&] { calls.later(0ms, 'b'); });
  calls.later(0ms, 'a');
  EXPECT_EQ(calls.clock.turn_over(), 2U);
  EXPECT_EQ(calls.made, "a");
  EXPECT_EQ(calls.clock.turn_over(), 1U);
  EXPECT_EQ(calls.made, "ab");
}

TEST(Clock, RefusesANegativeDelay) {
  StepClock clock;
  EXPECT_THROW(clock.call_later(-1ns, [] {}), InvalidArgument);
  EXPECT_EQ(clock.pending_calls(), 0U);
}

TEST(Clock, RefusesAnEmptyCallback) {
  StepClock clock;
  EXPECT_THROW(clock.call_later(1s, Callback()), InvalidArgument);
}

TEST(Clock, RefusesAnotherThreadOnceOneHasClaimedIt) {
  StepClock clock;
  clock.turn().claim_thread();
  bool refused = false;
  std::thread([&] {
    try {
      clock.call_later(1s, [] {});
    } catch (const WrongThreadError&) {
      refused = true;
    }
  }).join();
  EXPECT_TRUE(refused);
}

TEST(Clock, SchedulesTheFarthestFutureWithoutOverflow) {
  Calls calls;
  calls.clock.advance(1h);
  auto never = calls.later(Duration::max(), 'z');
  EXPECT_EQ(never.due(), TimePoint::max());
  calls.later(1ms, 'a');
  calls.clock.advance(1ms);
  EXPECT_EQ(calls.made, "a");
  EXPECT_TRUE(never.active());
  never.cancel();
}

TEST(Clock, LogsWhatACallThrowsWithThePlaceThatScheduledIt) {
  RecordedLog log;
  Calls calls;
  calls.clock.call_later(1ms, [] { throw std::runtime_error("sour milk"); });
  calls.later(1ms, 'a');
  calls.clock.advance(1ms);
  EXPECT_EQ(calls.made, "a");
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_NE(log.lines()[0].find("clock_test.cpp:"), std::string::npos);
  EXPECT_NE(log.lines()[0].find("sour milk"), std::string::npos);
}

TEST(Clock, EntersItsTurnForEachCall) {
  StepClock clock;
  const Turn* seen = nullptr;
  clock.call_later(0ms, [&] { seen = Turn::current(); });
  clock.turn_over();
  EXPECT_EQ(seen, &clock.turn());
  EXPECT_EQ(Turn::current(), nullptr);
}

TEST(Clock, TellsTheLoopOnlyWhenTheEarliestCallBecomesEarlier) {
  Calls calls;
  calls.later(10ms, 'b');
  EXPECT_EQ(calls.clock.earliest_moved, 1);
  auto other = calls.later(20ms, 'c');
  calls.later(10ms, 'd');
  EXPECT_EQ(calls.clock.earliest_moved, 1);
  calls.later(5ms, 'a');
  EXPECT_EQ(calls.clock.earliest_moved, 2);
  other.reset(15ms);
  EXPECT_EQ(calls.clock.earliest_moved, 2);
  other.reset(1ms);
  EXPECT_EQ(calls.clock.earliest_moved, 3);
  other.reset(2ms);
  EXPECT_EQ(calls.clock.earliest_moved, 3);
  calls.clock.advance(10ms);
}

TEST(Clock, KnowsTheEarliestCallAfterItWasPutOff) {
  Calls calls;
  auto call = calls.later(1ms, 'a');
  calls.later(5ms, 'b');
  call.reset(10ms);
  EXPECT_EQ(calls.clock.next_due(), TimePoint(5ms));
  calls.clock.advance(20ms);
  EXPECT_EQ(calls.made, "ba");
}

TEST(Clock, CountsCallsAbandonedAtItsEndAndDestroysWhatTheyHold) {
  const auto before = census().abandoned_timers.load();
  const auto held = std::make_shared<int>(1);
  {
    StepClock clock;
    clock.call_later(1s, [held] {});
    clock.call_later(2s, [held] {});
    clock.call_later(3s, [held] {}).cancel();
  }
  EXPECT_EQ(census().abandoned_timers.load(), before + 2);
  EXPECT_EQ(held.use_count(), 1);
  census().abandoned_timers -= 2;
}

TEST(Clock, KeepsCallbacksFromSchedulingThemselvesIntoTheSameTurnForEver) {
  StepClock clock;
  int made = 0;
  std::function<void()> again = [&] {
    ++made;
    clock.call_later(0ms, again);
  };
  again();
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(clock.turn_over(), 1U);
  EXPECT_EQ(made, 6);
  clock.drop_calls();
  census().abandoned_timers -= 1;
}

TEST(Clock, AllocatesNothingForACallOnceThereWasAnother) {
  StepClock clock;
  clock.call_later(1s, [] {}).cancel();
  const AllocationCounter allocations;
  for (int i = 0; i < 100; ++i) {
    clock.call_later(1s, [] {}).cancel();
    auto call = clock.call_later(1ms, [] {});
    call.reset(2ms);
    clock.advance(2ms);
  }
  EXPECT_EQ(allocations.count(), 0);
}

TEST(DelayedCall, CancelKeepsTheCallFromBeingMadeAndDestroysItAtOnce) {
  Calls calls;
  const auto held = std::make_shared<int>(1);
  auto call = calls.clock.call_later(1ms, [held, &calls] { calls.made += 'x'; });
  EXPECT_EQ(held.use_count(), 2);
  call.cancel();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(call.active());
  EXPECT_EQ(calls.clock.pending_calls(), 0U);
  calls.clock.advance(1s);
  EXPECT_EQ(calls.made, "");
}

TEST(DelayedCall, RefusesToChangeACallThatWasCancelled) {
  Calls calls;
  auto call = calls.later(1ms, 'a');
  call.cancel();
  EXPECT_THROW(call.cancel(), AlreadyCancelledError);
  EXPECT_THROW(call.reset(1s), AlreadyCancelledError);
  EXPECT_THROW(call.delay(1s), AlreadyCancelledError);
  call.cancel_if_active();
}

TEST(DelayedCall, RefusesToChangeACallThatWasMade) {
  Calls calls;
  auto call = calls.later(1ms, 'a');
  calls.clock.advance(1ms);
  EXPECT_FALSE(call.active());
  EXPECT_THROW(call.cancel(), AlreadyCalledError);
  EXPECT_THROW(call.reset(1s), AlreadyCalledError);
  EXPECT_THROW(call.delay(1s), AlreadyCalledError);
  call.cancel_if_active();
}

TEST(DelayedCall, IsNotActiveInsideItsOwnCall) {
  StepClock clock;
  DelayedCall call;
  std::optional<bool> active;
  call = clock.call_later(1ms, [&] {
    active = call.active();
    EXPECT_THROW(call.cancel(), AlreadyCalledError);
  });
  clock.advance(1ms);
  EXPECT_EQ(active, false);
}

TEST(DelayedCall, DefaultConstructedIsLikeOneThatWasMade) {
  DelayedCall call;
  EXPECT_FALSE(call.active());
  EXPECT_THROW(call.cancel(), AlreadyCalledError);
  call.cancel_if_active();
  EXPECT_EQ(call.due(), TimePoint());
}

TEST(DelayedCall, RefusesNegativeDurations) {
  Calls calls;
  auto call = calls.later(1ms, 'a');
  EXPECT_THROW(call.reset(-1ms), InvalidArgument);
  EXPECT_THROW(call.delay(-1ms), InvalidArgument);
  EXPECT_EQ(call.due(), TimePoint(1ms));
  call.cancel();
}

TEST(DelayedCall, ResetMovesItEarlierOrLater) {
  Calls calls;
  auto a = calls.later(10ms, 'a');
  auto b = calls.later(20ms, 'b');
  a.reset(30ms);
  b.reset(5ms);
  EXPECT_EQ(a.due(), TimePoint(30ms));
  calls.clock.advance(29ms);
  EXPECT_EQ(calls.made, "b");
  calls.clock.advance(1ms);
  EXPECT_EQ(calls.made, "ba");
}

TEST(DelayedCall, ResetToItsOwnInstantGoesBehindTheOthersOfThatInstant) {
  Calls calls;
  auto a = calls.later(10ms, 'a');
  calls.later(10ms, 'b');
  calls.later(10ms, 'c');
  a.reset(10ms);
  calls.clock.advance(10ms);
  EXPECT_EQ(calls.made, "bca");
}

TEST(DelayedCall, DelayCountsFromWhenItWasDue) {
  Calls calls;
  auto a = calls.later(10ms, 'a');
  calls.clock.advance(5ms);
  a.delay(10ms);
  calls.clock.advance(14ms);
  EXPECT_EQ(calls.made, "");
  calls.clock.advance(1ms);
  EXPECT_EQ(calls.made, "a");
}

TEST(DelayedCall, MayBeCancelledByAnotherCallOfTheSameInstant) {
  Calls calls;
  DelayedCall victim;
  calls.clock.call_later(1ms, [&] { victim.cancel(); });
  victim = calls.later(1ms, 'x');
  calls.later(1ms, 'a');
  calls.clock.advance(1ms);
  EXPECT_EQ(calls.made, "a");
}

TEST(DelayedCall, DueAndPutOffByAnotherCallWaitsForItsNewTime) {
  Calls calls;
  DelayedCall moved;
  calls.clock.call_later(1ms, [&] { moved.reset(0ms); });
  moved = calls.later(1ms, 'x');
  calls.later(1ms, 'a');
  calls.clock.be_busy(1ms);
  calls.clock.turn_over();
  EXPECT_EQ(calls.made, "a");
  calls.clock.turn_over();
  EXPECT_EQ(calls.made, "ax");
}

TEST(DelayedCall, CopiesAreHandlesToTheSameCall) {
  Calls calls;
  auto call = calls.later(1ms, 'a');
  auto copy = call;
  DelayedCall assigned;
  assigned = copy;
  copy.cancel();
  EXPECT_FALSE(call.active());
  EXPECT_FALSE(assigned.active());
}

TEST(DelayedCall, DroppingAllHandlesLetsTheCallHappen) {
  Calls calls;
  {
    auto call = calls.later(1ms, 'a');
    auto moved = std::move(call);
  }
  calls.clock.advance(1ms);
  EXPECT_EQ(calls.made, "a");
}

TEST(DelayedCall, HeldAfterTheCallDoesNotSeeTheCallsThatComeAfter) {
  Calls calls;
  auto first = calls.later(1ms, 'a');
  calls.clock.advance(1ms);
  for (int i = 0; i < 1000; ++i)
    calls.later(1ms, 'b');
  EXPECT_FALSE(first.active());
  EXPECT_THROW(first.cancel(), AlreadyCalledError);
  EXPECT_EQ(calls.clock.pending_calls(), 1000U);
  calls.clock.advance(1ms);
}

TEST(DelayedCall, OutlivesItsClockHarmlessly) {
  std::vector<DelayedCall> survivors;
  {
    StepClock clock;
    for (int i = 0; i < 600; ++i)
      survivors.push_back(clock.call_later(1s, [] {}));
    survivors[0].cancel();
    survivors.resize(599);
  }
  for (auto& call : survivors) {
    EXPECT_FALSE(call.active());
    call.cancel_if_active();
    EXPECT_THROW(call.reset(1s), AlreadyCancelledError);
  }
  survivors.clear();
  census().abandoned_timers -= 599;
}

TEST(DelayedCall, MayOwnItsOwnHandle) {
  StepClock clock;
  auto owner = std::make_shared<DelayedCall>();
  const std::weak_ptr<DelayedCall> watched = owner;
  *owner = clock.call_later(1ms, [owner] {});
  auto* const call = owner.get();
  owner.reset();
  call->cancel();
  EXPECT_TRUE(watched.expired());
  EXPECT_EQ(clock.pending_calls(), 0U);
}

TEST(DelayedCall, DestroyingWhatACancelledCallHeldMayCancelOthers) {
  StepClock clock;
  auto other = clock.call_later(2ms, [] {});
  const auto cancel_other = [&other](int* held) {
    delete held;
    other.cancel();
  };
  std::shared_ptr<int> held(new int, cancel_other);
  auto call = clock.call_later(1ms, [held = std::move(held)] {});
  call.cancel();
  EXPECT_FALSE(other.active());
  EXPECT_EQ(clock.pending_calls(), 0U);
}

// Against a model that sorts: any mix of adding, cancelling, resetting and delaying, over few
// instants so that ties abound.
TEST(DelayedCall, AnyMixOfChangesMakesTheSameCallsInTheSameOrderAsASortedList) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](int below) { return static_cast<int>(random() % unsigned(below)); };
    StepClock clock;
    std::vector<int> made;
    std::vector<int> expected;
    std::vector<DelayedCall> handles;
    std::map<int, std::pair<TimePoint, int>> model;
    int order = 0;
    for (int step = 0; step < 3000; ++step) {
      const int what = pick(10);
      const Duration delay = std::chrono::milliseconds(pick(12));
      if (what < 5 || model.empty()) {
        const int name = static_cast<int>(handles.size());
        handles.push_back(clock.call_later(delay, [&made, name] { made.push_back(name); }));
        model[name] = {clock.now() + delay, order++};
        continue;
      }
      const auto chosen = std::next(model.begin(), pick(static_cast<int>(model.size())));
      auto& handle = handles[static_cast<std::size_t>(chosen->first)];
      if (what == 5) {
        handle.cancel();
        model.erase(chosen);
      } else if (what < 8) {
        handle.reset(delay);
        chosen->second = {clock.now() + delay, order++};
      } else if (what == 8) {
        handle.delay(delay);
        chosen->second.first += delay;
      } else {
        clock.be_busy(2ms);
        std::map<std::pair<TimePoint, int>, int> due;
        for (const auto& [name, when] : model) {
          if (when.first <= clock.now()) due[when] = name;
        }
        for (const auto& [when, name] : due) {
          expected.push_back(name);
          model.erase(name);
        }
        clock.turn_over();
        ASSERT_EQ(made, expected) << "seed " << seed << " step " << step;
      }
      ASSERT_EQ(clock.pending_calls(), model.size());
    }
    clock.advance(1s);
  }
}

TEST(DelayedCall, CancelledCallsLeaveNoGarbage) {
  StepClock clock;
  auto kept = clock.call_later(1h, [] {});
  for (int i = 0; i < 100'000; ++i)
    clock.call_later(1s, [] {}).cancel();
  EXPECT_EQ(clock.pending_calls(), 1U);
  EXPECT_EQ(clock.next_due(), TimePoint(1h));
  kept.cancel();
}

}  // namespace
}  // namespace weft
