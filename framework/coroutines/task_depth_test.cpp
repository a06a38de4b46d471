#include "../census.hpp"
#include "../error.hpp"
#include "../step_clock_test.hpp"
#include "../test_results_test.hpp"
#include "task.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <utility>

namespace weft {
namespace {

// What must not grow the stack. Where nothing is optimised each level would take some hundred
// bytes.
constexpr int deep = 100'000;
constexpr int often = 1'000'000;

Task<int> ready(int number) {
  co_return number;
}

// Awaits itself `depth` deep; the innermost awaits `bottom`.
Task<int> dive(int depth, Deferred<int> bottom) {
  if (depth == 0) co_return co_await bottom;
  co_return co_await dive(depth - 1, std::move(bottom)) + 1;
}

TEST(TaskDepth, AwaitsAMillionResultsThatAreThere) {
  const auto adding = []() -> Task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < often; ++i)
      sum += co_await succeed(i);
    co_return sum;
  };
  EXPECT_EQ(outcome_of(ensure_deferred(adding())).value(), std::int64_t{often} * (often - 1) / 2);
}

TEST(TaskDepth, AwaitsAMillionTasksThatEndAtOnce) {
  const auto adding = []() -> Task<std::int64_t> {
    std::int64_t sum = 0;
    for (int i = 0; i < often; ++i)
      sum += co_await ready(1);
    co_return sum;
  };
  EXPECT_EQ(outcome_of(ensure_deferred(adding())).value(), often);
}

TEST(TaskDepth, AwaitsAHundredThousandResultsThatComeLater) {
  std::optional<Promise<int>> next;
  const auto adding = [&]() -> Task<int> {
    int sum = 0;
    while (sum < deep) {
      next.emplace();
      sum += co_await next->deferred();
    }
    co_return sum;
  };
  auto result = ensure_deferred(adding());
  while (!result.ready()) {
    auto promise = std::move(*next);
    promise.callback(1);
  }
  EXPECT_EQ(outcome_of(std::move(result)).value(), deep);
}

TEST(TaskDepth, TasksAwaitEachOtherDeepWhereAllIsThere) {
  EXPECT_EQ(outcome_of(ensure_deferred(dive(deep, succeed(5)))).value(), deep + 5);
}

TEST(TaskDepth, TasksAwaitEachOtherDeepWhereTheInnermostWaits) {
  Promise<int> bottom;
  auto result = ensure_deferred(dive(deep, bottom.deferred()));
  EXPECT_FALSE(result.ready());
  bottom.callback(5);
  EXPECT_EQ(outcome_of(std::move(result)).value(), deep + 5);
}

TEST(TaskDepth, AFailureRisesThroughAllLevels) {
  Promise<int> bottom;
  auto result = ensure_deferred(dive(deep, bottom.deferred()));
  bottom.errback(make_failure<InvalidArgument>("thrown at the bottom"));
  const auto outcome = outcome_of(std::move(result));
  EXPECT_NE(outcome.failure().check<InvalidArgument>(), nullptr);
}

TEST(TaskDepth, ACancellationGoesToTheBottomAndRisesThroughAllLevels) {
  bool cancelled = false;
  Promise<int> bottom([&] { cancelled = true; });
  auto result = ensure_deferred(dive(deep, bottom.deferred()));
  result.cancel();
  EXPECT_TRUE(cancelled);
  EXPECT_NE(outcome_of(std::move(result)).failure().check<CancelledError>(), nullptr);
}

TEST(TaskDepth, ADroppedPromiseEndsAllLevels) {
  std::optional<Promise<int>> bottom(std::in_place);
  bool ended = false;
  {
    const auto dropped =
        ensure_deferred(dive(deep, bottom->deferred())).add_errback([&](const Failure& failure) {
          ended = failure.check<BrokenPromiseError>() != nullptr;
          return 0;
        });
  }
  bottom.reset();
  EXPECT_TRUE(ended);
}

TEST(TaskDepth, TasksThatWereBegunByThemselvesAwaitEachOtherDeep) {
  Promise<int> bottom;
  auto result = bottom.deferred();
  const auto plus_one = [](Deferred<int> number) -> Task<int> { co_return co_await number + 1; };
  for (int i = 0; i < deep; ++i)
    result = ensure_deferred(plus_one(std::move(result)));
  bottom.callback(5);
  EXPECT_EQ(outcome_of(std::move(result)).value(), deep + 5);
}

TEST(TaskDepth, ACancellationReachesThroughTasksThatWereBegunByThemselves) {
  Promise<int> bottom;
  auto result = bottom.deferred();
  const auto pass_on = [](Deferred<int> number) -> Task<int> { co_return co_await number; };
  for (int i = 0; i < deep; ++i)
    result = ensure_deferred(pass_on(std::move(result)));
  result.cancel();
  EXPECT_NE(outcome_of(std::move(result)).failure().check<CancelledError>(), nullptr);
}

// A task that was given another, and so on.
Task<int> nest(Task<int> inner) {
  co_return co_await inner;
}

TEST(TaskDepth, TasksInsideOfEachOtherRun) {
  auto nested = ready(5);
  for (int i = 0; i < deep; ++i)
    nested = nest(std::move(nested));
  EXPECT_EQ(outcome_of(ensure_deferred(std::move(nested))).value(), 5);
}

TEST(TaskDepth, TasksInsideOfEachOtherAreDroppedAndReportedOnce) {
  const auto before = census().unawaited_tasks.load();
  const RecordedLog log;
  {
    auto nested = ready(5).named("the innermost");
    for (int i = 0; i < deep; ++i)
      nested = nest(std::move(nested));
  }
  EXPECT_EQ(log.lines().size(), 1U);
  EXPECT_EQ(census().unawaited_tasks.exchange(before), before + 1);
}

TEST(TaskDepth, ATaskThatCancelsItselfAtEachWaitGoesOnInALoop) {
  std::optional<Canceller> own;
  Promise<void> begin;
  int cancelled = 0;
  const auto stubborn = [&](Deferred<void> begun) -> Task<void> {
    co_await begun;
    while (cancelled < deep) {
      own->cancel();
      Promise<int> waiting;
      const auto outcome = co_await as_result(waiting.deferred());
      if (!outcome) ++cancelled;
    }
  };
  auto result = ensure_deferred(stubborn(begin.deferred()));
  own.emplace(result.canceller());
  begin.callback();
  EXPECT_TRUE(result.ready());
  EXPECT_EQ(cancelled, deep);
}

}  // namespace
}  // namespace weft
