#include "task_group.hpp"

#include "../../testing/log_capture.hpp"
#include "../../testing/manual_clock.hpp"
#include "../../testing/results.hpp"
#include "../census.hpp"
#include "counted_test.hpp"
#include "shield.hpp"
#include "sleep.hpp"
#include "with_timeout.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::failure_result_of;
using testing::has_no_result;
using testing::success_result_of;

struct Broken : Error {
  explicit Broken(const std::string& which = "it") : Error("Broken: " + which + ".") {}
};

class TaskGroupTest : public ::testing::Test {
 protected:
  Task<void> fail_after(Duration delay, std::string which = "it") {
    co_await sleep(clock_, delay);
    throw Broken(which);
  }
  Task<int> give_after(Duration delay, int value) {
    const Counted here(alive_);
    co_await sleep(clock_, delay);
    co_return value;
  }
  Task<void> wait_and_note(std::string name, Duration delay = 1h) {
    const Counted here(alive_);
    try {
      co_await sleep(clock_, delay);
      note(name + " done");
    } catch (const CancelledError&) {
      note(name + " cancelled");
      throw;
    }
  }
  // Cleans up for a second after it was cancelled, and for another when it is again.
  Task<void> slow_to_go(std::string name) {
    const Counted here(alive_);
    for (int i = 0; i < 3; ++i) {
      try {
        co_await sleep(clock_, 1s);
        note(name + " slept");
        co_return;
      } catch (const CancelledError&) {
        note(name + " cancelled");
      }
    }
  }
  void note(std::string what) { notes_.push_back(std::move(what)); }
  using Notes = std::vector<std::string>;

  const testing::LogCapture log_;
  testing::ManualClock clock_;
  Notes notes_;
  int alive_ = 0;
};

TEST_F(TaskGroupTest, IsJoinedWhenAllHaveEnded) {
  TaskGroup group;
  success_result_of(group.join());
  group.start(give_after(1s, 1));
  group.adopt(sleep(clock_, 2s));
  group.adopt(succeed(3));
  auto joined = group.join();
  auto twice = group.join();
  EXPECT_EQ(group.size(), 2U);
  clock_.advance(1s);
  EXPECT_TRUE(has_no_result(joined));
  clock_.advance(1s);
  success_result_of(std::move(joined));
  success_result_of(std::move(twice));
  EXPECT_FALSE(group.closed());
}

TEST_F(TaskGroupTest, CancelsTheOthersWhenOneFailsAndTellsItsFailureAsItIs) {
  TaskGroup group;
  group.start(wait_and_note("a"));
  group.start(fail_after(1s));
  group.start(wait_and_note("b"));
  auto joined = group.join();
  clock_.advance(1s);
  static_cast<void>(failure_result_of<Broken>(std::move(joined)));
  EXPECT_EQ(notes_, (Notes{"a cancelled", "b cancelled"}));
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(clock_.pending_calls(), 0U);
}

TEST_F(TaskGroupTest, ReportsAllFailuresWhereThereAreSeveral) {
  TaskGroup group;
  const auto fails_when_cancelled = [&](std::string which) -> Task<void> {
    try {
      co_await sleep(clock_, 1h);
    } catch (const CancelledError&) {
    }
    throw Broken(which);
  };
  group.start(fails_when_cancelled("one"));
  group.start(fail_after(1s, "two"));
  auto joined = group.join();
  clock_.advance(1s);
  const auto failure = failure_result_of<GroupError>(std::move(joined));
  const auto& failures = failure.check<GroupError>()->failures();
  ASSERT_EQ(failures.size(), 2U);
  EXPECT_EQ(failures[0].message(), "Broken: two.");
  EXPECT_EQ(failures[1].message(), "Broken: one.");
  EXPECT_NE(failure.message().find("Broken: one."), std::string::npos);
}

TEST_F(TaskGroupTest, TakesNoMoreOnceItIsClosed) {
  TaskGroup group;
  group.cancel();
  EXPECT_THROW(group.adopt(succeed()), GroupClosed);
  TaskGroup failed;
  failed.adopt(fail<void>(Failure(Broken())));
  EXPECT_TRUE(failed.closed());
  EXPECT_THROW(failed.adopt(sleep(clock_, 1s)), GroupClosed);
  EXPECT_EQ(clock_.pending_calls(), 0U);
  static_cast<void>(failure_result_of<Broken>(failed.join()));
  success_result_of(failed.join());
}

TEST_F(TaskGroupTest, TakesNoChildThatWasConsumed) {
  TaskGroup group;
  auto consumed = succeed(1);
  static_cast<void>(consumed.take_result());
  EXPECT_THROW(group.adopt(std::move(consumed)), AlreadyCalledError);
  EXPECT_TRUE(group.empty());
}

TEST_F(TaskGroupTest, LogsFailuresOfTheBackgroundAndLetsTheOthersGoOn) {
  {
    TaskGroup group(TaskGroup::OnFailure::log);
    group.start(fail_after(1s).named("the watcher"));
    group.start(wait_and_note("other", 2s));
    clock_.advance(2s);
    success_result_of(group.join());
  }
  EXPECT_EQ(notes_, (Notes{"other done"}));
  EXPECT_TRUE(log_.contains("the watcher"));
  EXPECT_EQ(log_.lines().size(), 1U);
  census().unhandled_failures = 0;
}

TEST_F(TaskGroupTest, LogsWhatNobodyJoinedFor) {
  {
    TaskGroup group;
    group.adopt(fail<void>(Failure(Broken())));
  }
  EXPECT_TRUE(log_.contains("Broken"));
  census().unhandled_failures = 0;
}

TEST_F(TaskGroupTest, LetsWhoIsCancelledCleanUpAndCancelsThatWhenAskedAgain) {
  TaskGroup group;
  group.start(slow_to_go("a"));
  group.cancel();
  auto joined = group.join();
  EXPECT_TRUE(has_no_result(joined));
  group.cancel();
  EXPECT_EQ(notes_, (Notes{"a cancelled", "a cancelled"}));
  clock_.advance(1s);
  success_result_of(std::move(joined));
  EXPECT_EQ(notes_.back(), "a slept");
}

TEST_F(TaskGroupTest, CancelsItsChildrenWhenTheJoinIsCancelled) {
  TaskGroup group;
  group.start(wait_and_note("a"));
  auto joined = group.join();
  joined.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(joined)));
  EXPECT_EQ(notes_, (Notes{"a cancelled"}));
  EXPECT_TRUE(group.empty());
}

// ---- as a member: nothing runs afterwards

// What a protocol would be that has work of its own.
class Owner {
 public:
  Owner(Clock& clock, int& calls, int& alive) : clock_(clock), calls_(calls), alive_(alive) {}
  // [member]
  void begin() {
    group_.adopt(sleep(clock_, 1s).add_callback([this] { call(); }));
    group_.start(stubborn());
    group_.start(outer());
  }
  // [member]

 private:
  void call() { ++calls_; }
  // Swallows every cancellation.
  Task<void> stubborn() {
    const Counted here(alive_);
    for (;;) {
      try {
        co_await sleep(clock_, 1s);
      } catch (const CancelledError&) {
        continue;
      }
      call();
    }
  }
  Task<void> outer() {
    const Counted here(alive_);
    co_await with_timeout(clock_, 10s, stubborn());
  }

  Clock& clock_;
  int& calls_;
  int& alive_;
  TaskGroup group_;
};

TEST_F(TaskGroupTest, HasNothingRunBehindItsEndHoweverStubborn) {
  int calls = 0;
  auto owner = std::make_unique<Owner>(clock_, calls, alive_);
  owner->begin();
  EXPECT_EQ(alive_, 3);
  clock_.advance(1s);
  EXPECT_EQ(calls, 3);
  owner.reset();
  EXPECT_EQ(alive_, 0);
  clock_.advance(1min);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(clock_.pending_calls(), 0U);
}

TEST_F(TaskGroupTest, MayBeDestroyedByWhoWaitsForIt) {
  auto group = std::make_unique<TaskGroup>();
  group->start(wait_and_note("a"));
  group->start(fail_after(1s));
  bool told = false;
  auto joined = group->join().add_errback([&](const Failure&) {
    group.reset();
    told = true;
  });
  clock_.advance(1s);
  EXPECT_TRUE(told);
  success_result_of(std::move(joined));
}

TEST_F(TaskGroupTest, MayBeDestroyedWhileItCancels) {
  auto group = std::make_unique<TaskGroup>();
  for (int i = 0; i < 3; ++i) {
    group->adopt(sleep(clock_, 1h).add_errback([&](const Failure&) { group.reset(); }));
  }
  auto& still = *group;
  still.cancel();
  EXPECT_EQ(group, nullptr);
  EXPECT_EQ(clock_.pending_calls(), 0U);
}

TEST_F(TaskGroupTest, TellsWhoWaitsForAGroupThatIsDestroyed) {
  auto group = std::make_optional<TaskGroup>();
  group->start(slow_to_go("a"));
  auto joined = group->join();
  { auto dropped = group->join(); }
  group.reset();
  static_cast<void>(failure_result_of<GroupClosed>(std::move(joined)));
  EXPECT_EQ(alive_, 0);
}

// ---- with_task_group

TEST_F(TaskGroupTest, GivesWhatItsBodyGivesWhenAllHaveEnded) {
  // [group]
  auto running = ensure_deferred(with_task_group([&](TaskGroup& group) -> Task<int> {
    group.start(wait_and_note("child", 2s));
    co_return co_await give_after(1s, 7);
  }));
  // [group]
  clock_.advance(1s);
  EXPECT_TRUE(has_no_result(running));
  clock_.advance(1s);
  EXPECT_EQ(success_result_of(std::move(running)), 7);
  EXPECT_EQ(notes_, (Notes{"child done"}));
}

TEST_F(TaskGroupTest, CancelsItsBodyWhenAChildFailsAndChildrenWhenTheBodyFails) {
  auto one = ensure_deferred(with_task_group([&](TaskGroup& group) -> Task<void> {
    group.start(fail_after(1s));
    co_await wait_and_note("body");
  }));
  clock_.advance(1s);
  static_cast<void>(failure_result_of<Broken>(std::move(one)));
  auto two = ensure_deferred(with_task_group([&](TaskGroup& group) -> Task<void> {
    group.start(wait_and_note("child"));
    co_await fail_after(1s);
  }));
  clock_.advance(1s);
  static_cast<void>(failure_result_of<Broken>(std::move(two)));
  EXPECT_EQ(notes_, (Notes{"body cancelled", "child cancelled"}));
}

TEST_F(TaskGroupTest, WaitsForItsChildrenEvenWhenItIsCancelled) {
  auto running = ensure_deferred(with_task_group([&](TaskGroup& group) -> Task<int> {
    group.start(slow_to_go("child"));
    co_return 1;
  }));
  running.cancel();
  EXPECT_TRUE(has_no_result(running));
  EXPECT_EQ(notes_, (Notes{"child cancelled"}));
  clock_.advance(1s);
  static_cast<void>(failure_result_of<CancelledError>(std::move(running)));
  EXPECT_EQ(alive_, 0);
}

TEST_F(TaskGroupTest, EndsAtOnceWhenItsBodyCancelsTheGroup) {
  auto running = ensure_deferred(with_task_group([&](TaskGroup& group) -> Task<void> {
    group.start(wait_and_note("child"));
    co_await sleep(clock_, 1s);
    group.cancel();
    co_await sleep(clock_, 1h);
  }));
  clock_.advance(1s);
  success_result_of(std::move(running));
  EXPECT_EQ(notes_, (Notes{"child cancelled"}));
}

// ---- cancelled at every suspension point

// Twenty waits of all kinds: in the body, in children, below limits and shields, in clean-up.
Task<void> script(testing::ManualClock& clock, int& alive) {
  const Counted here(alive);
  const auto step = [&clock, &alive]() -> Task<void> {
    const Counted inside(alive);
    co_await sleep(clock, 1s);
  };
  for (int round = 0; round < 4; ++round) {
    co_await sleep(clock, 1s);
    co_await with_timeout(clock, 10s, step());
    co_await with_task_group([&](TaskGroup& group) -> Task<void> {
      group.start(step());
      group.start(with_task_group([&](TaskGroup& inner) -> Task<void> {
        inner.start(step());
        co_await sleep(clock, 1s);
      }));
      co_await step();
      co_await sleep(clock, 1s);
    });
    static_cast<void>(co_await move_on_after(clock, 500ms, step()));
  }
}

TEST_F(TaskGroupTest, IsCleanedUpWhereverItIsCancelled) {
  auto whole = ensure_deferred(script(clock_, alive_));
  int steps = 0;
  while (!whole.ready()) {
    ++steps;
    clock_.advance(500ms);
  }
  success_result_of(std::move(whole));
  EXPECT_GE(steps, 20);
  for (int at = 0; at < steps; ++at) {
    auto running = ensure_deferred(script(clock_, alive_));
    for (int i = 0; i < at; ++i)
      clock_.advance(500ms);
    running.cancel();
    static_cast<void>(failure_result_of<CancelledError>(std::move(running)));
    EXPECT_EQ(alive_, 0) << at;
    EXPECT_EQ(clock_.pending_calls(), 0U) << at;
  }
}

TEST_F(TaskGroupTest, LeavesNothingWhereverItIsDestroyed) {
  for (int at = 0; at < 24; ++at) {
    TaskGroup group;
    group.start(script(clock_, alive_));
    for (int i = 0; i < at; ++i)
      clock_.advance(500ms);
    group.cancel();
    EXPECT_EQ(alive_, 0) << at;
  }
}

// ---- time limits

using Timeouts = TaskGroupTest;

TEST_F(Timeouts, TurnTheirOwnCancellationIntoATimeoutAndNoOther) {
  auto late = with_timeout(clock_, 1s, give_after(2s, 1));
  clock_.advance(1s);
  static_cast<void>(failure_result_of<TimeoutError>(std::move(late)));
  EXPECT_EQ(success_result_of(with_timeout(clock_, 1s, succeed(3))), 3);
  auto cancelled = with_timeout(clock_, 1s, give_after(2s, 1));
  cancelled.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(cancelled)));
  auto failing = with_timeout(clock_, 3s, fail_after(1s));
  clock_.advance(1s);
  static_cast<void>(failure_result_of<Broken>(std::move(failing)));
  EXPECT_EQ(clock_.pending_calls(), 0U);
  EXPECT_THROW(static_cast<void>(with_timeout(clock_, -1s, sleep(clock_, 0s))), InvalidArgument);
  clock_.advance(0s);
}

TEST_F(Timeouts, StayACancellationWhenSomebodyElseCancelsBeforeOrBehindThem) {
  auto before = with_timeout(clock_, 1500ms, slow_to_go("a"));
  before.cancel();
  clock_.advance(500ms);
  EXPECT_TRUE(has_no_result(before));
  // Cleaning up, it is cancelled by the limit as well.
  const auto throws_at_last = [&]() -> Task<void> {
    for (int i = 0;; ++i) {
      try {
        co_await sleep(clock_, 1h);
      } catch (const CancelledError&) {
        if (i == 1) throw;
      }
    }
  };
  auto first_cancelled = with_timeout(clock_, 1s, throws_at_last());
  first_cancelled.cancel();
  clock_.advance(1s);
  static_cast<void>(failure_result_of<CancelledError>(std::move(first_cancelled)));
  auto first_late = with_timeout(clock_, 1s, throws_at_last());
  clock_.advance(1s);
  EXPECT_TRUE(has_no_result(first_late));
  first_late.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(first_late)));
  success_result_of(std::move(before));
}

TEST_F(Timeouts, OfTwoThatAreNestedTellWhichOneItWas) {
  const auto nested = [&](Duration outer, Duration inner) -> Task<std::string> {
    const auto innermost = [&]() -> Task<std::string> {
      try {
        co_await with_timeout(clock_, inner, sleep(clock_, 1h));
      } catch (const TimeoutError&) {
        co_return "inner";
      }
      co_return "none";
    };
    try {
      co_return co_await with_timeout(clock_, outer, innermost());
    } catch (const TimeoutError&) {
      co_return "outer";
    }
  };
  auto inner = ensure_deferred(nested(2s, 1s));
  auto outer = ensure_deferred(nested(1s, 2s));
  clock_.advance(2s);
  EXPECT_EQ(success_result_of(std::move(inner)), "inner");
  EXPECT_EQ(success_result_of(std::move(outer)), "outer");
}

TEST_F(Timeouts, GiveAValueThatComesAllTheSame) {
  const auto saves = [&]() -> Task<int> {
    try {
      co_await sleep(clock_, 1h);
    } catch (const CancelledError&) {
    }
    co_return 5;
  };
  auto saved = with_timeout(clock_, 1s, saves());
  clock_.advance(1s);
  EXPECT_EQ(success_result_of(std::move(saved)), 5);
}

TEST_F(Timeouts, RefuseANegativeTimeBeforeTheTaskBegins) {
  bool begun = false;
  const auto work = [&]() -> Task<void> {
    begun = true;
    co_return;
  };
  EXPECT_THROW(static_cast<void>(with_timeout(clock_, -1s, work())), InvalidArgument);
  EXPECT_THROW(static_cast<void>(move_on_after(clock_, -1s, work())), InvalidArgument);
  EXPECT_FALSE(begun);
  census().unawaited_tasks = 0;
}

TEST_F(Timeouts, MoveOnWithoutAFailure) {
  auto late = move_on_after(clock_, 1s, give_after(2s, 1));
  auto late_void = move_on_after(clock_, 1s, sleep(clock_, 2s));
  auto early = move_on_after(clock_, 3s, give_after(1s, 1));
  auto early_void = move_on_after(clock_, 3s, sleep(clock_, 1s));
  auto own = move_on_after(clock_, 3s, with_timeout(clock_, 1s, sleep(clock_, 2s)));
  clock_.advance(1s);
  EXPECT_EQ(success_result_of(std::move(late)), std::nullopt);
  EXPECT_FALSE(success_result_of(std::move(late_void)));
  EXPECT_EQ(success_result_of(std::move(early)), 1);
  EXPECT_TRUE(success_result_of(std::move(early_void)));
  static_cast<void>(failure_result_of<TimeoutError>(std::move(own)));
}

// ---- shields

using Shields = TaskGroupTest;

TEST_F(Shields, StopACancellationAndLetTheWorkGoOn) {
  auto shielded = shield(wait_and_note("work", 1s));
  shielded.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(shielded)));
  clock_.advance(1s);
  EXPECT_EQ(notes_, (Notes{"work done"}));
  auto untouched = shield(give_after(1s, 4));
  clock_.advance(1s);
  EXPECT_EQ(success_result_of(std::move(untouched)), 4);
  EXPECT_EQ(success_result_of(shield(succeed(5))), 5);
  auto failing = shield(fail_after(1s));
  clock_.advance(1s);
  static_cast<void>(failure_result_of<Broken>(std::move(failing)));
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(Shields, LogAFailureThatComesBehindTheCancellation) {
  auto shielded = shield(fail_after(1s));
  shielded.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(shielded)));
  clock_.advance(1s);
  EXPECT_TRUE(log_.contains("Broken"));
  census().unhandled_failures = 0;
}

}  // namespace
}  // namespace weft
