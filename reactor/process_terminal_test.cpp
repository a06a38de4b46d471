#include "../testing/accumulating_protocol.hpp"
#include "../transports/process_stream.hpp"
#include "process_test.hpp"

#include <csignal>

namespace weft::testing {
namespace {

using ::testing::HasSubstr;

class ProcessTerminal : public Processes {
 protected:
  static ProcessOptions on_terminal(std::vector<std::string> does) {
    auto options = child_that(std::move(does));
    options.terminal = TerminalSize{17, 93};
    return options;
  }
};

TEST_P(ProcessTerminal, ControlsTheChildAndHasTheSizeThatItIsGiven) {
  EXPECT_EQ(output_of(on_terminal({"on-terminal"})), "17x93\r\n");
}

TEST_P(ProcessTerminal, EchoesWhatIsTypedAndTellsTheEndOfInput) {
  const auto protocol = spawn(on_terminal({"cat"}));
  protocol->child().write("typed\n");
  ASSERT_TRUE(says(protocol, "typed\r\ntyped\r\n"));
  protocol->child().close_stdin();
  ASSERT_TRUE(ends(protocol));
  EXPECT_TRUE(protocol->end->succeeded());
}

TEST_P(ProcessTerminal, TellsTheChildOfANewSize) {
  const auto protocol = spawn(on_terminal({"size"}));
  ASSERT_TRUE(says(protocol, "ready"));
  EXPECT_EQ(protocol->child().terminal_size(), (TerminalSize{17, 93}));
  protocol->child().set_terminal_size({50, 132});
  EXPECT_TRUE(says(protocol, "50x132"));
  EXPECT_EQ(protocol->child().terminal_size(), (TerminalSize{50, 132}));
  protocol->child().kill();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessTerminal, InterruptsTheChildByItsCharacter) {
  const auto protocol = spawn(on_terminal({"ready"}));
  ASSERT_TRUE(says(protocol, "ready"));
  protocol->child().write("\x03");
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGINT);
}

TEST_P(ProcessTerminal, HangsUpWhenItIsClosed) {
  const auto protocol = spawn(on_terminal({"ready"}));
  ASSERT_TRUE(says(protocol, "ready"));
  protocol->child().lose_connection();
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGHUP);
  protocol->child().set_terminal_size({1, 1});
}

TEST_P(ProcessTerminal, HasFurtherDescriptorsBesideIt) {
  auto options = on_terminal({"copy", "0", "5"});
  options.descriptors.emplace(5, ChildDescriptor::from_child());
  const auto protocol = spawn(options);
  protocol->child().write("aside\n");
  EXPECT_TRUE(spin_until([&] { return protocol->said[5] == "aside\n"; }));
  protocol->child().close_stdin();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(ProcessTerminal, CarriesAnOrdinaryProtocol) {
  const auto protocol = std::make_shared<AccumulatingProtocol>();
  const auto child = spawn_stream(*reactor_, on_terminal({"cat"}), protocol);
  protocol->way().write("hello\n");
  EXPECT_TRUE(spin_until([&] { return protocol->data == "hello\r\nhello\r\n"; }));
  child->close_stdin();
  EXPECT_TRUE(spin_until([&] { return protocol->lost_with<ConnectionDone>(); }));
}

INSTANTIATE_TEST_SUITE_P(Each, ProcessTerminal, ::testing::ValuesIn(reactor_names()), reactor_of);

}  // namespace
}  // namespace weft::testing
