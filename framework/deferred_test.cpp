#include "deferred.hpp"

#include "allocation_counter_test.hpp"
#include "census.hpp"
#include "error.hpp"
#include "hand_clock_test.hpp"
#include "test_results_test.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

template <class T>
T value_of(Deferred<T> deferred) {
  return std::move(deferred).take_result().value().value();
}
template <class E, class T>
bool failed_with(Deferred<T> deferred) {
  const auto result = deferred.take_result();
  return result && !result->succeeded() && result->failure().template check<E>() != nullptr;
}

// ---- callbacks

TEST(Deferred, RunsItsCallbacksInsideTheCallThatFiresIt) {
  Promise<int> promise;
  std::vector<int> seen;
  auto chain = promise.deferred().add_callback([&](int value) {
    seen.push_back(value);
    return value + 1;
  });
  auto end = std::move(chain).add_callback([&](int value) { seen.push_back(value); });
  EXPECT_TRUE(seen.empty());
  promise.callback(1);
  EXPECT_EQ(seen, (std::vector{1, 2}));
  EXPECT_TRUE(end.ready());
}

TEST(Deferred, RunsACallbackAtOnceWhenTheResultIsThere) {
  EXPECT_EQ(value_of(succeed(20).add_callback([](int value) { return value + 1; })), 21);
}

TEST(Deferred, TakesResultsThatOnlyMove) {
  Promise<std::unique_ptr<int>> promise;
  auto end = promise.deferred().add_callback(
      [](std::unique_ptr<int> value) { return std::make_unique<int>(*value + 1); });
  promise.callback(std::make_unique<int>(1));
  EXPECT_EQ(*value_of(std::move(end)), 2);
}

TEST(Deferred, TurnsWhatACallbackThrowsIntoAFailure) {
  auto end = succeed(1).add_callback([](int) -> int { throw std::out_of_range("thrown"); });
  EXPECT_TRUE(failed_with<std::out_of_range>(std::move(end)));
}

TEST(Deferred, AlternatesBetweenThrowingAndRecovering) {
  Promise<int> promise;
  auto end =
      promise.deferred()
          .add_callback([](int) -> int { throw std::runtime_error("a"); })
          .add_callback([](int) { return -1; })
          .add_errback([](const Failure& failure) {
            EXPECT_EQ(failure.message(), "a");
            return 5;
          })
          .add_errback([](const Failure&) { return -2; })
          .add_callback([](int value) -> int { throw std::runtime_error(std::to_string(value)); })
          .add_errback([](const Failure& failure) { return std::stoi(failure.message()); });
  promise.callback(0);
  EXPECT_EQ(value_of(std::move(end)), 5);
}

TEST(Deferred, PassesOnlyFailuresOfTheTypeToATypedErrback) {
  auto recover = [](const TimeoutError&) { return 1; };
  EXPECT_EQ(value_of(fail<int>(some_failure()).add_errback<TimeoutError>(recover)), 1);
  auto other = fail<int>(Failure(ResolveError("No such name."))).add_errback<TimeoutError>(recover);
  EXPECT_TRUE(failed_with<ResolveError>(std::move(other)));
  auto base = fail<int>(some_failure()).add_errback<Error>([](const Failure&) { return 2; });
  EXPECT_EQ(value_of(std::move(base)), 2);
}

TEST(Deferred, CallsOneOfTwoCallbacks) {
  const auto on_success = [](int) { return std::string("value"); };
  const auto on_failure = [](const Failure&) { return std::string("failure"); };
  EXPECT_EQ(value_of(succeed(1).add_callbacks(on_success, on_failure)), "value");
  EXPECT_EQ(value_of(fail<int>(some_failure()).add_callbacks(on_success, on_failure)), "failure");
  auto thrown = succeed(1).add_callbacks([](int) -> std::string { throw 1; }, on_failure);
  EXPECT_TRUE(failed_with<Error>(std::move(thrown)));
}

TEST(Deferred, GivesEitherOutcomeToAddBoth) {
  const auto told = [](Outcome<int> outcome) { return outcome.succeeded(); };
  EXPECT_TRUE(value_of(succeed(1).add_both(told)));
  EXPECT_FALSE(value_of(fail<int>(some_failure()).add_both(told)));
  EXPECT_TRUE(failed_with<TimeoutError>(
      succeed(1).add_both([](Outcome<int>) -> Outcome<int> { return some_failure(); })));
}

TEST(Deferred, WorksWithoutAValue) {
  Promise<void> promise;
  int calls = 0;
  auto end =
      promise.deferred().add_callback([&] { ++calls; }).add_callback([&] { return ++calls; });
  promise.callback();
  EXPECT_EQ(value_of(std::move(end)), 2);
  auto recovered = fail<void>(some_failure()).add_errback([](const Failure&) {});
  EXPECT_TRUE(recovered.take_result()->succeeded());
}

// ---- deferreds returned from callbacks

TEST(Deferred, WaitsForADeferredThatACallbackReturns) {
  Promise<int> outer;
  Promise<std::string> inner;
  auto end = outer.deferred().add_callback([&](int) { return inner.deferred(); });
  outer.callback(1);
  EXPECT_FALSE(end.ready());
  inner.callback("inner");
  EXPECT_EQ(value_of(std::move(end)), "inner");
}

TEST(Deferred, TakesTheFailureOfAReturnedDeferredAsHandled) {
  const auto before = census().unhandled_failures.load();
  auto end = succeed(1)
                 .add_callback([](int) { return fail<int>(some_failure()); })
                 .add_errback([](const Failure&) { return 7; });
  EXPECT_EQ(value_of(std::move(end)), 7);
  EXPECT_EQ(census().unhandled_failures.load(), before);
}

TEST(Deferred, RefusesADeferredThatWaitsForItself) {
  const auto before = census().unhandled_failures.load();
  Promise<int> promise;
  std::optional<Deferred<int>> own;
  own = promise.deferred().add_callback([&](int) { return std::move(*own); });
  promise.callback(1);
  EXPECT_EQ(census().unhandled_failures.exchange(before), before + 1);
}

TEST(Deferred, RefusesADeferredThatWaitsForItselfFurtherDown) {
  const auto before = census().unhandled_failures.load();
  Promise<int> promise;
  std::optional<Deferred<int>> end;
  end = promise.deferred()
            .add_callback([&](int) { return std::move(*end); })
            .add_callback([](int value) { return value; })
            .add_callback([](int value) { return value; });
  promise.callback(1);
  EXPECT_EQ(census().unhandled_failures.exchange(before), before + 1);
}

TEST(Deferred, KeepsNoRoundOfALoopThatGoesOnByReturningTheNext) {
  std::optional<Promise<int>> promise;
  std::function<Deferred<int>(int)> round = [&](int left) {
    promise.emplace();
    return promise->deferred().add_callback(
        [&round, left](int) { return left == 0 ? succeed(0) : round(left - 1); });
  };
  constexpr int rounds = 1000;
  auto end = round(rounds);
  const AllocationCounter counter;
  for (int i = 0; i <= rounds; ++i) {
    auto current = std::move(*promise);
    current.callback(i);
  }
  EXPECT_TRUE(end.ready());
#if !defined(__SANITIZE_ADDRESS__)
  EXPECT_LT(counter.count(), rounds / 10) << "cells of ended rounds serve the next ones";
#endif
}

TEST(Deferred, RefusesAConsumedDeferred) {
  auto first = succeed(1);
  auto second = std::move(first).add_callback([](int value) { return value; });
  EXPECT_THROW(static_cast<void>(std::move(first).add_callback([](int value) { return value; })),
               AlreadyCalledError);
  EXPECT_EQ(value_of(std::move(second)), 1);
}

TEST(Deferred, FailsWhenACallbackReturnsAConsumedOne) {
  auto end = succeed(1).add_callback([](int) {
    auto used = succeed(2);
    auto rest = std::move(used).add_callback([](int) {});
    return used;
  });
  EXPECT_TRUE(failed_with<InvalidArgument>(std::move(end)));
  Promise<int> promise;
  auto later = promise.deferred().add_callback([](int) {
    auto used = succeed(2);
    auto rest = std::move(used).add_callback([](int) {});
    return used;
  });
  promise.callback(1);
  EXPECT_TRUE(failed_with<InvalidArgument>(std::move(later)));
}

// ---- size

// Sanitizers are slow, and recursion would show with far fewer.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int million = 100'000;
#else
constexpr int million = 1'000'000;
#endif

enum class Ending { fired, failed, cancelled, dropped };

class DeferredAtSize : public ::testing::TestWithParam<Ending> {
 protected:
  static bool ended_as_asked(Deferred<int> end) {
    const auto result = end.take_result();
    switch (GetParam()) {
      case Ending::fired:
        return result && result->succeeded();
      case Ending::failed:
        return result && result->failure().check<TimeoutError>() != nullptr;
      case Ending::cancelled:
        return result && result->failure().check<CancelledError>() != nullptr;
      case Ending::dropped:
        return result && result->failure().check<BrokenPromiseError>() != nullptr;
    }
    return false;
  }
  static void end(std::optional<Promise<int>>& promise, Deferred<int>& last) {
    switch (GetParam()) {
      case Ending::fired:
        return promise->callback(1);
      case Ending::failed:
        return promise->errback(some_failure());
      case Ending::cancelled:
        return last.cancel();
      case Ending::dropped:
        return promise.reset();
    }
  }
};

TEST_P(DeferredAtSize, EndsAChainOfAMillionStages) {
  std::optional<Promise<int>> promise(std::in_place);
  auto last = promise->deferred();
  for (int i = 0; i < million; ++i) {
    last = std::move(last).add_callback([](int value) { return value; });
  }
  end(promise, last);
  EXPECT_TRUE(ended_as_asked(std::move(last)));
}

TEST_P(DeferredAtSize, EndsANestOfAMillionReturnedDeferreds) {
  std::optional<Promise<int>> innermost(std::in_place);
  auto nest = innermost->deferred();
  std::vector<Promise<int>> outer(million);
  for (auto& promise : outer) {
    nest = promise.deferred().add_callback(
        [inner = std::move(nest)](int) mutable { return std::move(inner); });
  }
  // From the outermost on, each waits for the next one within.
  for (std::size_t i = outer.size(); i-- > 0;)
    outer[i].callback(0);
  end(innermost, nest);
  EXPECT_TRUE(ended_as_asked(std::move(nest)));
}

TEST(Deferred, EndsANestOfAMillionThatWaitsFromWithinOutwards) {
  Promise<int> innermost;
  auto nest = innermost.deferred();
  std::vector<Promise<int>> outer(million);
  for (auto& promise : outer) {
    nest = promise.deferred().add_callback(
        [inner = std::move(nest)](int) mutable { return std::move(inner); });
    promise.callback(0);
  }
  innermost.callback(1);
  EXPECT_EQ(value_of(std::move(nest)), 1);
}

TEST_P(DeferredAtSize, EndsALoopOfAMillionReadyOnes) {
  std::optional<Promise<int>> promise(std::in_place);
  auto last = promise->deferred();
  end(promise, last);
  for (int i = 0; i < million; ++i) {
    last = std::move(last).add_callback([](int value) { return succeed(value); });
  }
  EXPECT_TRUE(ended_as_asked(std::move(last)));
}

TEST_P(DeferredAtSize, ForgetsAMillionStagesThatNobodyReads) {
  std::optional<Promise<int>> promise(std::in_place);
  int reached = 0;
  auto last = promise->deferred();
  for (int i = 0; i < million; ++i) {
    last = std::move(last).add_both([&](Outcome<int>) { return ++reached; });
  }
  end(promise, last);
  { const auto dropped = std::move(last); }
  promise.reset();
  EXPECT_EQ(reached, million);
}

std::string ending_name(const ::testing::TestParamInfo<Ending>& ending) {
  constexpr const char* names[] = {"Fired", "Failed", "Cancelled", "Dropped"};
  return names[static_cast<int>(ending.param)];
}

INSTANTIATE_TEST_SUITE_P(Endings, DeferredAtSize,
                         ::testing::Values(Ending::fired, Ending::failed, Ending::cancelled,
                                           Ending::dropped),
                         ending_name);

// ---- cost

TEST(DeferredCost, OfAReadyOneIsNoAllocation) {
  const AllocationCounter counter;
  auto end =
      succeed(1).add_callback([](int value) { return value + 1; }).add_callback([](int value) {
        return succeed(value + 1);
      });
  EXPECT_EQ(counter.count(), 0);
  EXPECT_EQ(value_of(std::move(end)), 3);
}

TEST(DeferredCost, OfAPendingStageIsAtMostOneAllocation) {
  Promise<int> promise;
  auto last = promise.deferred();
  const AllocationCounter counter;
  constexpr int stages = 1000;
  for (int i = 0; i < stages; ++i) {
    last = std::move(last).add_callback([i](int value) { return value + i; });
  }
  EXPECT_LE(counter.count(), stages);
  const auto added = counter.count();
  promise.callback(1);
  EXPECT_EQ(counter.count(), added);
  EXPECT_TRUE(last.ready());
}

// ---- promises

TEST(Promise, RefusesToFireTwice) {
  Promise<int> promise;
  auto end = promise.deferred();
  promise.callback(1);
  EXPECT_THROW(promise.callback(2), AlreadyCalledError);
  EXPECT_THROW(promise.errback(some_failure()), AlreadyCalledError);
  EXPECT_THROW((void)promise.deferred(), AlreadyCalledError);
  EXPECT_EQ(value_of(std::move(end)), 1);
}

TEST(Promise, BreaksWhenDroppedUnfired) {
  auto deferred = [] {
    Promise<int> promise;
    return promise.deferred();
  }();
  EXPECT_TRUE(failed_with<BrokenPromiseError>(std::move(deferred)));
}

TEST(Promise, GivesItsDeferredAlsoAfterTheResultCame) {
  const auto before = census().unhandled_failures.load();
  {
    Promise<int> promise;
    promise.errback(some_failure());
    EXPECT_TRUE(failed_with<TimeoutError>(promise.deferred()));
  }
  EXPECT_EQ(census().unhandled_failures.load(), before);
  {
    Promise<int> promise;
    promise.errback(some_failure());
  }
  EXPECT_EQ(census().unhandled_failures.exchange(before), before + 1)
      << "nobody asked for its deferred";
}

TEST(Promise, MayBeDroppedByItsOwnCallback) {
  auto promise = std::make_unique<Promise<int>>();
  auto end = promise->deferred().add_callback([&](int value) {
    promise.reset();
    return value;
  });
  promise->callback(3);
  EXPECT_EQ(value_of(std::move(end)), 3);
}

TEST(Promise, RunsOnWhenNobodyReads) {
  Promise<int> promise;
  int seen = 0;
  {
    auto dropped = promise.deferred().add_callback([&](int value) { seen = value; });
  }
  promise.callback(4);
  EXPECT_EQ(seen, 4);
}

// ---- cancelling

TEST(DeferredCancel, FailsAndSwallowsOneLateResult) {
  Promise<int> promise;
  auto deferred = promise.deferred();
  deferred.cancel();
  deferred.cancel();
  EXPECT_TRUE(promise.fired());
  promise.callback(1);
  EXPECT_THROW(promise.callback(2), AlreadyCalledError);
  EXPECT_TRUE(failed_with<CancelledError>(std::move(deferred)));
}

TEST(DeferredCancel, LetsTheCancellerGiveTheResult) {
  std::optional<Promise<int>> promise;
  promise.emplace([&] { promise->callback(9); });
  auto deferred = promise->deferred();
  deferred.cancel();
  EXPECT_EQ(value_of(std::move(deferred)), 9);
}

TEST(DeferredCancel, SurvivesAThrowingCanceller) {
  Promise<int> promise([] { throw std::runtime_error("canceller"); });
  auto deferred = promise.deferred();
  deferred.cancel();
  EXPECT_TRUE(failed_with<CancelledError>(std::move(deferred)));
}

TEST(DeferredCancel, ReachesTheInnermostOperation) {
  Promise<int> outer;
  bool cancelled = false;
  Promise<int> inner([&] { cancelled = true; });
  auto end = outer.deferred()
                 .add_callback([&](int) { return inner.deferred(); })
                 .add_callback([](int value) { return value; });
  outer.callback(1);
  end.cancel();
  EXPECT_TRUE(cancelled);
  EXPECT_TRUE(failed_with<CancelledError>(std::move(end)));
}

TEST(DeferredCancel, Sticks) {
  std::optional<Promise<int>> first;
  first.emplace([&] { first->callback(1); });
  bool cancelled = false;
  Promise<int> second([&] { cancelled = true; });
  auto end = first->deferred().add_callback([&](int) { return second.deferred(); });
  end.cancel();
  EXPECT_TRUE(cancelled);
  EXPECT_TRUE(failed_with<CancelledError>(std::move(end)));
}

TEST(DeferredCancel, ReleasesTheCancellerWhenFired) {
  auto held = std::make_shared<int>(1);
  Promise<int> promise([held] {});
  auto deferred = promise.deferred();
  EXPECT_EQ(held.use_count(), 2);
  promise.callback(1);
  EXPECT_EQ(held.use_count(), 1);
  deferred.cancel();
  EXPECT_EQ(value_of(std::move(deferred)), 1);
}

TEST(DeferredCancel, MayComeFromInsideACallback) {
  Promise<int> promise;
  Canceller canceller;
  auto end = promise.deferred().add_callback([&](int value) {
    canceller.cancel();
    return value;
  });
  canceller = end.canceller();
  promise.callback(2);
  EXPECT_EQ(value_of(std::move(end)), 2);
}

TEST(DeferredCancel, OfALoopThatGoesOnInSpiteOfItTakesNoStack) {
  std::optional<Promise<int>> promise;
  int rounds = 0;
  std::function<Deferred<int>()> round = [&] {
    promise.emplace();
    return promise->deferred().add_both([&](Outcome<int> outcome) {
      return ++rounds == million ? Deferred<int>(std::move(outcome)) : round();
    });
  };
  auto end = round();
  end.cancel();
  EXPECT_EQ(rounds, million);
  EXPECT_TRUE(failed_with<CancelledError>(std::move(end)));
}

// ---- fork and timeout

TEST(DeferredFork, GivesBothReadersTheResult) {
  Promise<std::string> promise;
  auto [first, second] = promise.deferred().fork();
  promise.callback("both");
  EXPECT_EQ(value_of(std::move(first)), "both");
  EXPECT_EQ(value_of(std::move(second)), "both");
}

TEST(DeferredFork, CancelsTheSourceWhenBothReadersCancel) {
  int cancelled = 0;
  Promise<int> promise([&] { ++cancelled; });
  auto [first, second] = promise.deferred().fork();
  first.cancel();
  EXPECT_EQ(cancelled, 0);
  second.cancel();
  EXPECT_EQ(cancelled, 1);
  EXPECT_TRUE(failed_with<CancelledError>(std::move(first)));
  EXPECT_TRUE(failed_with<CancelledError>(std::move(second)));
}

TEST(DeferredTimeout, CancelsAndSaysSo) {
  HandClock clock;
  bool cancelled = false;
  Promise<int> promise([&] { cancelled = true; });
  auto guarded = promise.deferred().add_timeout(clock, std::chrono::seconds(5));
  clock.advance(std::chrono::seconds(4));
  EXPECT_FALSE(guarded.ready());
  clock.advance(std::chrono::seconds(1));
  EXPECT_TRUE(cancelled);
  EXPECT_TRUE(failed_with<TimeoutError>(std::move(guarded)));
}

TEST(DeferredTimeout, IsForgottenWhenTheResultComesFirst) {
  HandClock clock;
  Promise<int> promise;
  auto guarded = promise.deferred().add_timeout(clock, std::chrono::seconds(5));
  promise.callback(1);
  EXPECT_EQ(clock.pending_calls(), 0U);
  EXPECT_EQ(value_of(std::move(guarded)), 1);
  auto ready = succeed(2).add_timeout(clock, std::chrono::seconds(5));
  EXPECT_EQ(clock.pending_calls(), 0U);
  EXPECT_EQ(value_of(std::move(ready)), 2);
}

TEST(DeferredTimeout, LeavesACancellationByTheUserAsItIs) {
  HandClock clock;
  Promise<int> promise;
  auto guarded = promise.deferred().add_timeout(clock, std::chrono::seconds(5));
  guarded.cancel();
  EXPECT_TRUE(failed_with<CancelledError>(std::move(guarded)));
}

TEST(DeferredTimeout, LetsTheCancellersValueWin) {
  HandClock clock;
  std::optional<Promise<int>> promise;
  promise.emplace([&] { promise->callback(8); });
  auto guarded = promise->deferred().add_timeout(clock, std::chrono::seconds(5));
  clock.advance(std::chrono::seconds(5));
  EXPECT_EQ(value_of(std::move(guarded)), 8);
}

// ---- failures that nobody handles

// What is reported here is meant to be.
class UnhandledFailures : public ::testing::Test {
 protected:
  ~UnhandledFailures() override { census().unhandled_failures = before_; }
  [[nodiscard]] std::int64_t reported() const {
    return census().unhandled_failures.load() - before_;
  }

 private:
  std::int64_t before_ = census().unhandled_failures.load();
};

TEST_F(UnhandledFailures, AreReportedOnceWhenTheLastStageIsDropped) {
  {
    Promise<int> promise;
    auto end = promise.deferred().add_callback([](int value) { return value; });
    promise.errback(some_failure());
    EXPECT_EQ(reported(), 0);
  }
  EXPECT_EQ(reported(), 1);
  { const auto ready = fail<int>(some_failure()); }
  EXPECT_EQ(reported(), 2);
}

TEST_F(UnhandledFailures, AreReportedWhenTheyComeAfterTheReaderLeft) {
  Promise<int> promise;
  { const auto dropped = promise.deferred(); }
  promise.errback(some_failure());
  EXPECT_EQ(reported(), 1);
}

TEST_F(UnhandledFailures, KnowWhereTheCallbackWasAddedThatThrew) {
  const auto result =
      succeed(1).add_callback([](int) -> int { throw std::runtime_error("x"); }).take_result();
  EXPECT_NE(std::string(result->failure().where().file_name()), "");
}

TEST_F(UnhandledFailures, AreNotThoseThatWereHandledLate) {
  {
    Promise<int> promise;
    auto end = promise.deferred();
    promise.errback(some_failure());
    auto handled = std::move(end).add_errback([](const Failure&) { return 0; });
  }
  EXPECT_EQ(reported(), 0);
}

TEST_F(UnhandledFailures, AreNotCancellationsByWhoeverDroppedIt) {
  Promise<int> promise;
  {
    auto dropped = promise.deferred();
    dropped.cancel();
  }
  EXPECT_EQ(reported(), 0);
}

TEST(MaybeDeferred, MakesOneOfWhateverHappens) {
  EXPECT_EQ(value_of(maybe_deferred([](int a, int b) { return a + b; }, 1, 2)), 3);
  EXPECT_EQ(value_of(maybe_deferred([] { return succeed(4); })), 4);
  EXPECT_TRUE(failed_with<std::runtime_error>(
      maybe_deferred([]() -> int { throw std::runtime_error("x"); })));
}

}  // namespace
}  // namespace weft
