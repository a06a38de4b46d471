#include "../framework/coroutines/sleep.hpp"
#include "../framework/coroutines/task.hpp"
#include "../framework/coroutines/task_list.hpp"
#include "../framework/error.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "dump_tasks.hpp"
#include "make_reactor.hpp"
#include "react.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::spin_reactor_until;

class TaskOnReactor : public ::testing::TestWithParam<std::string> {};

// [react]
Task<int> count_to(int last) {
  int count = 0;
  while (count < last) {
    co_await sleep(1ms);
    ++count;
  }
  co_return count;
}

TEST_P(TaskOnReactor, IsAWholeProgram) {
  const auto main = [](Reactor&) { return count_to(3); };
  EXPECT_EQ(react(main, GetParam()), 3);
}
// [react]

TEST_P(TaskOnReactor, ThatIsTheProgramMayKeepCaptures) {
  EXPECT_EQ(react(
                [last = 2, text = std::string("as long as it runs, which is not at once")](
                    Reactor& reactor) -> Task<int> {
                  co_await sleep(reactor, 1ms);
                  co_return text.size() == 40 ? last : 0;
                },
                GetParam()),
            2);
}

TEST_P(TaskOnReactor, ThatIsTheProgramIsCancelledWhenTheReactorIsStopped) {
  bool cancelled = false;
  const int status = react(
      [&](Reactor& reactor) -> Task<int> {
        reactor.call_later(Duration::zero(), [&reactor] { reactor.stop(); });
        try {
          co_await sleep(1h);
        } catch (const CancelledError&) {
          cancelled = true;
        }
        co_return 7;
      },
      GetParam());
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(status, 7);
}

TEST_P(TaskOnReactor, IsListedInTheLogWhenASignalComes) {
  const testing::LogCapture log;
  const auto reactor = make_reactor(GetParam());
  const auto watch = dump_tasks_on_signal(*reactor, SIGUSR1);
  auto sleeping = ensure_deferred(sleep(*reactor, 1h));
  const auto napping = [](Deferred<void> nap) -> Task<void> { co_await nap; };
  auto result = ensure_deferred(napping(std::move(sleeping)).named("the long nap"));
  std::raise(SIGUSR1);
  EXPECT_TRUE(spin_reactor_until(*reactor, [&] { return log.contains("the long nap at "); }));
  result.cancel();
  std::raise(SIGUSR1);
  EXPECT_TRUE(spin_reactor_until(*reactor, [&] { return log.contains("No task waits or runs."); }));
  EXPECT_TRUE(result.take_result().has_value());
}

INSTANTIATE_TEST_SUITE_P(Each, TaskOnReactor, ::testing::ValuesIn(reactor_names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace weft
