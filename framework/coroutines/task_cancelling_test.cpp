#include "../defer_later.hpp"
#include "../deferred_list.hpp"
#include "../deferred_queue.hpp"
#include "../deferred_semaphore.hpp"
#include "../error.hpp"
#include "../gather.hpp"
#include "../race.hpp"
#include "../step_clock_test.hpp"
#include "../test_results_test.hpp"
#include "sleep.hpp"
#include "task.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

TEST(TaskCancelling, CancelsWhatTheInnermostTaskWaitsFor) {
  bool stopped = false;
  Promise<int> operation([&] { stopped = true; });
  const auto inner = [](Deferred<int> number) -> Task<int> { co_return co_await number; };
  const auto outer = [&](Deferred<int> number) -> Task<int> {
    co_return co_await inner(std::move(number));
  };
  auto result = ensure_deferred(outer(operation.deferred()));
  result.cancel();
  EXPECT_TRUE(stopped);
  EXPECT_NE(outcome_of(std::move(result)).failure().check<CancelledError>(), nullptr);
}

TEST(TaskCancelling, ReachesATaskThroughTheStagesAfterIt) {
  bool stopped = false;
  Promise<int> operation([&] { stopped = true; });
  const auto waiting = [](Deferred<int> number) -> Task<int> { co_return co_await number; };
  auto last = ensure_deferred(waiting(operation.deferred())).add_callback([](int number) {
    return number + 1;
  });
  last.cancel();
  EXPECT_TRUE(stopped);
  EXPECT_NE(outcome_of(std::move(last)).failure().check<CancelledError>(), nullptr);
}

TEST(TaskCancelling, ReachesTheTaskThatACallbackReturned) {
  Promise<void> gate;
  auto last = succeed(1).add_callback([&](int) -> Task<void> { co_await gate.deferred(); });
  last.cancel();
  EXPECT_TRUE(gate.fired());
  EXPECT_NE(outcome_of(std::move(last)).failure().check<CancelledError>(), nullptr);
}

TEST(TaskCancelling, MayBeSwallowed) {
  Promise<int> operation;
  const auto stubborn = [](Deferred<int> number) -> Task<int> {
    try {
      co_return co_await number;
    } catch (const CancelledError&) {
      co_return -1;
    }
  };
  auto result = ensure_deferred(stubborn(operation.deferred()));
  result.cancel();
  EXPECT_EQ(outcome_of(std::move(result)).value(), -1);
}

TEST(TaskCancelling, MayBeTranslated) {
  Promise<int> operation;
  const auto translating = [](Deferred<int> number) -> Task<int> {
    try {
      co_return co_await number;
    } catch (const CancelledError&) {
      throw TimeoutError("It took too long.");
    }
  };
  auto result = ensure_deferred(translating(operation.deferred()));
  result.cancel();
  EXPECT_NE(outcome_of(std::move(result)).failure().check<TimeoutError>(), nullptr);
}

// [cleaning-up]
TEST(TaskCancelling, LetsTheTaskAwaitMoreToCleanUp) {
  Promise<int> operation;
  Promise<void> goodbye;
  const auto polite = [&]() -> Task<int> {
    const auto outcome = co_await as_result(operation.deferred());
    if (!outcome) co_await goodbye.deferred();
    co_return outcome.value();  // throws what it failed with
  };
  auto result = ensure_deferred(polite());
  result.cancel();
  EXPECT_FALSE(result.ready());
  EXPECT_FALSE(goodbye.fired());
  goodbye.callback();
  EXPECT_NE(outcome_of(std::move(result)).failure().check<CancelledError>(), nullptr);
}
// [cleaning-up]

TEST(TaskCancelling, ReachesTheCleaningUpWhenItComesAgain) {
  Promise<int> operation;
  Promise<void> goodbye;
  const auto polite = [&]() -> Task<std::string> {
    const auto first = co_await as_result(operation.deferred());
    const auto second = co_await as_result(goodbye.deferred());
    co_return std::string(first ? "" : "cancelled") + (second ? "" : " twice");
  };
  auto result = ensure_deferred(polite());
  result.cancel();
  result.cancel();
  EXPECT_EQ(outcome_of(std::move(result)).value(), "cancelled twice");
}

TEST(TaskCancelling, OfATaskThatRunsIsForItsNextWait) {
  Promise<void> begin;
  Promise<int> operation;
  std::optional<Canceller> own;
  bool passed_what_was_there = false;
  const auto suicidal = [&]() -> Task<int> {
    co_await begin.deferred();
    own->cancel();
    co_await succeed(1);
    passed_what_was_there = true;
    co_return co_await operation.deferred();
  };
  auto result = ensure_deferred(suicidal());
  own.emplace(result.canceller());
  begin.callback();
  EXPECT_TRUE(passed_what_was_there);
  EXPECT_TRUE(operation.fired());
  EXPECT_NE(outcome_of(std::move(result)).failure().check<CancelledError>(), nullptr);
}

TEST(TaskCancelling, OfATaskThatHasEndedDoesNothing) {
  const auto ending = []() -> Task<int> { co_return 3; };
  auto result = ensure_deferred(ending());
  result.cancel();
  EXPECT_EQ(outcome_of(std::move(result)).value(), 3);
}

TEST(TaskCancelling, IsNoOrder) {
  std::optional<Promise<int>> operation;
  operation.emplace([&] { operation->callback(8); });
  const auto waiting = [](Deferred<int> number) -> Task<int> { co_return co_await number; };
  auto result = ensure_deferred(waiting(operation->deferred()));
  result.cancel();
  EXPECT_EQ(outcome_of(std::move(result)).value(), 8);
}

TEST(TaskCancelling, AndDroppingIsNotReported) {
  const RecordedLog log;
  Promise<int> operation;
  const auto waiting = [](Deferred<int> number) -> Task<int> { co_return co_await number; };
  {
    auto result = ensure_deferred(waiting(operation.deferred()));
    result.cancel();
  }
  EXPECT_TRUE(log.lines().empty()) << log.lines().front();
}

// ---- a coroutine that comes to twenty suspensions, one every millisecond

// What the script leaves behind if it is not cleaned up.
struct World {
  void came_to(int step) { steps = step; }

  StepClock clock;
  DeferredLock lock;
  DeferredQueue<int> queue;
  int alive = 0;
  int steps = 0;
};

// Something that a scope must end, such as a connection.
class Held {
 public:
  explicit Held(World& world) noexcept : world_(world) { ++world_.alive; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held() { --world_.alive; }

 private:
  World& world_;
};

Task<int> nap(World& world, int depth = 0) {
  const Held held(world);
  if (depth > 0) co_return co_await nap(world, depth - 1);
  co_await sleep(world.clock, 1ms);
  co_return 1;
}
Task<std::unique_ptr<Held>> acquire(World& world) {
  auto held = std::make_unique<Held>(world);
  co_await nap(world);
  co_return held;
}
// Holds the lock for a millisecond.
Task<void> hold_lock(World& world) {
  co_await world.lock.acquire();
  co_await sleep(world.clock, 1ms);
  world.lock.release();
}
Deferred<int> later(World& world) {
  return defer_later(world.clock, 1ms).add_callback([] { return 1; });
}
std::vector<Deferred<int>> two(World& world) {
  std::vector<Deferred<int>> both;
  both.push_back(nap(world));
  both.push_back(later(world));
  return both;
}

Task<void> first_ten(World& world) {
  const Held held(world);
  co_await sleep(world.clock, 1ms);
  world.came_to(1);
  co_await nap(world);
  world.came_to(2);
  co_await nap(world, 5);
  world.came_to(3);
  co_await later(world);
  world.came_to(4);
  co_await ensure_deferred(nap(world));
  world.came_to(5);
  const auto napped = co_await as_result(nap(world));
  EXPECT_EQ(napped.value(), 1);
  world.came_to(6);
  const auto waited = co_await as_result(later(world));
  EXPECT_EQ(waited.value(), 1);
  world.came_to(7);
  co_await gather_results(two(world));
  world.came_to(8);
  co_await race(two(world));
  world.came_to(9);
  const auto listed = co_await deferred_list(two(world));
  EXPECT_EQ(listed[0].value(), 1);
  world.came_to(10);
}

Task<void> last_ten(World& world) {
  const auto held = co_await acquire(world);
  world.came_to(11);
  auto holding = ensure_deferred(hold_lock(world));
  co_await world.lock.run([] {});
  world.came_to(12);
  co_await holding;
  world.clock.call_later(1ms, [&world] { world.queue.put(1); });
  co_await world.queue.get();
  world.came_to(13);
  co_await ensure_deferred(nap(world)).add_timeout(world.clock, 1h);
  world.came_to(14);
  co_await succeed(1).add_callback([&world](int) { return nap(world, 1); });
  world.came_to(15);
  const auto local = [&world]() -> Task<int> { co_return co_await nap(world) + 1; };
  co_await local();
  world.came_to(16);
  try {
    co_await later(world).add_callback([](int) { throw InvalidArgument("as the script says"); });
  } catch (const InvalidArgument&) {
    world.came_to(17);
  }
  auto pending = later(world);
  co_await pending;
  world.came_to(18);
  auto [first, second] = later(world).fork();
  co_await first;
  co_await second;
  world.came_to(19);
  co_await nap(world, 20);
  world.came_to(20);
}

Task<void> script(World& world) {
  const Held held(world);
  co_await first_ten(world);
  co_await last_ten(world);
}

TEST(TaskCancelling, AtEachOfTwentyWaitsLeavesNothingBehind) {
  for (int wait = 1; wait <= 20; ++wait) {
    SCOPED_TRACE(wait);
    World world;
    auto result = ensure_deferred(script(world));
    world.clock.advance(wait * 1ms - 500us);
    ASSERT_EQ(world.steps, wait - 1);
    ASSERT_FALSE(result.ready());
    result.cancel();
    ASSERT_TRUE(result.ready());
    EXPECT_NE(outcome_of(std::move(result)).failure().check<CancelledError>(), nullptr);
    EXPECT_EQ(world.steps, wait - 1);
    EXPECT_EQ(world.alive, 0);
    // What the script waited for together with others goes on for those.
    world.clock.advance(1ms);
    EXPECT_EQ(world.clock.pending_calls(), 0U);
    EXPECT_FALSE(world.lock.locked());
  }
}

TEST(TaskCancelling, TheScriptEndsWhereNobodyCancelsIt) {
  World world;
  auto result = ensure_deferred(script(world));
  world.clock.advance(20ms);
  EXPECT_EQ(world.steps, 20);
  EXPECT_TRUE(outcome_of(std::move(result)).succeeded());
  EXPECT_EQ(world.alive, 0);
  EXPECT_EQ(world.clock.pending_calls(), 0U);
}

}  // namespace
}  // namespace weft
