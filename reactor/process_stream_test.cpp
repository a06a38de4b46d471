#include "../transports/process_stream.hpp"

#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "process_test.hpp"

#include <csignal>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

#ifdef _WIN32
// It has no ears for anything.
constexpr int end_of_the_stubborn = SIGTERM;
#else
constexpr int end_of_the_stubborn = SIGKILL;
#endif

class ProcessStream : public Processes {
 protected:
  std::shared_ptr<Process> open(const ProcessOptions& options) {
    return spawn_stream(*reactor_, options, protocol_);
  }
  [[nodiscard]] bool lost() {
    return spin_until([this] { return protocol_->lost(); });
  }
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
};

TEST_P(ProcessStream, CarriesAProtocolAndEndsInOrderWhenTheProgramDoes) {
  open(child_that({"cat"}));
  protocol_->way().write("there and back");
  ASSERT_TRUE(spin_until([this] { return protocol_->data == "there and back"; }));
  protocol_->way().lose_write_connection();
  ASSERT_TRUE(lost());
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
  EXPECT_EQ(protocol_->events, (std::vector<std::string>{"made", "data", "eof", "lost"}));
}

TEST_P(ProcessStream, IsLostForTheStatusThatTheProgramEndedWith) {
  const LogCapture log;
  const auto child = open(child_that({"complain", "badly\n"}));
  ASSERT_TRUE(lost());
  ASSERT_TRUE(protocol_->lost_with<ProcessFailed>());
  EXPECT_EQ(protocol_->reason->check<ProcessFailed>()->status().exit_code(), 7);
  EXPECT_EQ(child->status(), ProcessStatus::exited(7));
}

TEST_P(ProcessStream, LogsStandardErrorLineByLineUnlessItGoesElsewhere) {
  const LogCapture log;
  open(child_that({"complain", "one\ntwo"}));
  ASSERT_TRUE(lost());
  // The last of it may come after the program's exit.
  EXPECT_TRUE(spin_until([&] { return log.contains("says: one") && log.contains("says: two"); }));
  auto merged = child_that({"complain", "merged"});
  merged.descriptors.insert_or_assign(2, ChildDescriptor::same_as(1));
  protocol_ = std::make_shared<AccumulatingProtocol>();
  open(merged);
  ASSERT_TRUE(lost());
  EXPECT_EQ(protocol_->data, "merged");
}

TEST_P(ProcessStream, EndsAProgramThatDoesNotEndWithItsInput) {
  auto options = child_that({"ignore-term"});
  options.grace = std::chrono::milliseconds(1);
  open(options);
  ASSERT_TRUE(spin_until([this] { return protocol_->data == "ready\n"; }));
  protocol_->way().lose_connection();
  ASSERT_TRUE(lost());
  ASSERT_TRUE(protocol_->lost_with<ProcessFailed>());
  EXPECT_EQ(protocol_->reason->check<ProcessFailed>()->status().signal(), end_of_the_stubborn);
}

TEST_P(ProcessStream, KillsTheProgramWhenItIsAbortedAndKeepsTheReason) {
  const auto child = open(child_that({"wait"}));
  protocol_->way().abort_connection();
  ASSERT_TRUE(lost());
  EXPECT_TRUE(protocol_->lost_with<ConnectionAborted>());
  EXPECT_EQ(child->status(), ProcessStatus::signalled(killed));
}

TEST_P(ProcessStream, ThrowsWhenTheProgramCannotBeRun) {
  EXPECT_THROW(open({"/no/such/program"}), SpawnError);
  EXPECT_THROW(spawn_stream(*reactor_, child_that({"cat"}), nullptr), InvalidArgument);
}

TEST_P(ProcessStream, IsLostAsItsReactorEnds) {
  open(child_that({"wait"}));
  reactor_.reset();
  EXPECT_TRUE(protocol_->lost_with<ConnectionLost>());
}

TEST_P(ProcessStream, IsLostOnceWhenItsProgramEndsWithAShutdown) {
  int losses = 0;
  protocol_->on_lost = [&](auto&) { ++losses; };
  open(child_that({"cat"}));
  reactor_->call_when_running([this] { reactor_->stop(); });
  reactor_->run();
  EXPECT_EQ(losses, 1);
}

TEST_P(ProcessStream, HoldsUpNoShutdownWhenItsFactoryRefuses) {
  const LogCapture log;
  const std::function<std::shared_ptr<Protocol>()> refusals[] = {
      [] { return nullptr; },
      []() -> std::shared_ptr<Protocol> { throw std::runtime_error("not today"); }};
  for (const auto& refuse : refusals) {
    for (const bool terminal : {false, true}) {
      auto options = child_that({"cat"});
      if (terminal) options.terminal = TerminalSize();
      auto refused = connect_process(*reactor_, options, factory_from(refuse));
      ASSERT_TRUE(spin_until([&] { return refused.ready(); }));
      static_cast<void>(failure_result_of(std::move(refused)));
    }
  }
  reactor_->set_shutdown_deadline(std::chrono::seconds(1));
  reactor_->call_when_running([this] { reactor_->stop(); });
  reactor_->run();
  EXPECT_FALSE(log.contains("did not end within its deadline"));
}

INSTANTIATE_TEST_SUITE_P(Each, ProcessStream, ::testing::ValuesIn(reactors_with_processes()),
                         reactor_of);

}  // namespace
}  // namespace weft::testing
