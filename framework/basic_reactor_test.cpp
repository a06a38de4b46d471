#include "basic_reactor.hpp"

#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/results.hpp"
#include "error.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;

// The memory reactor, with the primitives for those who write loops laid open.
class OpenReactor final : public testing::MemoryReactor {
 public:
  using MemoryReactor::interrupted;
  using MemoryReactor::stops_on_signals;
  int begun = 0;
  int ended = 0;

 private:
  void run_began() override { ++begun; }
  void run_ended() noexcept override { ++ended; }
};

TEST(BasicReactor, TellsItsLoopWhenARunBeginsAndEnds) {
  OpenReactor reactor;
  for (int time = 1; time <= 2; ++time) {
    reactor.call_when_running([&] {
      EXPECT_EQ(reactor.begun, time);
      EXPECT_EQ(reactor.ended, time - 1);
      reactor.stop();
    });
    reactor.run();
    EXPECT_EQ(reactor.ended, time);
  }
}

// Notes how long it would wait.
class NotingReactor final : public testing::MemoryReactor {
 public:
  std::optional<TimePoint> waited_until;

 private:
  void wait(std::optional<TimePoint> until) override { waited_until = until; }
};

TEST(BasicReactor, WaitsInASingleRoundOnlyWhenItHasDoneNothing) {
  NotingReactor reactor;
  reactor.call_later(Duration::zero(), [] {});
  reactor.run_once(1h);
  EXPECT_EQ(reactor.waited_until, reactor.now());
  reactor.run_once(1h);
  EXPECT_EQ(reactor.waited_until, reactor.now() + 1h);
  reactor.call_from_thread([] {});
  reactor.run_once(1h);
  EXPECT_EQ(reactor.waited_until, reactor.now());
}

TEST(BasicReactor, EndsAtOnceWhenItCrashes) {
  OpenReactor reactor;
  bool shut_down = false;
  reactor.add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] { shut_down = true; });
  reactor.call_when_running([&] { reactor.crash(); });
  reactor.run();
  EXPECT_FALSE(shut_down);
  EXPECT_FALSE(reactor.running());
}

TEST(BasicReactor, StopsInOrderAtTheFirstInterruptAndAtOnceAtTheSecond) {
  const testing::LogCapture log;
  OpenReactor reactor;
  Promise<void> never;
  std::string order;
  reactor.add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    order += "before ";
    reactor.call_later(1s, [&] { reactor.interrupted(); });
    return never.deferred();
  });
  reactor.add_system_event_trigger(Phase::after, SystemEvent::shutdown, [&] { order += "after"; });
  reactor.call_when_running([&] { reactor.interrupted(); });
  const auto begin = reactor.now();
  reactor.run();
  EXPECT_EQ(order, "before ");
  EXPECT_EQ(reactor.now() - begin, 1s);
  EXPECT_TRUE(log.contains("Interrupted while stopping"));
  never.callback();
}

TEST(BasicReactor, IgnoresAnInterruptWhileItDoesNotRun) {
  OpenReactor reactor;
  reactor.interrupted();
  EXPECT_FALSE(reactor.running());
}

TEST(BasicReactor, EndsWithinItsDeadlineWhenATriggerDoesNot) {
  const testing::LogCapture log;
  OpenReactor reactor;
  reactor.set_shutdown_deadline(3s);
  Promise<void> never;
  reactor.add_system_event_trigger(Phase::during, SystemEvent::shutdown,
                                   [&] { return never.deferred(); });
  reactor.call_when_running([&] { reactor.stop(); });
  const auto begin = reactor.now();
  reactor.run();
  EXPECT_EQ(reactor.now() - begin, 3s);
  EXPECT_TRUE(log.contains("deadline"));
  never.callback();
}

TEST(BasicReactor, ForgetsAStopFromAThreadThatCameWhileItDidNotRun) {
  OpenReactor reactor;
  reactor.stop_from_thread();
  bool ran = false;
  reactor.call_later(1s, [&] {
    ran = true;
    reactor.stop();
  });
  reactor.run();
  EXPECT_TRUE(ran);
}

TEST(BasicReactor, KnowsWhetherSignalsShallStopIt) {
  OpenReactor reactor;
  reactor.set_stop_on_signals(true);
  EXPECT_TRUE(reactor.stops_on_signals());
  reactor.set_stop_on_signals(false);
  EXPECT_FALSE(reactor.stops_on_signals());
}

TEST(BasicReactor, RefusesNoResolver) {
  OpenReactor reactor;
  EXPECT_THROW(reactor.set_resolver(nullptr), InvalidArgument);
}

TEST(BasicReactor, FailsWhatAThreadOwesWhenItEnds) {
  const testing::LogCapture log;
  std::promise<void> open;
  std::promise<void> begun;
  auto reactor = std::make_unique<OpenReactor>();
  reactor->set_shutdown_deadline(10ms);
  auto result = defer_to_thread(*reactor, [&begun, opened = open.get_future()] {
    begun.set_value();
    opened.wait();
    return 1;
  });
  begun.get_future().wait();
  reactor.reset();
  EXPECT_TRUE(log.contains("did not end in time"));
  testing::failure_result_of<NotRunningError>(std::move(result));
  open.set_value();
}

}  // namespace
}  // namespace weft
