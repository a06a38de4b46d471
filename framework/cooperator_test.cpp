#include "cooperator.hpp"

#include "step_clock_test.hpp"
#include "test_results_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;

struct Slices {
  StepClock clock;
  Cooperator cooperator{clock};
  std::string steps;

  // A task of that many steps, each of which takes `time`.
  CooperativeTask count(char name, int how_many, Duration time = 0ms) {
    return cooperator.cooperate([this, name, how_many, time]() mutable -> StepResult {
      steps += name;
      clock.be_busy(time);
      return --how_many == 0 ? Work::done : Work::more;
    });
  }
};

TEST(Cooperator, TakesNoStepBeforeTheLoopComesRound) {
  Slices slices;
  slices.count('a', 2);
  EXPECT_EQ(slices.steps, "");
  slices.clock.turn_over();
  EXPECT_EQ(slices.steps, "aa");
  EXPECT_EQ(slices.cooperator.size(), 0U);
}

TEST(Cooperator, TakesStepsOfItsTasksInTurn) {
  Slices slices;
  slices.count('a', 3);
  slices.count('b', 2);
  slices.clock.turn_over();
  EXPECT_EQ(slices.steps, "ababa");
}

TEST(Cooperator, EndsASliceWhenItsTimeIsUpAndGoesOnInTheNextTurn) {
  Slices slices;
  slices.count('a', 5, 4ms);
  slices.clock.turn_over();
  EXPECT_EQ(slices.steps, "aaa");
  slices.clock.turn_over();
  EXPECT_EQ(slices.steps, "aaaaa");
  EXPECT_EQ(slices.clock.turn_over(), 0U);
}

TEST(Cooperator, EndsASliceEvenWhenTheClockStandsStill) {
  Slices slices;
  std::size_t steps = 0;
  auto task = slices.cooperator.cooperate([&]() -> StepResult {
    ++steps;
    return Work::more;
  });
  slices.clock.turn_over();
  EXPECT_EQ(steps, Cooperator::max_steps_in_slice);
  task.stop();
}

TEST(Cooperator, WithASliceOfZeroTakesOneStepATurn) {
  StepClock clock;
  Cooperator cooperator(clock, 0ms);
  int steps = 0;
  auto task = cooperator.cooperate([&]() -> StepResult {
    ++steps;
    return Work::more;
  });
  clock.turn_over();
  clock.turn_over();
  EXPECT_EQ(steps, 2);
}

TEST(Cooperator, RefusesANegativeSliceAndAnEmptyStep) {
  StepClock clock;
  EXPECT_THROW(Cooperator(clock, -1ms), InvalidArgument);
  Cooperator cooperator(clock);
  EXPECT_THROW(cooperator.cooperate({}), InvalidArgument);
}

TEST(Cooperator, StopEndsAllTasks) {
  Slices slices;
  auto a = slices.count('a', 3);
  auto b = slices.count('b', 3);
  auto a_done = a.when_done();
  auto b_done = b.when_done();
  slices.cooperator.stop();
  EXPECT_EQ(end_of(a_done), "weft::TaskStopped");
  EXPECT_EQ(end_of(b_done), "weft::TaskStopped");
  slices.clock.turn_over();
  EXPECT_EQ(slices.steps, "");
}

TEST(Cooperator, MayBeDestroyedByAStep) {
  StepClock clock;
  auto cooperator = std::make_unique<Cooperator>(clock);
  auto task = cooperator->cooperate([&]() -> StepResult {
    cooperator.reset();
    return Work::more;
  });
  auto done = task.when_done();
  clock.turn_over();
  EXPECT_EQ(end_of(done), "weft::TaskStopped");
  EXPECT_EQ(clock.pending_calls(), 0U);
}

TEST(CooperativeTask, FiresWhenItsWorkIsDone) {
  Slices slices;
  auto task = slices.count('a', 1);
  auto before = task.when_done();
  EXPECT_EQ(end_of(before), "pending");
  slices.clock.turn_over();
  EXPECT_EQ(end_of(before), "done");
  auto after = task.when_done();
  EXPECT_EQ(end_of(after), "done");
}

TEST(CooperativeTask, FailsWithWhatAStepThrows) {
  Slices slices;
  auto task = slices.cooperator.cooperate(
      []() -> StepResult { throw std::runtime_error("no more flour"); });
  auto done = task.when_done();
  slices.clock.turn_over();
  EXPECT_EQ(end_of(done), "std::runtime_error");
  EXPECT_THROW(task.pause(), TaskFailed);
}

TEST(CooperativeTask, LogsAFailureThatNobodyAskedFor) {
  RecordedLog log;
  {
    Slices slices;
    slices.cooperator.cooperate([]() -> StepResult { throw std::runtime_error("no more flour"); });
    slices.clock.turn_over();
  }
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_NE(log.lines()[0].find("no more flour"), std::string::npos);
}

TEST(CooperativeTask, WaitsForADeferredWhileOthersGoOn) {
  Slices slices;
  std::optional<Promise<void>> promise(std::in_place);
  int steps = 0;
  auto task = slices.cooperator.cooperate([&]() -> StepResult {
    if (++steps == 2) return Work::done;
    return promise->deferred();
  });
  slices.count('b', 3);
  slices.clock.turn_over();
  slices.clock.turn_over();
  EXPECT_EQ(steps, 1);
  EXPECT_EQ(slices.steps, "bbb");
  promise->callback();
  slices.clock.turn_over();
  EXPECT_EQ(steps, 2);
  EXPECT_TRUE(task.finished());
}

TEST(CooperativeTask, FailsWithWhatADeferredOfAStepFailsWith) {
  Slices slices;
  auto task = slices.cooperator.cooperate(
      []() -> StepResult { return fail<void>(make_failure<QueueOverflow>("full")); });
  auto done = task.when_done();
  slices.clock.turn_over();
  EXPECT_EQ(end_of(done), "weft::QueueOverflow");
}

TEST(CooperativeTask, StopCancelsTheDeferredItWaitsFor) {
  Slices slices;
  bool cancelled = false;
  Promise<void> promise([&] { cancelled = true; });
  auto task = slices.cooperator.cooperate([&]() -> StepResult { return promise.deferred(); });
  slices.clock.turn_over();
  auto done = task.when_done();
  task.stop();
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(end_of(done), "weft::TaskStopped");
}

TEST(CooperativeTask, PausesAreCounted) {
  Slices slices;
  auto task = slices.count('a', 1);
  task.pause();
  task.pause();
  slices.clock.turn_over();
  task.resume();
  slices.clock.turn_over();
  EXPECT_EQ(slices.steps, "");
  task.resume();
  slices.clock.turn_over();
  EXPECT_EQ(slices.steps, "a");
}

TEST(CooperativeTask, RefusesToResumeWhatIsNotPaused) {
  Slices slices;
  auto task = slices.count('a', 1);
  EXPECT_THROW(task.resume(), InvalidArgument);
}

TEST(CooperativeTask, PausedWhileItWaitsGoesOnOnlyAfterBoth) {
  Slices slices;
  Promise<void> promise;
  int steps = 0;
  auto task = slices.cooperator.cooperate([&]() -> StepResult {
    if (++steps == 2) return Work::done;
    return promise.deferred();
  });
  slices.clock.turn_over();
  task.pause();
  promise.callback();
  slices.clock.turn_over();
  EXPECT_EQ(steps, 1);
  task.resume();
  slices.clock.turn_over();
  EXPECT_EQ(steps, 2);
}

TEST(CooperativeTask, MayStopItselfInsideAStep) {
  Slices slices;
  std::optional<CooperativeTask> task;
  const auto held = std::make_shared<int>(1);
  task = slices.cooperator.cooperate([&task, held]() -> StepResult {
    task->stop();
    return Work::more;
  });
  slices.clock.turn_over();
  EXPECT_TRUE(task->finished());
  EXPECT_EQ(held.use_count(), 1);
}

TEST(CooperativeTask, RefusesEveryChangeOnceItHasEnded) {
  Slices slices;
  auto done = slices.count('a', 1);
  slices.clock.turn_over();
  EXPECT_THROW(done.pause(), TaskDone);
  EXPECT_THROW(done.resume(), TaskDone);
  EXPECT_THROW(done.stop(), TaskDone);
  auto stopped = slices.count('b', 1);
  stopped.stop();
  EXPECT_THROW(stopped.stop(), TaskStopped);
}

}  // namespace
}  // namespace weft
