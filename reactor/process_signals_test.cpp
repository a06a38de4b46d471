#include "../testing/log_capture.hpp"
#include "process_test.hpp"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::testing {
namespace {

class ProcessSignals : public Processes {};

TEST_P(ProcessSignals, AreToldWhereTheyEndedAProcess) {
  const auto protocol = spawn(child_that({"signal", std::to_string(SIGUSR1)}));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGUSR1);
  EXPECT_EQ(protocol->end->exit_code(), std::nullopt);
  EXPECT_EQ(protocol->end->text(), "was ended by SIGUSR1");
  EXPECT_EQ(protocol->child().status(), protocol->end);
}

TEST_P(ProcessSignals, AreSentByNumber) {
  const auto protocol = spawn(child_that({"wait"}));
  protocol->child().signal_process(SIGUSR2);
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGUSR2);
}

TEST_P(ProcessSignals, AskForAnEndThatLeavesTimeForLastWords) {
  const auto protocol = spawn(child_that({"say-bye"}));
  ASSERT_TRUE(says(protocol, "ready"));
  protocol->child().terminate();
  ASSERT_TRUE(ends(protocol));
  EXPECT_TRUE(protocol->end->succeeded());
  EXPECT_EQ(protocol->said[1], "ready\nbye");
}

TEST_P(ProcessSignals, AreFollowedByKillWhereTermIsIgnored) {
  const auto protocol = spawn(child_that({"ignore-term"}));
  ASSERT_TRUE(says(protocol, "ready"));
  protocol->child().terminate(std::chrono::milliseconds(1));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGKILL);
}

TEST_P(ProcessSignals, LeaveTheChildrenOfOthersAlone) {
  const auto foreign = ::fork();
  if (foreign == 0) ::_exit(17);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(foreign), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(output_of(child_that({"say", "ours"})), "ours");
  int status = 0;
  EXPECT_EQ(::waitpid(foreign, &status, WNOHANG), foreign);
  EXPECT_EQ(WEXITSTATUS(status), 17);
}

TEST_P(ProcessSignals, AreUnknownWhenTheSystemReapsByItself) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  const auto protocol = spawn(child_that({"say", "unheard"}));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end, ProcessStatus::unknown());
  EXPECT_EQ(protocol->said[1], "unheard");
  std::signal(SIGCHLD, before);
}

TEST_P(ProcessSignals, AreHandledByNobodyOfOurs) {
  struct sigaction before {};
  ::sigaction(SIGCHLD, nullptr, &before);
  const auto protocol = spawn(child_that({"exit", "0"}));
  struct sigaction after {};
  ::sigaction(SIGCHLD, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessSignals, AreSentAsTheReactorStopsAndTheLastOutputIsKept) {
  const auto protocol = spawn(child_that({"say-bye"}));
  protocol->on_data = [&](NotingProcess& told) {
    if (told.said[1] == "ready\n") reactor_->stop();
  };
  reactor_->run();
  EXPECT_EQ(protocol->said[1], "ready\nbye");
  ASSERT_TRUE(protocol->end);
  EXPECT_TRUE(protocol->end->succeeded());
}

TEST_P(ProcessSignals, AreFollowedByKillAfterTheGraceAsTheReactorStops) {
  auto options = child_that({"ignore-term"});
  options.grace = std::chrono::milliseconds(1);
  const auto protocol = spawn(options);
  protocol->on_data = [&](NotingProcess&) { reactor_->stop(); };
  reactor_->run();
  ASSERT_TRUE(protocol->end);
  EXPECT_EQ(protocol->end->signal(), SIGKILL);
}

TEST_P(ProcessSignals, AreFollowedByKillAtTheDeadlineOfTheShutdown) {
  const LogCapture log;
  const auto protocol = spawn(child_that({"ignore-term"}));
  reactor_->set_shutdown_deadline(std::chrono::milliseconds(1));
  protocol->on_data = [&](NotingProcess&) { reactor_->stop(); };
  reactor_->run();
  ASSERT_TRUE(protocol->end);
  EXPECT_EQ(protocol->end->signal(), SIGKILL);
}

INSTANTIATE_TEST_SUITE_P(Each, ProcessSignals, ::testing::ValuesIn(reactor_names()), reactor_of);

}  // namespace
}  // namespace weft::testing
