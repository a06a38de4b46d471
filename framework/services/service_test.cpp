#include "service.hpp"

#include "../../testing/log_capture.hpp"
#include "../../testing/manual_clock.hpp"
#include "../../testing/memory_reactor.hpp"
#include "../../testing/results.hpp"
#include "multi_service.hpp"
#include "timer_service.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::failure_result_of;
using testing::has_no_result;
using testing::success_result_of;

// Writes down what is asked of it, and takes as long over each step as the test wants.
class Scripted : public Service {
 public:
  Scripted(std::string name, std::string& log) : Service(std::move(name)), log_(log) {}
  /// That step ("prepare", "start", "stop") waits for `end`.
  void hold(const std::string& step) { held_.insert_or_assign(step, std::nullopt); }
  void fail(const std::string& step) { failing_ = step; }
  void end(const std::string& step, const Outcome<void>& outcome = {}) {
    auto promise = std::move(*held_.at(step));
    held_.erase(step);
    if (!promise.fired()) promise.fire(outcome);
  }

 private:
  Deferred<void> step(const std::string& what) {
    log_ += what + ' ' + name() + ", ";
    if (failing_ == what) throw std::runtime_error("no " + what);
    const auto held = held_.find(what);
    if (held == held_.end()) return succeed();
    held->second.emplace([this, what] { log_ += "cancel " + what + ' ' + name() + ", "; });
    return held->second->deferred();
  }
  Deferred<void> privileged_start() override { return step("prepare"); }
  Deferred<void> start() override { return step("start"); }
  Deferred<void> stop() override { return step("stop"); }
  void abort() override { log_ += "abort " + name() + ", "; }

  std::string& log_;
  std::string failing_;
  std::map<std::string, std::optional<Promise<void>>> held_;
};

struct OneService : ::testing::Test {
  std::string log;
  std::shared_ptr<Scripted> service = std::make_shared<Scripted>("a", log);
};

TEST_F(OneService, DoesItsPrivilegedStartBeforeItsStart) {
  EXPECT_EQ(service->state(), ServiceState::stopped);
  success_result_of(service->start_service());
  EXPECT_TRUE(service->running());
  success_result_of(service->stop_service());
  EXPECT_EQ(log, "prepare a, start a, stop a, ");
  EXPECT_EQ(service->state(), ServiceState::stopped);
}

TEST_F(OneService, DoesNotRepeatAPrivilegedStart) {
  success_result_of(service->privileged_start_service());
  EXPECT_EQ(service->state(), ServiceState::prepared);
  success_result_of(service->start_service());
  EXPECT_EQ(log, "prepare a, start a, ");
}

TEST_F(OneService, IsStoppedAfterAPrivilegedStartAlone) {
  success_result_of(service->privileged_start_service());
  success_result_of(service->stop_service());
  EXPECT_EQ(log, "prepare a, stop a, ");
}

TEST_F(OneService, RefusesASecondStart) {
  service->hold("start");
  auto started = service->start_service();
  EXPECT_THROW(static_cast<void>(service->start_service()), AlreadyRunningError);
  EXPECT_THROW(static_cast<void>(service->privileged_start_service()), AlreadyRunningError);
  service->end("start");
  success_result_of(std::move(started));
  EXPECT_THROW(static_cast<void>(service->start_service()), AlreadyRunningError);
}

TEST_F(OneService, UndoesAStartThatFailed) {
  for (const auto* const step : {"prepare", "start"}) {
    service->fail(step);
    const auto failure = failure_result_of<std::runtime_error>(service->start_service());
    EXPECT_EQ(failure.message(), std::string("no ") + step);
    EXPECT_EQ(service->state(), ServiceState::stopped);
  }
  EXPECT_EQ(log, "prepare a, stop a, prepare a, start a, stop a, ");
}

TEST_F(OneService, FailsToStartOnlyWhenItHasBeenUndone) {
  service->fail("start");
  service->hold("stop");
  auto started = service->start_service();
  EXPECT_TRUE(has_no_result(started));
  service->end("stop");
  failure_result_of<std::runtime_error>(std::move(started));
}

TEST_F(OneService, StoppedWhileItStartsCancelsTheStartAndUndoesIt) {
  for (const auto* const step : {"prepare", "start"}) {
    log.clear();
    service->hold(step);
    auto started = service->start_service();
    success_result_of(service->stop_service());
    failure_result_of<CancelledError>(std::move(started));
    EXPECT_TRUE(log.ends_with("cancel " + std::string(step) + " a, stop a, ")) << log;
    service->end(step);
  }
}

TEST(Service, StoppedInsideItsStartHasTheStartCancelled) {
  struct Fickle : Service {
    Deferred<void> start() override {
      stopped = stop_service();
      return never.deferred();
    }
    Promise<void> never;
    std::optional<Deferred<void>> stopped;
  };
  auto fickle = std::make_shared<Fickle>();
  failure_result_of<CancelledError>(fickle->start_service());
  success_result_of(std::move(*fickle->stopped));
  EXPECT_EQ(fickle->state(), ServiceState::stopped);
}

TEST_F(OneService, CancellingItsStartStopsIt) {
  service->hold("start");
  auto started = service->start_service();
  started.cancel();
  failure_result_of<CancelledError>(std::move(started));
  EXPECT_EQ(service->state(), ServiceState::stopped);
  EXPECT_EQ(log, "prepare a, start a, cancel start a, stop a, ");
}

TEST_F(OneService, TellsEverybodyWhoWaitsForItsStop) {
  service->hold("stop");
  success_result_of(service->stop_service());
  success_result_of(service->start_service());
  auto first = service->stop_service();
  auto second = service->stop_service();
  EXPECT_TRUE(has_no_result(first));
  service->end("stop");
  success_result_of(std::move(first));
  success_result_of(std::move(second));
  EXPECT_EQ(log, "prepare a, start a, stop a, ");
}

TEST_F(OneService, CountsAsStoppedWhenItsStopFailed) {
  success_result_of(service->start_service());
  service->fail("stop");
  failure_result_of<std::runtime_error>(service->stop_service());
  EXPECT_EQ(service->state(), ServiceState::stopped);
  success_result_of(service->start_service());
}

TEST_F(OneService, StartedWhileItStopsStartsAgainAfterwards) {
  service->hold("stop");
  success_result_of(service->start_service());
  auto stopped = service->stop_service();
  auto again = service->start_service();
  EXPECT_THROW(static_cast<void>(service->start_service()), AlreadyRunningError);
  EXPECT_TRUE(has_no_result(again));
  service->end("stop");
  success_result_of(std::move(stopped));
  success_result_of(std::move(again));
  EXPECT_TRUE(service->running());
  EXPECT_EQ(log, "prepare a, start a, stop a, prepare a, start a, ");
}

TEST_F(OneService, StoppedOnceMoreDoesNotStartAgain) {
  service->hold("stop");
  success_result_of(service->start_service());
  auto stopped = service->stop_service();
  auto again = service->start_service();
  auto for_good = service->stop_service();
  failure_result_of<CancelledError>(std::move(again));
  service->end("stop");
  success_result_of(std::move(stopped));
  success_result_of(std::move(for_good));
  EXPECT_EQ(service->state(), ServiceState::stopped);
}

TEST_F(OneService, StartedFirstBySomebodyElseStaysStoppedAfterItsNextStop) {
  service->hold("stop");
  success_result_of(service->start_service());
  std::optional<Deferred<void>> first;
  auto stopped = service->stop_service().add_callback([&] { first = service->start_service(); });
  auto second = service->start_service();
  service->end("stop");
  success_result_of(std::move(stopped));
  success_result_of(std::move(*first));
  failure_result_of<AlreadyRunningError>(std::move(second));
  success_result_of(service->stop_service());
  EXPECT_EQ(service->state(), ServiceState::stopped);
}

TEST_F(OneService, StoppedByWhoHearsOfItsStopDoesNotStartAgain) {
  service->hold("stop");
  success_result_of(service->start_service());
  auto stopped = service->stop_service().add_callback([&] { return service->stop_service(); });
  auto again = service->start_service();
  service->end("stop");
  success_result_of(std::move(stopped));
  failure_result_of<CancelledError>(std::move(again));
  EXPECT_EQ(service->state(), ServiceState::stopped);
}

TEST_F(OneService, MayHaveItsSecondStartCancelled) {
  service->hold("stop");
  success_result_of(service->start_service());
  auto stopped = service->stop_service();
  auto again = service->start_service();
  again.cancel();
  failure_result_of<CancelledError>(std::move(again));
  service->end("stop");
  success_result_of(std::move(stopped));
  EXPECT_EQ(service->state(), ServiceState::stopped);
}

TEST_F(OneService, IsAbortedWhileItStopsAndAtNoOtherTime) {
  service->hold("stop");
  service->abort_service();
  success_result_of(service->start_service());
  service->abort_service();
  auto stopped = service->stop_service();
  service->abort_service();
  service->end("stop");
  success_result_of(std::move(stopped));
  EXPECT_EQ(log, "prepare a, start a, stop a, abort a, ");
}

TEST(Service, HasTheStopCancelledThatItIsAbortedIn) {
  struct Endless : Service {
    Deferred<void> stop() override { return never.deferred(); }
    Promise<void> never;
  };
  auto endless = std::make_shared<Endless>();
  success_result_of(endless->start_service());
  auto stopped = endless->stop_service();
  endless->abort_service();
  failure_result_of<CancelledError>(std::move(stopped));
  EXPECT_EQ(endless->state(), ServiceState::stopped);
}

// ---- several

struct Several : ::testing::Test {
  std::string log;
  std::shared_ptr<MultiService> parent = std::make_shared<MultiService>("all");
  std::map<std::string, std::shared_ptr<Scripted>> services;

  void SetUp() override {
    for (const auto* const name : {"a", "b", "c"}) {
      services[name] = std::make_shared<Scripted>(name, log);
      success_result_of(parent->add_service(services[name]));
    }
  }
  void start() {
    success_result_of(parent->start_service());
    log.clear();
  }
};

TEST_F(Several, AreStartedInOrderWithAllPrivilegedStartsFirst) {
  success_result_of(parent->start_service());
  EXPECT_EQ(log, "prepare a, prepare b, prepare c, start a, start b, start c, ");
  for (const auto& [name, service] : services) {
    EXPECT_TRUE(service->running());
    EXPECT_EQ(service->parent(), parent.get());
    EXPECT_EQ(parent->service_named(name), service);
  }
  EXPECT_EQ(parent->service_named("d"), nullptr);
}

TEST_F(Several, AreStartedEachWhenTheOneBeforeRuns) {
  services["b"]->hold("prepare");
  services["a"]->hold("start");
  auto started = parent->start_service();
  EXPECT_EQ(log, "prepare a, prepare b, ");
  services["b"]->end("prepare");
  EXPECT_EQ(log, "prepare a, prepare b, prepare c, start a, ");
  EXPECT_TRUE(has_no_result(started));
  services["a"]->end("start");
  success_result_of(std::move(started));
}

TEST_F(Several, AreStoppedOneByOneInReverseOrder) {
  start();
  services["b"]->hold("stop");
  auto stopped = parent->stop_service();
  EXPECT_EQ(log, "stop c, stop b, ");
  services["b"]->end("stop");
  success_result_of(std::move(stopped));
  EXPECT_EQ(log, "stop c, stop b, stop a, ");
}

TEST_F(Several, MayBeStoppedAllAtOnceInReverseOrder) {
  parent.reset();
  auto at_once = multi_service("at once", {services["a"], services["b"], services["c"]},
                               StopOrder::all_at_once);
  success_result_of(at_once->start_service());
  log.clear();
  services["b"]->hold("stop");
  auto stopped = at_once->stop_service();
  EXPECT_EQ(log, "stop c, stop b, stop a, ");
  EXPECT_TRUE(has_no_result(stopped));
  services["b"]->end("stop");
  success_result_of(std::move(stopped));
}

TEST_F(Several, AreStoppedWhereTheyWereStartedWhenOneFails) {
  services["b"]->fail("start");
  const auto failure = failure_result_of<ServiceError>(parent->start_service());
  EXPECT_EQ(failure.message(), "The service \"b\" did not start: no start");
  EXPECT_NE(failure.check<ServiceError>()->cause().check<std::runtime_error>(), nullptr);
  EXPECT_EQ(log, "prepare a, prepare b, prepare c, start a, start b, stop b, stop c, stop a, ");
  EXPECT_EQ(parent->state(), ServiceState::stopped);
}

TEST_F(Several, AreStoppedWhenOneFailsItsPrivilegedStart) {
  services["b"]->fail("prepare");
  failure_result_of<ServiceError>(parent->start_service());
  EXPECT_EQ(log, "prepare a, prepare b, stop b, stop a, ");
}

TEST_F(Several, TellTheInnermostServiceThatFailed) {
  auto outer = std::make_shared<MultiService>();
  success_result_of(outer->add_service(parent));
  auto nameless = std::make_shared<Scripted>("", log);
  success_result_of(parent->add_service(nameless));
  nameless->fail("start");
  EXPECT_EQ(failure_result_of<ServiceError>(outer->start_service()).message(),
            "The service number 4 of \"all\" did not start: no start");
}

TEST_F(Several, CancelTheOneThatStartsWhenTheyAreStopped) {
  services["b"]->hold("start");
  auto started = parent->start_service();
  log.clear();
  success_result_of(parent->stop_service());
  failure_result_of<CancelledError>(std::move(started));
  EXPECT_EQ(log, "cancel start b, stop b, stop c, stop a, ");
}

TEST_F(Several, AreAllStoppedAlthoughOneFailsTo) {
  const testing::LogCapture capture;
  start();
  services["b"]->fail("stop");
  const auto failure = failure_result_of<ServiceError>(parent->stop_service());
  EXPECT_EQ(failure.message(), "The service \"b\" did not stop: no stop");
  EXPECT_EQ(log, "stop c, stop b, stop a, ");
  EXPECT_TRUE(capture.contains("The service \"b\" did not stop in order"));
  EXPECT_EQ(parent->state(), ServiceState::stopped);
}

TEST_F(Several, StartWhoIsAddedWhileTheyRun) {
  start();
  auto added = std::make_shared<Scripted>("d", log);
  success_result_of(parent->add_service(added));
  EXPECT_TRUE(added->running());
  EXPECT_EQ(log, "prepare d, start d, ");
}

TEST_F(Several, StartWhoIsAddedWhileTheyStart) {
  services["c"]->hold("start");
  auto started = parent->start_service();
  auto added = std::make_shared<Scripted>("d", log);
  success_result_of(parent->add_service(added));
  EXPECT_FALSE(added->running());
  services["c"]->end("start");
  success_result_of(std::move(started));
  EXPECT_TRUE(added->running());
}

TEST_F(Several, PrepareWhoIsAddedAfterThePrivilegedStart) {
  success_result_of(parent->privileged_start_service());
  auto added = std::make_shared<Scripted>("d", log);
  success_result_of(parent->add_service(added));
  EXPECT_EQ(added->state(), ServiceState::prepared);
}

TEST_F(Several, KeepWhoFailedToStartWhenAdded) {
  start();
  auto added = std::make_shared<Scripted>("d", log);
  added->fail("start");
  failure_result_of<std::runtime_error>(parent->add_service(added));
  EXPECT_TRUE(parent->running());
  EXPECT_EQ(added->parent(), parent.get());
  success_result_of(parent->stop_service());
}

TEST_F(Several, StopWhoIsRemoved) {
  start();
  services["b"]->hold("stop");
  auto removed = parent->remove_service(services["b"]);
  EXPECT_TRUE(has_no_result(removed));
  EXPECT_EQ(services["b"]->parent(), nullptr);
  EXPECT_EQ(parent->services().size(), 2U);
  services["b"]->end("stop");
  success_result_of(std::move(removed));
  EXPECT_TRUE(services["a"]->running());
}

TEST_F(Several, GoOnWithTheOthersWhenTheOneThatStartsIsRemoved) {
  services["a"]->hold("start");
  auto started = parent->start_service();
  success_result_of(parent->remove_service(services["a"]));
  success_result_of(std::move(started));
  EXPECT_FALSE(services["a"]->running());
  EXPECT_TRUE(services["b"]->running());
  EXPECT_TRUE(services["c"]->running());
}

TEST_F(Several, StopTheRestWhenOneIsRemovedMeanwhile) {
  start();
  services["c"]->hold("stop");
  auto stopped = parent->stop_service();
  success_result_of(parent->remove_service(services["a"]));
  services["c"]->end("stop");
  success_result_of(std::move(stopped));
  EXPECT_EQ(log, "stop c, stop a, stop b, ");
}

TEST_F(Several, LeaveAloneWhoRunsAlready) {
  success_result_of(services["b"]->start_service());
  log.clear();
  success_result_of(parent->start_service());
  EXPECT_EQ(log, "prepare a, prepare c, start a, start c, ");
}

TEST_F(Several, WaitForOneThatIsStartingAlready) {
  services["b"]->hold("start");
  auto own = services["b"]->start_service();
  log.clear();
  auto started = parent->start_service();
  EXPECT_TRUE(has_no_result(started));
  services["b"]->end("start");
  success_result_of(std::move(own));
  success_result_of(std::move(started));
  EXPECT_EQ(log, "prepare a, prepare c, start a, start c, ");
}

TEST_F(Several, WaitForOneThatIsPreparedAlreadyAndStartIt) {
  success_result_of(parent->privileged_start_service());
  success_result_of(services["b"]->stop_service());
  services["b"]->hold("prepare");
  auto own = services["b"]->privileged_start_service();
  log.clear();
  auto started = parent->start_service();
  EXPECT_EQ(log, "start a, ");
  services["b"]->end("prepare");
  success_result_of(std::move(own));
  success_result_of(std::move(started));
  EXPECT_EQ(log, "start a, start b, start c, ");
}

TEST_F(Several, FailWithOneThatWasStartingAlready) {
  services["b"]->hold("start");
  auto own = services["b"]->start_service();
  auto started = parent->start_service();
  services["b"]->end("start", make_failure<TimeoutError>("too late"));
  failure_result_of<TimeoutError>(std::move(own));
  EXPECT_EQ(failure_result_of<ServiceError>(std::move(started)).message(),
            "The service \"b\" did not start: too late");
  EXPECT_EQ(parent->state(), ServiceState::stopped);
}

TEST_F(Several, AreAbortedWithThoseThatAreStoppedLater) {
  start();
  services["c"]->hold("stop");
  services["a"]->hold("stop");
  auto stopped = parent->stop_service();
  parent->abort_service();
  services["c"]->end("stop");
  EXPECT_EQ(log, "stop c, abort c, stop b, stop a, abort a, ");
  services["a"]->end("stop");
  success_result_of(std::move(stopped));
}

TEST_F(Several, RefuseWhoCannotBeAdded) {
  EXPECT_THROW(static_cast<void>(parent->add_service(nullptr)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(parent->add_service(services["a"])), InvalidArgument);
  EXPECT_THROW(static_cast<void>(parent->add_service(parent)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(parent->add_service(std::make_shared<Scripted>("a", log))),
               InvalidArgument);
  auto outer = std::make_shared<MultiService>();
  success_result_of(outer->add_service(parent));
  EXPECT_THROW(static_cast<void>(parent->add_service(outer)), InvalidArgument);
  auto other = std::make_shared<Scripted>("d", log);
  EXPECT_THROW(static_cast<void>(parent->remove_service(other)), InvalidArgument);
}

TEST_F(Several, HaveNoParentOnceItIsGone) {
  parent.reset();
  EXPECT_EQ(services["a"]->parent(), nullptr);
}

TEST_F(Several, AreStartedAndStoppedByThousandsWithoutGrowingTheStack) {
  for (int i = 0; i < 10'000; ++i)
    success_result_of(parent->add_service(std::make_shared<MultiService>()));
  services["a"]->hold("start");
  auto started = parent->start_service();
  services["a"]->end("start");
  success_result_of(std::move(started));
  success_result_of(parent->stop_service());
}

// ---- a timer

struct ATimer : ::testing::Test {
  testing::ManualClock clock;
  int calls = 0;
};

TEST_F(ATimer, CallsAtItsStartAndEachIntervalUntilItsStop) {
  auto timer = std::make_shared<TimerService>(clock, 10ms, [this] { ++calls; });
  success_result_of(timer->start_service());
  EXPECT_EQ(calls, 1);
  clock.advance(20ms);
  EXPECT_EQ(calls, 3);
  success_result_of(timer->stop_service());
  clock.advance(1s);
  EXPECT_EQ(calls, 3);
  success_result_of(timer->start_service());
  EXPECT_EQ(calls, 4);
  success_result_of(timer->stop_service());
}

TEST_F(ATimer, WaitsAtItsStopForTheCallInFlight) {
  Promise<void> call;
  auto timer = std::make_shared<TimerService>(clock, 10ms, [&] { return call.deferred(); });
  success_result_of(timer->start_service());
  auto stopped = timer->stop_service();
  EXPECT_TRUE(has_no_result(stopped));
  call.callback();
  success_result_of(std::move(stopped));
}

TEST_F(ATimer, CancelsTheCallInFlightWhenItsTimeIsUp) {
  bool cancelled = false;
  Promise<void> call([&] { cancelled = true; });
  auto timer = std::make_shared<TimerService>(clock, 10ms, [&] { return call.deferred(); });
  success_result_of(timer->start_service());
  auto stopped = timer->stop_service();
  timer->abort_service();
  EXPECT_TRUE(cancelled);
  success_result_of(std::move(stopped));
  EXPECT_FALSE(timer->failure());
}

TEST_F(ATimer, LogsAndTellsWhatItsFunctionThrewAndCallsNoMore) {
  const testing::LogCapture log;
  auto timer = std::make_shared<TimerService>(
      clock, 10ms,
      [this] {
        if (++calls == 2) throw std::runtime_error("clumsy");
      },
      "tick");
  std::string told;
  timer->set_on_failure([&](const Failure& failure) { told = failure.message(); });
  success_result_of(timer->start_service());
  clock.advance(1s);
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(told, "clumsy");
  EXPECT_EQ(timer->failure()->message(), "clumsy");
  EXPECT_TRUE(log.contains("The timer \"tick\" failed, and calls no more: clumsy"));
  EXPECT_TRUE(timer->running());
  success_result_of(timer->stop_service());
  success_result_of(timer->start_service());
  EXPECT_FALSE(timer->failure());
  EXPECT_EQ(calls, 3);
  success_result_of(timer->stop_service());
}

TEST_F(ATimer, WithoutAClockTakesTheReactorThatStartsIt) {
  auto timer = std::make_shared<TimerService>(1s, [this] { ++calls; });
  failure_result_of<NoReactorError>(timer->start_service());
  testing::MemoryReactor reactor;
  reactor.call_later(Duration::zero(), [&] { success_result_of(timer->start_service()); });
  reactor.advance(2s);
  EXPECT_EQ(calls, 3);
  success_result_of(timer->stop_service());
}

TEST_F(ATimer, RefusesANegativeInterval) {
  EXPECT_THROW(TimerService(clock, -1ms, [] {}), InvalidArgument);
}

}  // namespace
}  // namespace weft
