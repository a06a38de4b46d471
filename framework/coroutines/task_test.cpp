#include "task.hpp"

#include "../allocation_counter_test.hpp"
#include "../census.hpp"
#include "../context.hpp"
#include "../deferred_semaphore.hpp"
#include "../error.hpp"
#include "../gather.hpp"
#include "../hand_clock_test.hpp"
#include "../looping_call.hpp"
#include "../step_clock_test.hpp"
#include "counted_test.hpp"
#include "sleep.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

struct BadInput : Error {
  BadInput() : Error("The input is bad.") {}
};

template <class T>
T value_of(Deferred<T> deferred) {
  if constexpr (std::is_void_v<T>) {
    static_cast<void>(deferred.take_result().value().value());
  } else {
    return deferred.take_result().value().value();
  }
}

Task<int> one() {
  co_return 1;
}
// [task]
Task<int> plus_one(Deferred<int> number) {
  co_return co_await number + 1;
}
// [task]
Task<int> failing() {
  throw BadInput();
  co_return 0;
}

TEST(Task, DoesNothingUntilItIsBegun) {
  bool began = false;
  auto task = [](bool& flag) -> Task<void> {
    flag = true;
    co_return;
  }(began);
  EXPECT_FALSE(began);
  ASSERT_TRUE(ensure_deferred(std::move(task)).ready());
  EXPECT_TRUE(began);
}

TEST(Task, RunsToItsFirstWaitWithoutALoop) {
  // [ensure_deferred]
  Promise<int> promise;
  auto result = ensure_deferred(plus_one(promise.deferred()));
  EXPECT_FALSE(result.ready());
  promise.callback(41);
  EXPECT_EQ(value_of(std::move(result)), 42);
  // [ensure_deferred]
}

TEST(Task, GoesOnAtOnceWhereTheResultIsThere) {
  EXPECT_EQ(value_of(ensure_deferred(plus_one(succeed(1)))), 2);
}

TEST(Task, GivesWhatIsMoveOnlyToWhoAwaitsIt) {
  const auto make = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  const auto use = [&]() -> Task<std::unique_ptr<int>> {
    auto pointer = co_await make();
    ++*pointer;
    co_return pointer;
  };
  EXPECT_EQ(*value_of(ensure_deferred(use())), 8);
}

TEST(Task, ThrowsWhatADeferredFailedWithByItsOwnType) {
  const auto catching = [](Deferred<int> number) -> Task<std::string> {
    try {
      co_await number;
    } catch (const BadInput& error) {
      co_return error.what();
    }
    co_return "nothing";
  };
  Promise<int> promise;
  auto late = ensure_deferred(catching(promise.deferred()));
  promise.errback(make_failure<BadInput>());
  EXPECT_EQ(value_of(std::move(late)), "The input is bad.");
  EXPECT_EQ(value_of(ensure_deferred(catching(fail<int>(make_failure<BadInput>())))),
            "The input is bad.");
}

TEST(Task, KeepsThePlaceOfAFailureThatPassesThroughIt) {
  const Failure failure{BadInput()};
  const auto middle = [&]() -> Task<int> { co_return co_await plus_one(fail<int>(failure)); };
  auto result = ensure_deferred(middle());
  ASSERT_TRUE(result.ready());
  const Failure seen = result.peek()->failure();
  EXPECT_NE(seen.check<BadInput>(), nullptr);
  EXPECT_EQ(seen.where().line(), failure.where().line());
  EXPECT_EQ(&seen.error(), &failure.error());
  static_cast<void>(result.take_result());
}

TEST(Task, FailsWithWhatItThrowsAndSaysInWhichFunction) {
  auto result = ensure_deferred(failing());
  ASSERT_TRUE(result.ready());
  const Failure failure = result.peek()->failure();
  EXPECT_NE(failure.check<BadInput>(), nullptr);
  EXPECT_NE(std::string(failure.where().function_name()).find("failing"), std::string::npos);
  static_cast<void>(result.take_result());
}

TEST(Task, MayReturnAFailureOrAnOutcomeInsteadOfThrowing) {
  const auto refuse = [](bool all) -> Task<int> {
    if (all) co_return make_failure<BadInput>();
    co_return Outcome<int>(5);
  };
  EXPECT_EQ(value_of(ensure_deferred(refuse(false))), 5);
  EXPECT_THROW(value_of(ensure_deferred(refuse(true))), BadInput);
}

TEST(Task, AwaitsALeftValueOnceOnly) {
  const auto twice = []() -> Task<int> {
    auto deferred = succeed(1);
    auto task = one();
    int sum = co_await deferred + co_await task;
    try {
      sum += co_await deferred;
    } catch (const AlreadyCalledError&) {
      sum += 10;
    }
    try {
      sum += co_await task;
    } catch (const AlreadyCalledError&) {
      sum += 100;
    }
    co_return sum;
  };
  EXPECT_EQ(value_of(ensure_deferred(twice())), 112);
}

TEST(Task, GetsItsResultWhenTheDeferredThatItAwaitsIsGone) {
  Promise<int> promise;
  auto deferred = std::make_unique<Deferred<int>>(promise.deferred());
  auto result = [](Deferred<int>& awaited) -> Task<int> { co_return co_await awaited; }(*deferred);
  auto begun = ensure_deferred(std::move(result));
  deferred.reset();
  promise.callback(7);
  EXPECT_EQ(value_of(std::move(begun)), 7);
}

TEST(Task, RefusesToBeBegunTwice) {
  auto task = one();
  EXPECT_EQ(value_of(ensure_deferred(std::move(task))), 1);
  EXPECT_THROW(static_cast<void>(ensure_deferred(std::move(task))), AlreadyCalledError);
}

TEST(Task, RefusesToAwaitItsOwnResult) {
  struct Knot {
    Deferred<void> own = succeed();
    Promise<void> begin;
  } knot;
  const auto tie = [](Knot& tied) -> Task<void> {
    co_await tied.begin.deferred();
    co_await tied.own;
  };
  knot.own = ensure_deferred(tie(knot));
  std::vector<std::string> log;
  {
    const RecordedLog recorded;
    knot.begin.callback();
    log = recorded.lines();
  }
  ASSERT_EQ(log.size(), 1U);
  EXPECT_NE(log[0].find("own task for ever"), std::string::npos) << log[0];
  census().unhandled_failures -= 1;
}

TEST(Task, ItsFrameIsGoneBeforeItsResultIsSeen) {
  int alive = 0;
  int seen_by_callback = -1;
  Promise<int> promise;
  const auto holding = [](Counted, Deferred<int> number) -> Task<int> {
    co_return co_await number;
  };
  auto result = ensure_deferred(holding(Counted(alive), promise.deferred())).add_callback([&](int) {
    seen_by_callback = alive;
  });
  EXPECT_EQ(alive, 1);
  promise.callback(1);
  EXPECT_EQ(seen_by_callback, 0);

  const auto awaiting = [&]() -> Task<int> {
    co_await holding(Counted(alive), succeed(1));
    co_return alive;
  };
  EXPECT_EQ(value_of(ensure_deferred(awaiting())), 0);
}

TEST(Task, DestroysEachTemporaryOfACoAwaitOnce) {
  int alive = 0;
  {
    Promise<int> promise;
    const auto take = [](const Counted&, Counted, Deferred<int> number) -> Task<int> {
      co_return co_await number;
    };
    const auto awaiting = [&](Deferred<int> number) -> Task<int> {
      const int first = co_await take(Counted(alive), Counted(alive), succeed(1));
      const int second = co_await take(Counted(alive), Counted(alive), std::move(number));
      co_return first + second;
    };
    auto result = ensure_deferred(awaiting(promise.deferred()));
    promise.callback(2);
    EXPECT_EQ(value_of(std::move(result)), 3);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Task, IsWhatACallbackMayReturn) {
  Promise<int> gate;
  Promise<int> start;
  // [callback]
  auto chain = start.deferred()
                   .add_callback([&, kept = std::string("a capture that a task needs")](
                                     int number) -> Task<std::string> {
                     number += co_await gate.deferred();
                     co_return kept + std::to_string(number);
                   })
                   .add_callback([](const std::string& text) { return text.size(); });
  // [callback]
  start.callback(1);
  EXPECT_FALSE(chain.ready());
  gate.callback(2);
  EXPECT_EQ(value_of(std::move(chain)), std::string("a capture that a task needs3").size());
}

TEST(Task, IsWhatAnErrbackMayReturn) {
  const auto recovered = [](const Failure& failure) -> Task<int> {
    co_await succeed();
    co_return failure.check<BadInput>() != nullptr ? 9 : 0;
  };
  EXPECT_EQ(value_of(fail<int>(make_failure<BadInput>()).add_errback(recovered)), 9);
  EXPECT_EQ(value_of(succeed(3).add_both(
                [](Outcome<int> outcome) -> Task<int> { co_return outcome.value() + 1; })),
            4);
}

TEST(Task, ThatACallbackReturnedKeepsItsArguments) {
  Promise<void> gate;
  auto opened = std::make_shared<Deferred<void>>(gate.deferred());
  auto result = succeed(std::make_pair(std::string("by reference, not by value"), opened))
                    .add_callback([](const auto& argument) -> Task<std::size_t> {
                      co_await *argument.second;
                      co_return argument.first.size();
                    });
  gate.callback();
  EXPECT_EQ(value_of(std::move(result)), 26U);
}

TEST(Task, ThatAnErrbackReturnedKeepsTheFailure) {
  Promise<void> gate;
  static std::optional<Deferred<void>> opened;  // so that nothing is captured
  opened.emplace(gate.deferred());
  auto result = fail<std::string>(make_failure<BadInput>())
                    .add_errback<BadInput>([](const BadInput& error) -> Task<std::string> {
                      co_await *opened;
                      co_return error.what();
                    });
  gate.callback();
  EXPECT_EQ(value_of(std::move(result)), "The input is bad.");
}

Task<std::string> read_behind(Deferred<void> gate, const std::string& text) {
  co_await gate;
  co_return text;
}

TEST(Task, ReadsByReferenceWhatMaybeDeferredWasGivenForAFunction) {
  Promise<void> gate;
  const std::string text(100, 'x');
  auto result = maybe_deferred(read_behind, gate.deferred(), std::string(text));
  gate.callback();
  EXPECT_EQ(value_of(std::move(result)), text);
}

TEST(Task, MayChangeWhatMaybeDeferredWasGivenToChange) {
  int number = 1;
  const auto add = [](int& changed, int by) -> Task<void> {
    co_await succeed();
    changed += by;
  };
  value_of(maybe_deferred(add, number, 4));
  value_of(maybe_deferred([add](int& changed) { return add(changed, 2); }, number));
  EXPECT_EQ(number, 7);
}

TEST(Task, IsWhatMaybeDeferredAndAPermitsHolderMayGive) {
  EXPECT_EQ(value_of(maybe_deferred(one)), 1);
  DeferredLock lock;
  auto result = lock.run([]() -> Task<int> { co_return 5; });
  EXPECT_EQ(value_of(std::move(result)), 5);
}

TEST(Task, OfAPermitsHolderKeepsWhatThatCaptured) {
  DeferredLock lock;
  Promise<void> gate;
  auto kept = std::make_shared<int>(5);
  const std::weak_ptr<int> watched = kept;
  auto result = lock.run([&gate, kept = std::move(kept)]() -> Task<int> {
    co_await gate.deferred();
    co_return *kept;
  });
  ASSERT_FALSE(watched.expired());
  gate.callback();
  EXPECT_EQ(value_of(std::move(result)), 5);
  EXPECT_TRUE(watched.expired());
}

TEST(Task, CountsAsTheTickOfALoopingCall) {
  StepClock clock;
  int ticks = 0;
  LoopingCall loop(clock, [&]() -> Task<void> {
    ++ticks;
    co_await sleep(clock, 1500ms);
  });
  auto ended = loop.start(1s);
  clock.advance(2s);
  clock.advance(2s);
  EXPECT_EQ(ticks, 3);
  loop.stop();
  clock.advance(2s);
  EXPECT_TRUE(ended.ready());
}

TEST(Task, BecomesADeferredWhereOneIsAsked) {
  std::vector<Deferred<int>> both;
  both.push_back(one());
  both.push_back(plus_one(succeed(1)));
  EXPECT_EQ(value_of(gather_results(std::move(both))), (std::vector<int>{1, 2}));
}

TEST(Task, GivesOutcomesAndThrowsNothingWhereItIsAskedSo) {
  const auto asking = []() -> Task<int> {
    const auto good = co_await as_result(succeed(1));
    const auto bad = co_await as_result(fail<int>(make_failure<BadInput>()));
    const auto task = co_await as_result(one());
    const auto thrown = co_await as_result(failing());
    co_return (good ? 1 : 0) + (bad ? 0 : 10) + (task ? 100 : 0) + (thrown ? 0 : 1000);
  };
  EXPECT_EQ(value_of(ensure_deferred(asking())), 1111);
}

TEST(Task, SleepsByTheClockItIsGiven) {
  HandClock clock;
  const auto napping = [&]() -> Task<int> {
    co_await sleep(clock, 2s);
    co_await sleep(clock, 3s);
    co_return 5;
  };
  auto result = ensure_deferred(napping());
  clock.advance(2s);
  EXPECT_FALSE(result.ready());
  clock.advance(3s);
  EXPECT_EQ(value_of(std::move(result)), 5);
}

TEST(Task, RefusesToSleepWhereNoReactorRuns) {
  const auto napping = []() -> Task<void> { co_await sleep(1s); };
  const auto result = ensure_deferred(napping()).take_result();
  ASSERT_TRUE(result.has_value());
  EXPECT_NE(result->failure().check<NoReactorError>(), nullptr);
}

TEST(Task, SeesThatAPromiseWasBroken) {
  std::optional<Promise<int>> promise(std::in_place);
  auto result = ensure_deferred(plus_one(promise->deferred()));
  promise.reset();
  EXPECT_THROW(value_of(std::move(result)), BrokenPromiseError);
}

TEST(Task, ThatIsNeverAwaitedIsReportedWithItsNameAndPlace) {
  const auto before = census().unawaited_tasks.load();
  const RecordedLog log;
  { const auto task = one(); }
  { const auto task = one().named("the first"); }
  ASSERT_EQ(log.lines().size(), 2U);
  EXPECT_NE(log.lines()[0].find("The task "), std::string::npos);
  EXPECT_NE(log.lines()[0].find("one, made at "), std::string::npos) << log.lines()[0];
  EXPECT_NE(log.lines()[0].find("task_test.cpp:"), std::string::npos);
  EXPECT_NE(log.lines()[1].find("The task the first, made at "), std::string::npos);
  EXPECT_EQ(census().unawaited_tasks.exchange(before), before + 2);
}

TEST(Task, ThatFailsUnhandledIsReportedWithItsNameAndPlace) {
  const auto before = census().unhandled_failures.load();
  const RecordedLog log;
  { const auto lost = ensure_deferred(failing()); }
  Promise<int> promise;
  { const auto lost = ensure_deferred(plus_one(promise.deferred()).named("adding")); }
  promise.errback(make_failure<BadInput>());
  {
    const auto lost = ensure_deferred(failing());
    static_cast<void>(lost.peek());
  }
  ASSERT_EQ(log.lines().size(), 3U);
  EXPECT_NE(log.lines()[0].find("failing, begun at "), std::string::npos) << log.lines()[0];
  EXPECT_NE(log.lines()[0].find("The input is bad."), std::string::npos);
  EXPECT_NE(log.lines()[1].find("the task adding, begun at "), std::string::npos) << log.lines()[1];
  EXPECT_EQ(census().unhandled_failures.exchange(before), before + 3);
}

TEST(Task, ThatACallbackReturnedIsReportedByItsOwnName) {
  const RecordedLog log;
  {
    Deferred<int> lost = maybe_deferred([number = 1]() -> Task<int> {
      return plus_one(fail<int>(make_failure<BadInput>()))
          .named("number " + std::to_string(number));
    });
  }
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_NE(log.lines()[0].find("the task number 1, begun"), std::string::npos) << log.lines()[0];
  census().unhandled_failures -= 1;
}

// ---- context

const ContextVar<int> request("request", 0);

TEST(TaskContext, BeginsAsACopyOfItsCallers) {
  const auto scope = request.scoped(7);
  const auto reading = []() -> Task<int> { co_return request.get(); };
  EXPECT_EQ(value_of(ensure_deferred(reading())), 7);
}

TEST(TaskContext, KeepsWhatATaskSetsAcrossItsWaitsAndFromItsCaller) {
  Promise<void> first;
  Promise<void> second;
  std::vector<int> seen;
  const auto setting = [&]() -> Task<void> {
    request.set(1);
    co_await first.deferred();
    seen.push_back(request.get());
    request.set(2);
    co_await second.deferred();
    seen.push_back(request.get());
  };
  auto result = ensure_deferred(setting());
  EXPECT_EQ(request.get(), 0);
  {
    const auto scope = request.scoped(9);
    first.callback();
    EXPECT_EQ(request.get(), 9);
  }
  second.callback();
  EXPECT_EQ(request.get(), 0);
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
  value_of(std::move(result));
}

TEST(TaskContext, IsSharedWithTheTasksItAwaits) {
  Promise<void> gate;
  const auto inner = [&]() -> Task<void> {
    co_await gate.deferred();
    request.set(request.get() + 1);
  };
  const auto outer = [&]() -> Task<int> {
    request.set(40);
    co_await inner();
    co_return request.get();
  };
  auto result = ensure_deferred(outer());
  gate.callback();
  EXPECT_EQ(value_of(std::move(result)), 41);
}

TEST(TaskContext, IsLetGoOfWhenTheTaskEnds) {
  bool left = false;
  Promise<void> gate;
  const auto setting = [&]() -> Task<void> {
    request.set(1);
    Context::current().on_exit([&] { left = true; });
    co_await gate.deferred();
  };
  auto result = ensure_deferred(setting());
  EXPECT_FALSE(left);
  gate.callback();
  EXPECT_TRUE(left);
  value_of(std::move(result));
}

// ---- what it costs

TEST(Task, AwaitingAResultThatIsThereAllocatesNothing) {
  const auto counting = []() -> Task<std::int64_t> {
    co_await succeed(1);
    const AllocationCounter counter;
    for (int i = 0; i < 10; ++i)
      co_await succeed(i);
    co_return counter.count();
  };
  EXPECT_EQ(value_of(ensure_deferred(counting())), 0);
}

TEST(Task, AwaitingAResultThatIsNotThereAllocatesNothing) {
  std::vector<Promise<int>> promises(10);
  std::vector<Deferred<int>> numbers;
  for (auto& promise : promises)
    numbers.push_back(promise.deferred());
  const auto counting = [&]() -> Task<std::int64_t> {
    const AllocationCounter counter;
    for (auto& number : numbers)
      co_await number;
    co_return counter.count();
  };
  auto result = ensure_deferred(counting());
  for (auto& promise : promises)
    promise.callback(1);
  EXPECT_EQ(value_of(std::move(result)), 0);
}

}  // namespace
}  // namespace weft
