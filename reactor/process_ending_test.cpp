#include "../framework/error.hpp"
#include "../framework/process.hpp"
#include "../framework/turn.hpp"
#include "../testing/log_capture.hpp"
#include "process_test.hpp"

#include <csignal>
#include <stdexcept>

namespace weft::testing {
namespace {

class ProcessEnding : public Processes {};

TEST_P(ProcessEnding, TellsTheExitCode) {
  const auto protocol = spawn(child_that({"exit", "42"}));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->exit_code(), 42);
  EXPECT_EQ(protocol->end->text(), "exited with code 42");
  EXPECT_FALSE(protocol->end->succeeded());
  EXPECT_EQ(protocol->child().status(), protocol->end);
}

TEST_P(ProcessEnding, TellsOfTheExitAndTheEndOnceEachEvenIfItIsThrownAt) {
  const LogCapture log;
  const auto protocol = spawn(child_that({"say", "last words"}));
  protocol->on_exit = [](NotingProcess&) { throw std::runtime_error("exited"); };
  protocol->on_end = [](NotingProcess&) { throw std::runtime_error("ended"); };
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[1], "last words");
  EXPECT_EQ(std::count(protocol->events.begin(), protocol->events.end(), "exited"), 1);
  EXPECT_EQ(std::count(protocol->events.begin(), protocol->events.end(), "ended"), 1);
  EXPECT_TRUE(log.contains("process_exited"));
  EXPECT_TRUE(log.contains("process_ended"));
}

TEST_P(ProcessEnding, ClosesThePipeWhoseCallbackThrowsAndNoOther) {
  const LogCapture log;
  auto options = child_that({"copy", "0", "2"});
  const auto protocol = spawn(options);
  protocol->on_data = [](NotingProcess&) { throw std::runtime_error("no"); };
  protocol->child().write("something");
  EXPECT_TRUE(spin_until([&] { return protocol->noted("lost 2"); }));
  EXPECT_FALSE(protocol->noted("lost 1"));
  protocol->child().close_stdin();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessEnding, ComesToAChildWhoseProtocolThrowsAsItIsMade) {
  const LogCapture log;
  const auto protocol = std::make_shared<NotingProcess>();
  protocol->on_made = [](NotingProcess&) { throw std::runtime_error("no"); };
  spawn(protocol, child_that({"wait"}));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), killed);
}

TEST_P(ProcessEnding, ComesAfterTheExitWhenAGrandchildHoldsAPipe) {
  const auto protocol = spawn(child_that({"grandchild"}));
  ASSERT_TRUE(spin_until([&] { return protocol->exit.has_value(); }));
  EXPECT_EQ(protocol->exit->exit_code(), 3);
  EXPECT_FALSE(protocol->end);
  protocol->child().close_stdin();
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[1], "late");
}

TEST_P(ProcessEnding, WaitsNoLongerForAGrandchildThanTheDrainGrace) {
  auto options = child_that({"grandchild"});
  options.drain_grace = Duration::zero();
  const auto protocol = spawn(options);
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->exit_code(), 3);
}

TEST_P(ProcessEnding, WaitsForAChildThatClosedItsPipesEarly) {
  const auto protocol = spawn(child_that({"close-early"}));
  EXPECT_TRUE(spin_until([&] { return protocol->noted("lost 1") && protocol->noted("lost 2"); }));
  EXPECT_FALSE(protocol->exit);
  protocol->child().close_stdin();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessEnding, LeavesTheWriterOfADeadChildTold) {
  const auto protocol = spawn(child_that({"exit", "0"}));
  ASSERT_TRUE(ends(protocol));
  protocol->child().write("to nobody");
  protocol->child().close_stdin();
  protocol->child().lose_connection();
  EXPECT_FALSE(protocol->child().pipe(0).connected());
}

TEST_P(ProcessEnding, FollowsTheLossOfAllPipesWhereTheChildTakesThatForTheEnd) {
  const auto protocol = spawn(child_that({"cat"}));
  protocol->child().lose_connection();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessEnding, ComesBySignalsByNumberAndByName) {
  for (const char* const name : {"TERM", "SIGTERM"}) {
    const auto protocol = spawn(child_that({"wait"}));
    protocol->child().signal_process(name);
    ASSERT_TRUE(ends(protocol));
    EXPECT_EQ(protocol->end->signal(), SIGTERM);
  }
  const auto protocol = spawn(child_that({"wait"}));
  EXPECT_THROW(protocol->child().signal_process("NOSUCH"), InvalidArgument);
  EXPECT_THROW(protocol->child().signal_process(12345), InvalidArgument);
  protocol->child().signal_process(killed);
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessEnding, MakesSignalsAnErrorAndTerminateNothing) {
  const auto protocol = spawn(child_that({"exit", "0"}));
  ASSERT_TRUE(spin_until([&] { return protocol->exit.has_value(); }));
  EXPECT_THROW(protocol->child().signal_process("TERM"), ProcessExited);
  protocol->child().terminate();
  protocol->child().kill();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessEnding, ComesSoonerWhenSomebodyIsInMoreOfAHurry) {
  const auto protocol = spawn(child_that({"ignore-term"}));
  ASSERT_TRUE(says(protocol, "ready"));
  protocol->child().terminate(std::chrono::hours(1));
  protocol->child().terminate(std::chrono::milliseconds(1));
  protocol->child().terminate(std::chrono::hours(2));
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessEnding, ComesToTheWholeGroupEvenWhenItsLeaderGoesFirst) {
  auto options = child_that({"stubborn-grandchild"});
  options.process_group = ProcessOptions::Group::own_group;
  const auto protocol = spawn(options);
  ASSERT_TRUE(says(protocol, "ready"));
  protocol->child().terminate(std::chrono::milliseconds(5), Process::Reach::group);
  // Its pipes are closed only when the grandchild is gone as well.
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGTERM);
}

TEST_P(ProcessEnding, DoesNotComeToOurOwnGroup) {
  const auto protocol = spawn(child_that({"cat"}));
  EXPECT_THROW(protocol->child().terminate(std::nullopt, Process::Reach::group), InvalidArgument);
  protocol->child().close_stdin();
  EXPECT_TRUE(ends(protocol));
}

// ---- when the reactor stops

TEST_P(ProcessEnding, ComesWithTheConnectionsWhereTheApplicationHasItsOwnWayBefore) {
  auto options = child_that({"cat"});
  options.at_stop = ProcessOptions::AtStop::kill;
  const auto gentle = spawn(options);
  options.arguments = {"wait"};
  const auto stubborn = spawn(options);
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    auto over = std::make_shared<Promise<void>>();
    gentle->on_end = [over](NotingProcess&) { over->callback(); };
    gentle->child().close_stdin();
    return over->deferred();
  });
  reactor_->call_when_running([&] { reactor_->stop(); });
  reactor_->run();
  ASSERT_TRUE(gentle->end && stubborn->end);
  EXPECT_TRUE(gentle->end->succeeded());
  EXPECT_EQ(stubborn->end->signal(), killed);
}

TEST_P(ProcessEnding, ComesWithTheReactorsOwn) {
  const auto protocol = spawn(child_that({"wait"}));
  reactor_.reset();
  ASSERT_TRUE(protocol->end);
  EXPECT_EQ(protocol->end->signal(), killed);
}

TEST_P(ProcessEnding, IsNotHeldUpByAGrandchildAsTheReactorStops) {
  const auto protocol = spawn(child_that({"grandchild"}));
  protocol->on_exit = [&](NotingProcess&) { reactor_->stop(); };
  reactor_->set_shutdown_deadline(std::chrono::milliseconds(50));
  const LogCapture log;
  reactor_->run();
  EXPECT_TRUE(protocol->end);
}

INSTANTIATE_TEST_SUITE_P(Each, ProcessEnding, ::testing::ValuesIn(reactors_with_processes()),
                         reactor_of);

}  // namespace
}  // namespace weft::testing
