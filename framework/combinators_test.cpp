#include "allocation_counter_test.hpp"
#include "census.hpp"
#include "deferred_list.hpp"
#include "deferred_queue.hpp"
#include "deferred_semaphore.hpp"
#include "gather.hpp"
#include "hand_clock_test.hpp"
#include "race.hpp"
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

// A number of operations that a test ends one by one.
class Operations {
 public:
  explicit Operations(std::size_t count) : cancelled(count, false) {
    for (std::size_t i = 0; i < count; ++i) {
      promises.emplace_back([this, i] { cancelled[i] = true; });
    }
  }
  std::vector<Deferred<int>> deferreds() {
    std::vector<Deferred<int>> all;
    for (auto& promise : promises)
      all.push_back(promise.deferred());
    return all;
  }
  std::vector<Promise<int>> promises;
  std::vector<bool> cancelled;
};

// ---- gather

TEST(GatherResults, OfAHundredCostsThreeAllocations) {
  Operations operations(100);
  auto inputs = operations.deferreds();
  const AllocationCounter counter;
  auto gathered = gather_results(std::move(inputs));
  for (auto& promise : operations.promises)
    promise.callback(1);
  EXPECT_LE(counter.count(), 3);
  EXPECT_EQ(gathered.take_result()->value(), std::vector(100, 1));
}

TEST(GatherResults, RefusesAConsumedInputAndOutlivesTheOthers) {
  Operations operations(2);
  auto inputs = operations.deferreds();
  auto moved = std::move(inputs[1]);
  EXPECT_THROW(static_cast<void>(gather_results(std::move(inputs))), AlreadyCalledError);
  operations.promises[0].callback(1);
  operations.promises[1].callback(2);
  EXPECT_EQ(moved.take_result()->value(), 2);
}

// Cancelling fires it, and whoever hears of that lets go of all there is.
TEST(GatherResults, MayLoseEverythingInsideItsOwnCancelling) {
  auto operations = std::make_unique<Operations>(3);
  std::optional<Deferred<void>> heard;
  auto gathered = gather_results(operations->deferreds());
  auto canceller = gathered.canceller();
  heard = std::move(gathered).add_both([&](Outcome<std::vector<int>> outcome) {
    EXPECT_FALSE(outcome.succeeded());
    operations.reset();
  });
  canceller.cancel();
  EXPECT_EQ(operations, nullptr);
  EXPECT_TRUE(heard->ready());
}

TEST(GatherResults, GivesTheValuesInTheOrderGiven) {
  Operations operations(3);
  auto gathered = gather_results(operations.deferreds());
  operations.promises[2].callback(30);
  operations.promises[0].callback(10);
  EXPECT_FALSE(gathered.ready());
  operations.promises[1].callback(20);
  EXPECT_EQ(gathered.take_result()->value(), (std::vector{10, 20, 30}));
}

TEST(GatherResults, IsReadyForNothingAndForReadyOnes) {
  EXPECT_TRUE(gather_results(std::vector<Deferred<int>>()).take_result()->value().empty());
  std::vector<Deferred<int>> ready;
  ready.push_back(succeed(1));
  EXPECT_EQ(gather_results(std::move(ready)).take_result()->value(), std::vector{1});
  std::vector<Deferred<void>> without_values;
  without_values.push_back(succeed());
  EXPECT_TRUE(gather_results(std::move(without_values)).take_result()->succeeded());
}

TEST(GatherResults, FailsWithTheFirstErrorWhenTheRestHasEnded) {
  // One canceller leaves its operation running for a while.
  std::optional<Promise<int>> slow;
  bool asked = false;
  slow.emplace();
  Promise<int> outer;
  std::vector<Deferred<int>> inputs;
  Operations operations(2);
  for (auto& input : operations.deferreds())
    inputs.push_back(std::move(input));
  auto cleaning = outer.deferred().add_errback([&](const Failure&) {
    asked = true;
    return Deferred<int>(Outcome<int>(0));
  });
  inputs.push_back(std::move(cleaning));
  auto gathered = gather_results(std::move(inputs));
  operations.promises[1].errback(some_failure());
  EXPECT_TRUE(asked);
  EXPECT_TRUE(operations.cancelled[0]);
  const auto result = gathered.take_result();
  ASSERT_TRUE(result);
  const auto* first = result->failure().check<FirstError>();
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->index(), 1U);
  EXPECT_NE(first->failure().check<TimeoutError>(), nullptr);
}

TEST(GatherResults, LetsTheRestGoOnWhenToldSo) {
  Operations operations(2);
  GatherOptions options;
  options.cancel_rest = false;
  auto gathered = gather_results(operations.deferreds(), options);
  operations.promises[0].errback(some_failure());
  EXPECT_TRUE(gathered.take_result()->failure().check<FirstError>() != nullptr);
  EXPECT_FALSE(operations.cancelled[1]);
  operations.promises[1].errback(some_failure());
}

TEST(GatherResults, CancelsAllWhenCancelled) {
  Operations operations(3);
  auto gathered = gather_results(operations.deferreds());
  operations.promises[0].callback(1);
  gathered.cancel();
  EXPECT_EQ(operations.cancelled, (std::vector{false, true, true}));
  EXPECT_TRUE(gathered.ready());
}

TEST(GatherResults, FailsWithACancelledErrorWhenCancelled) {
  const auto before = census().unhandled_failures.load();
  Operations operations(2);
  auto gathered = gather_results(operations.deferreds());
  gathered.cancel();
  EXPECT_NE(gathered.peek()->failure().check<CancelledError>(), nullptr);
  { const auto dropped = std::move(gathered); }
  EXPECT_EQ(census().unhandled_failures.load(), before);
}

TEST(GatherResults, TimesOut) {
  HandClock clock;
  Operations gathering(2);
  auto gathered = gather_results(gathering.deferreds()).add_timeout(clock, std::chrono::seconds(1));
  Operations racing(2);
  auto raced = race(racing.deferreds()).add_timeout(clock, std::chrono::seconds(1));
  clock.advance(std::chrono::seconds(1));
  EXPECT_NE(gathered.take_result()->failure().check<TimeoutError>(), nullptr);
  EXPECT_NE(raced.take_result()->failure().check<TimeoutError>(), nullptr);
}

TEST(GatherResults, GathersDifferentTypesIntoATuple) {
  Promise<int> number;
  Promise<std::string> text;
  Promise<void> nothing;
  auto gathered = gather_results(number.deferred(), text.deferred(), nothing.deferred());
  number.callback(1);
  nothing.callback();
  text.callback("two");
  const auto values = gathered.take_result()->value();
  EXPECT_EQ(std::get<0>(values), 1);
  EXPECT_EQ(std::get<1>(values), "two");
  Promise<int> failing;
  Promise<int> other;
  auto failed = gather_results(failing.deferred(), other.deferred());
  failing.errback(some_failure());
  EXPECT_EQ(failed.take_result()->failure().check<FirstError>()->index(), 0U);
  EXPECT_TRUE(other.fired());
}

TEST(GatherResults, ReportsNoFailureOfItsInputsAsUnhandled) {
  const auto before = census().unhandled_failures.load();
  Operations operations(5);
  auto gathered = gather_results(operations.deferreds());
  operations.promises[3].errback(some_failure());
  EXPECT_FALSE(gathered.take_result()->succeeded());
  EXPECT_EQ(census().unhandled_failures.load(), before);
}

// ---- list and race

TEST(DeferredList, GivesEachItsOwnOutcome) {
  Operations operations(2);
  auto listed = deferred_list(operations.deferreds());
  operations.promises[1].errback(some_failure());
  operations.promises[0].callback(1);
  const auto outcomes = listed.take_result()->value();
  EXPECT_EQ(outcomes[0].value(), 1);
  EXPECT_NE(outcomes[1].failure().check<TimeoutError>(), nullptr);
  EXPECT_TRUE(deferred_list(std::vector<Deferred<int>>()).ready());
}

TEST(DeferredList, CancelsAllWhenCancelled) {
  Operations operations(2);
  auto listed = deferred_list(operations.deferreds());
  listed.cancel();
  EXPECT_EQ(operations.cancelled, (std::vector{true, true}));
}

TEST(Race, GivesTheFirstSuccessAndCancelsTheRest) {
  Operations operations(3);
  auto raced = race(operations.deferreds());
  operations.promises[0].errback(some_failure());
  operations.promises[2].callback(7);
  const auto winner = raced.take_result()->value();
  EXPECT_EQ(winner.index, 2U);
  EXPECT_EQ(winner.value, 7);
  EXPECT_TRUE(operations.cancelled[1]);
}

TEST(Race, FailsWithEveryFailureWhenNobodySucceeds) {
  Operations operations(2);
  auto raced = race(operations.deferreds());
  operations.promises[1].errback(some_failure());
  operations.promises[0].errback(Failure(ResolveError("No such name.")));
  const auto result = raced.take_result();
  const auto* all = result->failure().check<AllFailed>();
  ASSERT_NE(all, nullptr);
  ASSERT_EQ(all->failures().size(), 2U);
  EXPECT_NE(all->failures()[0].check<ResolveError>(), nullptr);
  auto nobody = race(std::vector<Deferred<int>>());
  EXPECT_NE(nobody.take_result()->failure().check<AllFailed>(), nullptr);
}

TEST(Race, CancelsAllWhenCancelled) {
  Operations operations(2);
  auto raced = race(operations.deferreds());
  raced.cancel();
  EXPECT_EQ(operations.cancelled, (std::vector{true, true}));
  EXPECT_TRUE(raced.ready());
  { const auto dropped = std::move(raced); }
}

// ---- locks

TEST(DeferredSemaphore, LetsInAsManyAsItHasPermits) {
  DeferredSemaphore semaphore(2);
  auto first = semaphore.acquire();
  auto second = semaphore.acquire();
  auto third = semaphore.acquire();
  EXPECT_TRUE(first.ready() && second.ready());
  EXPECT_FALSE(third.ready());
  EXPECT_EQ(semaphore.waiting(), 1U);
  semaphore.release();
  EXPECT_TRUE(third.ready());
  semaphore.release();
  semaphore.release();
  EXPECT_EQ(semaphore.available(), 2U);
  EXPECT_THROW(semaphore.release(), InvalidArgument);
  EXPECT_THROW(DeferredSemaphore(0), InvalidArgument);
}

TEST(DeferredLock, ServesFirstComeFirstServed) {
  DeferredLock lock;
  std::vector<int> order;
  auto held = lock.acquire();
  EXPECT_TRUE(lock.locked());
  std::vector<Deferred<void>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(lock.run([&order, i] { order.push_back(i); }));
  }
  lock.release();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(held.ready());
}

TEST(DeferredLock, SkipsAWaiterWhoCancelled) {
  DeferredLock lock;
  auto held = lock.acquire();
  auto leaving = lock.acquire();
  auto staying = lock.acquire();
  leaving.cancel();
  EXPECT_EQ(lock.waiting(), 1U);
  lock.release();
  EXPECT_TRUE(staying.ready());
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST(DeferredLock, KeepsNoOneWhoLeft) {
  DeferredLock lock;
  auto held = lock.acquire();
  for (int i = 0; i < 1000; ++i) {
    auto leaving = lock.acquire();
    leaving.cancel();
  }
  EXPECT_EQ(lock.waiting(), 0U);
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST(DeferredLock, IsReleasedAlsoWhenTheCallThrows) {
  DeferredLock lock;
  auto failed = lock.run([]() -> int { throw std::runtime_error("inside"); });
  EXPECT_NE(failed.take_result()->failure().check<std::runtime_error>(), nullptr);
  EXPECT_FALSE(lock.locked());
  Promise<int> work;
  auto later = lock.run([&] { return work.deferred(); });
  EXPECT_TRUE(lock.locked());
  work.callback(3);
  EXPECT_EQ(later.take_result()->value(), 3);
  EXPECT_FALSE(lock.locked());
}

TEST(DeferredLock, WakesFiveThousandWaitersWithoutRecursion) {
  DeferredLock lock;
  auto held = lock.acquire();
  int depth = 0;
  int deepest = 0;
  int calls = 0;
  for (int i = 0; i < 5000; ++i) {
    auto dropped = lock.acquire().add_callback([&] {
      deepest = std::max(deepest, ++depth);
      ++calls;
      lock.release();
      --depth;
    });
  }
  lock.release();
  EXPECT_EQ(calls, 5000);
  EXPECT_EQ(deepest, 1);
  EXPECT_FALSE(lock.locked());
}

TEST(DeferredLock, BreaksThePromisesOfThoseWhoWaitWhenItGoes) {
  auto lock = std::make_unique<DeferredLock>();
  auto held = lock->acquire();
  auto waiting = lock->acquire();
  lock.reset();
  EXPECT_NE(waiting.take_result()->failure().check<BrokenPromiseError>(), nullptr);
}

// ---- queues

TEST(DeferredQueue, HandsItemsOverInOrder) {
  DeferredQueue<std::unique_ptr<int>> queue;
  queue.put(std::make_unique<int>(1));
  auto first = queue.get();
  auto second = queue.get();
  EXPECT_EQ(*first.take_result()->value(), 1);
  EXPECT_FALSE(second.ready());
  queue.put(std::make_unique<int>(2));
  EXPECT_EQ(*second.take_result()->value(), 2);
}

TEST(DeferredQueue, KeepsItsLimits) {
  DeferredQueue<int> queue(1, 1);
  queue.put(1);
  EXPECT_THROW(queue.put(2), QueueOverflow);
  EXPECT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue.get().take_result()->value(), 1);
  auto waiting = queue.get();
  EXPECT_THROW((void)queue.get(), QueueUnderflow);
  waiting.cancel();
  auto again = queue.get();
  EXPECT_FALSE(again.ready());
}

TEST(DeferredQueue, LosesNoItemToACancelledGet) {
  DeferredQueue<int> queue;
  auto leaving = queue.get();
  auto staying = queue.get();
  leaving.cancel();
  queue.put(5);
  EXPECT_EQ(staying.take_result()->value(), 5);
  auto gone = queue.get();
  gone.cancel();
  queue.put(6);
  EXPECT_EQ(queue.get().take_result()->value(), 6);
}

TEST(DeferredQueue, KeepsTheOrderWhenThoseWhoWaitLeaveWhileTheyAreServed) {
  DeferredQueue<int> queue;
  std::optional<Deferred<int>> second;
  std::optional<Deferred<int>> third;
  auto first = queue.get().add_callback([&](int) {
    queue.put(1);
    queue.put(2);
    EXPECT_EQ(queue.size(), 2U);
    second->cancel();
    third->cancel();
  });
  second = queue.get();
  third = queue.get();
  queue.put(0);
  EXPECT_TRUE(first.ready());
  EXPECT_EQ(queue.get().take_result()->value(), 1);
  EXPECT_EQ(queue.get().take_result()->value(), 2);
}

TEST(DeferredQueue, ServesThoseWhoWaitBeforeThoseWhoComeMeanwhile) {
  DeferredQueue<int> queue(1);
  std::optional<Deferred<int>> late;
  auto first = queue.get().add_callback([&](int) {
    queue.put(1);
    queue.put(2);
    EXPECT_THROW(queue.put(3), QueueOverflow);
    late = queue.get();
    EXPECT_FALSE(late->ready());
    queue.close();
  });
  auto second = queue.get();
  queue.put(0);
  EXPECT_TRUE(first.ready());
  EXPECT_EQ(second.take_result()->value(), 1);
  EXPECT_EQ(late->take_result()->value(), 2);
  EXPECT_NE(queue.get().take_result()->failure().check<QueueClosed>(), nullptr);
}

TEST(DeferredQueue, GivesWhatIsLeftWhenClosedAndThenFails) {
  DeferredQueue<int> queue;
  queue.put(1);
  queue.close();
  EXPECT_THROW(queue.put(2), QueueClosed);
  EXPECT_EQ(queue.get().take_result()->value(), 1);
  EXPECT_NE(queue.get().take_result()->failure().check<QueueClosed>(), nullptr);
  DeferredQueue<int> empty;
  auto waiting = empty.get();
  empty.close();
  EXPECT_NE(waiting.take_result()->failure().check<QueueClosed>(), nullptr);
}

}  // namespace
}  // namespace weft
