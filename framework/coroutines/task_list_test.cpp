#include "task_list.hpp"

#include "../../testing/memory_reactor.hpp"
#include "../test_results_test.hpp"
#include "sleep.hpp"
#include "task.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::MemoryReactor;

Task<void> read_header(Deferred<void> bytes) {
  co_await bytes;
}
Task<void> fetch(Deferred<void> bytes) {
  co_await read_header(std::move(bytes)).named("the header");
}
// Below the reactor's loop, as a callback would.
template <class F>
void in_loop(MemoryReactor& reactor, F f) {
  reactor.turn().enter_logged("test", f);
}

TEST(TaskList, IsEmptyWhereNothingHasBegun) {
  MemoryReactor reactor;
  EXPECT_TRUE(tasks(reactor).empty());
  EXPECT_EQ(dump_tasks(reactor), "");
}

TEST(TaskList, SaysWhoAwaitsWhomAndWhereAndForWhat) {
  MemoryReactor reactor;
  Promise<void> bytes;
  std::optional<Deferred<void>> result;
  in_loop(reactor, [&] { result.emplace(ensure_deferred(fetch(bytes.deferred()))); });
  const auto list = tasks(reactor);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_TRUE(list[0].name.ends_with("fetch")) << list[0].name;
  EXPECT_EQ(list[0].waits_for, "a task");
  EXPECT_EQ(list[0].awaited_by, std::nullopt);
  EXPECT_EQ(list[1].name, "the header");
  EXPECT_EQ(list[1].depth, 1U);
  EXPECT_EQ(list[1].awaited_by, 0U);
  EXPECT_TRUE(list[1].waits_for.starts_with("a deferred made at ")) << list[1].waits_for;
  EXPECT_NE(list[1].waits_for.find("task_list_test.cpp:"), std::string::npos);
  EXPECT_TRUE(std::string(list[1].awaits_at.file_name()).ends_with("task_list_test.cpp"));
  EXPECT_LT(list[1].awaits_at.line(), list[0].awaits_at.line());
  bytes.callback();
  EXPECT_TRUE(tasks(reactor).empty());
  EXPECT_TRUE(outcome_of(std::move(*result)).succeeded());
}

TEST(TaskList, FindsTheTaskThatAnotherAwaitsThroughCallbacks) {
  MemoryReactor reactor;
  Promise<void> bytes;
  std::optional<Deferred<void>> result;
  in_loop(reactor, [&] {
    auto inner = ensure_deferred(read_header(bytes.deferred()).named("inner"));
    auto outer = read_header(std::move(inner).add_callback([] {})).named("outer");
    result.emplace(ensure_deferred(std::move(outer)));
  });
  // [dump]
  const auto text = dump_tasks(reactor);
  EXPECT_TRUE(text.starts_with("outer at ")) << text;
  EXPECT_NE(text.find(", waits for a task\n  inner at "), std::string::npos) << text;
  EXPECT_NE(text.find(", waits for a deferred made at "), std::string::npos) << text;
  // [dump]
  bytes.callback();
  EXPECT_TRUE(outcome_of(std::move(*result)).succeeded());
}

Task<void> descend(int levels, Deferred<void>& bytes) {
  if (levels > 0) co_await descend(levels - 1, bytes).named("level");
  if (levels == 0) co_await bytes;
}

TEST(TaskList, IndentsDeepTasksByABoundedWidthAndNumbersThem) {
  MemoryReactor reactor;
  Promise<void> promise;
  auto bytes = promise.deferred();
  auto result = ensure_deferred(descend(100, bytes));
  const auto text = dump_tasks(reactor);
  EXPECT_NE(text.find("\n" + std::string(40, ' ') + "level at "), std::string::npos);
  EXPECT_NE(text.find("\n" + std::string(40, ' ') + "(100) level at "), std::string::npos) << text;
  EXPECT_EQ(text.find(std::string(41, ' ')), std::string::npos);
  promise.callback();
  EXPECT_TRUE(outcome_of(std::move(result)).succeeded());
}

TEST(TaskList, NamesTheTaskThatACallbackReturnedNotWhatKeepsItsCaptures) {
  MemoryReactor reactor;
  Promise<void> bytes;
  std::optional<Deferred<void>> result;
  in_loop(reactor, [&] {
    result.emplace(succeed().add_callback([&bytes, name = std::string("from a callback")] {
      return read_header(bytes.deferred()).named(name);
    }));
  });
  const auto list = tasks(reactor);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].name, "from a callback");
  bytes.callback();
  EXPECT_TRUE(outcome_of(std::move(*result)).succeeded());
}

TEST(TaskList, SaysThatATaskRuns) {
  MemoryReactor reactor;
  std::string seen;
  const auto looking = [&]() -> Task<void> {
    seen = dump_tasks(reactor);
    co_return;
  };
  in_loop(reactor, [&] { EXPECT_TRUE(ensure_deferred(looking().named("looking")).ready()); });
  EXPECT_EQ(seen, "looking, running\n");
}

TEST(TaskList, KeepsTheTasksOfReactorsApart) {
  MemoryReactor here;
  MemoryReactor there;
  Promise<void> bytes;
  std::optional<Deferred<void>> result;
  in_loop(here, [&] { result.emplace(ensure_deferred(read_header(bytes.deferred()))); });
  EXPECT_EQ(tasks(here).size(), 1U);
  EXPECT_TRUE(tasks(there).empty());
  bytes.callback();
  EXPECT_TRUE(outcome_of(std::move(*result)).succeeded());
}

TEST(TaskList, CountsATaskThatWasBegunBeforeTheLoopToWhereItIsResumed) {
  MemoryReactor here;
  MemoryReactor there;
  Promise<void> first;
  Promise<void> second;
  const auto waiting = [&]() -> Task<void> {
    co_await first.deferred();
    co_await second.deferred();
  };
  auto result = ensure_deferred(waiting());
  EXPECT_EQ(tasks(here).size(), 1U);
  EXPECT_EQ(tasks(there).size(), 1U);
  in_loop(here, [&] { first.callback(); });
  EXPECT_EQ(tasks(here).size(), 1U);
  EXPECT_TRUE(tasks(there).empty());
  second.callback();
  EXPECT_TRUE(outcome_of(std::move(result)).succeeded());
  EXPECT_TRUE(tasks(here).empty());
}

TEST(TaskList, LeavesOutWhatAnotherThreadBeganOutsideOfAReactor) {
  Promise<void> bytes;
  auto result = ensure_deferred(read_header(bytes.deferred()));
  MemoryReactor reactor;
  EXPECT_EQ(tasks(reactor).size(), 1U);
  std::size_t seen_elsewhere = 1;
  std::thread([&] { seen_elsewhere = tasks(reactor).size(); }).join();
  EXPECT_EQ(seen_elsewhere, 0U);
  bytes.callback();
  EXPECT_TRUE(outcome_of(std::move(result)).succeeded());
}

TEST(TaskList, OutlivesItsReactor) {
  std::optional<MemoryReactor> reactor(std::in_place);
  Promise<void> bytes;
  std::optional<Deferred<void>> result;
  in_loop(*reactor, [&] { result.emplace(ensure_deferred(read_header(bytes.deferred()))); });
  reactor.reset();
  bytes.callback();
  EXPECT_TRUE(outcome_of(std::move(*result)).succeeded());
}

TEST(TaskList, NamesAFunctionWithoutTypes) {
  using detail::name_of;
  EXPECT_EQ(name_of(nullptr, SourceLocation()), "");
  const std::string name = "given";
  EXPECT_EQ(name_of(&name, SourceLocation()), "given");
}

TEST(TaskOnAReactor, SleepsByTheReactorThatRunsIt) {
  MemoryReactor reactor;
  bool woken = false;
  const auto napping = [&]() -> Task<void> {
    co_await sleep(1s);
    woken = true;
    co_await sleep(1s);
    Reactor::current().stop();
  };
  std::optional<Deferred<void>> result;
  reactor.call_when_running([&] { result.emplace(napping()); });
  reactor.run();
  EXPECT_TRUE(woken);
  EXPECT_TRUE(outcome_of(std::move(*result)).succeeded());
}

TEST(TaskOnAReactor, AsATriggerHoldsTheNextPhaseUp) {
  MemoryReactor reactor;
  std::string order;
  reactor.add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                   [&, kept = std::string("saved ")]() -> Task<void> {
                                     co_await sleep(1s);
                                     order += kept;
                                   });
  reactor.add_system_event_trigger(Phase::during, SystemEvent::shutdown,
                                   [&] { order += "closed"; });
  reactor.call_when_running([&] { reactor.stop(); });
  reactor.run();
  EXPECT_EQ(order, "saved closed");
}

}  // namespace
}  // namespace weft
