#include "string_process.hpp"

#include "../framework/error.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

class Shouter : public ProcessProtocol {
 public:
  void connection_made() override { process().write("made"); }
  void out_received(BytesView data) override { heard += data.text(); }
  void err_received(BytesView) override { process().terminate(); }
  void child_connection_lost(int descriptor) override {
    events.push_back("lost " + std::to_string(descriptor));
  }
  void process_exited(const ProcessStatus&) override { events.emplace_back("exited"); }
  void process_ended(const ProcessStatus& status) override { events.push_back(status.text()); }
  void pause_writing(int) override { events.emplace_back("pause"); }

  std::string heard;
  std::vector<std::string> events;
};

class StringProcesses : public ::testing::Test {
 protected:
  std::shared_ptr<Shouter> protocol_ = std::make_shared<Shouter>();
  std::shared_ptr<StringProcess> child_ = spawn(protocol_);
};

TEST_F(StringProcesses, KeepWhatIsWrittenAndDeliverWhatTheTestSays) {
  EXPECT_EQ(child_->written(), "made");
  child_->deliver(1, "hello");
  EXPECT_EQ(protocol_->heard, "hello");
  EXPECT_THROW(child_->write(1, "upstream"), InvalidArgument);
  EXPECT_THROW(child_->write(7, "nowhere"), InvalidArgument);
}

TEST_F(StringProcesses, TellTheExitThePipesAndThenTheEnd) {
  child_->exit(ProcessStatus::exited(3));
  const std::vector<std::string> events{"exited", "lost 0", "lost 1", "lost 2",
                                        "exited with code 3"};
  EXPECT_EQ(protocol_->events, events);
  EXPECT_THROW(child_->signal_process(SIGTERM), ProcessExited);
}

TEST_F(StringProcesses, EndOnlyWhenWhatHoldsTheirPipesLetsGo) {
  child_->exit_alone(ProcessStatus::exited(0));
  child_->close(0);
  child_->close(2);
  child_->deliver(1, "late");
  EXPECT_EQ(protocol_->events.back(), "lost 2");
  child_->close(1);
  EXPECT_EQ(protocol_->events.back(), "exited with code 0");
  EXPECT_EQ(protocol_->heard, "late");
}

TEST_F(StringProcesses, AreKilledWhenTheGraceOfTerminateIsOver) {
  child_->deliver(2, "trouble");
  EXPECT_EQ(child_->signals(), std::vector<int>{SIGTERM});
  child_->manual_clock().advance(std::chrono::seconds(5));
  EXPECT_EQ(child_->status(), ProcessStatus::signalled(9));
}

TEST_F(StringProcesses, ShowThatTheirInputWasClosed) {
  EXPECT_FALSE(child_->closed(0));
  child_->close_stdin();
  EXPECT_TRUE(child_->closed(0));
  EXPECT_FALSE(child_->closed(1));
}

TEST_F(StringProcesses, HoldBackWritersWhileBlocked) {
  child_->string_transport(0).set_blocked(true);
  child_->write(std::string(100'000, 'x'));
  child_->manual_clock().settle();
  EXPECT_EQ(protocol_->events, std::vector<std::string>{"pause"});
}

TEST_F(StringProcesses, EndWhenTheTestDropsThem) {
  child_.reset();
  EXPECT_EQ(protocol_->events.back(), ProcessStatus::signalled(9).text());
}

TEST(StringProcess, HasATerminalWhereThatIsAskedFor) {
  ProcessOptions options;
  options.terminal = TerminalSize{10, 20};
  const auto protocol = std::make_shared<Shouter>();
  const auto child = spawn(protocol, options);
  child->deliver(1, "prompt");
  EXPECT_EQ(protocol->heard, "prompt");
  child->set_terminal_size({30, 40});
  EXPECT_EQ(child->terminal_size(), (TerminalSize{30, 40}));
}

}  // namespace
}  // namespace weft::testing
