#include "../framework/process_output.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/results.hpp"
#include "../transports/detail/owned_handle.hpp"
#include "../transports/endpoints.hpp"
#include "../transports/process_stream.hpp"
#include "process_test.hpp"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <io.h>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using ::testing::HasSubstr;

class WindowsProcesses : public Processes {
 protected:
  template <class E>
  std::string refusal(const ProcessOptions& options) {
    try {
      static_cast<void>(reactor_->spawn_process(std::make_shared<NotingProcess>(), options));
    } catch (const E& error) {
      return error.what();
    }
    return "";
  }
};

std::string in_temporary_folder(const std::string& name) {
  char folder[MAX_PATH] = "";
  ::GetTempPathA(sizeof folder, folder);
  return folder + std::to_string(::GetCurrentProcessId()) + name;
}

// A file that is there while this is.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& content)
      : path(in_temporary_folder(name)) {
    std::ofstream(path, std::ios::binary) << content;
  }
  ~TemporaryFile() { ::DeleteFileA(path.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string path;
};

// ---- what they are given

TEST_P(WindowsProcesses, GetTheirArgumentsByEitherWayOfTakingACommandLineApart) {
  const std::vector<std::string> arguments{"",
                                           " a b ",
                                           R"(C:\dir\)",
                                           R"(C:\a dir\)",
                                           R"(")",
                                           R"(\")",
                                           R"(a\\"b" c)",
                                           "*",
                                           "a?",
                                           "%PATH% & ^",
                                           "\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80",
                                           "tab\t\nline",
                                           "'"};
  for (const char* const taken_apart_by : {"arguments", "shell-arguments"}) {
    auto options = child_that({taken_apart_by});
    options.called = "another name";
    std::string expected = *options.called + '\0' + taken_apart_by + '\0';
    for (const auto& argument : arguments) {
      options.arguments.push_back(argument);
      expected += argument + '\0';
    }
    EXPECT_EQ(output_of(options), expected);
  }
}

TEST_P(WindowsProcesses, GetVariablesOfAnyAlphabet) {
  auto options = child_that({"environment"});
  options.environment.emplace().emplace(
      "\xC3\x96"
      "DD",
      "\xE2\x82\xAC=1");
  EXPECT_THAT(output_of(options), HasSubstr("\xC3\x96"
                                            "DD=\xE2\x82\xAC=1"));
}

TEST_P(WindowsProcesses, AreFoundWithoutTheirExtensionAndFromTheirOwnDirectory) {
  const std::string program = WEFT_PROCESS_CHILD;
  const auto slash = program.rfind('/');
  auto options = child_that({"say", "found"});
  options.program = program.substr(0, program.rfind('.'));
  EXPECT_EQ(output_of(options), "found");
  options.program = "./" + program.substr(slash + 1);
  options.directory = program.substr(0, slash);
  EXPECT_EQ(output_of(options), "found");
}

TEST_P(WindowsProcesses, InheritNoHandleButThoseOfTheirDescriptors) {
  SECURITY_ATTRIBUTES inheritable{sizeof inheritable, nullptr, TRUE};
  // So many that the last has a number which the child has not for something else.
  std::vector<weft::detail::OwnedHandle> leaking;
  for (int i = 0; i < 500; ++i)
    leaking.emplace_back(::CreateEventW(&inheritable, TRUE, FALSE, nullptr));
  const auto last = reinterpret_cast<std::uintptr_t>(leaking.back().get());
  EXPECT_EQ(output_of(child_that({"handles", std::to_string(last)})), "closed ");
}

TEST_P(WindowsProcesses, WriteToADescriptorOfOursThatTheyGotACopyOf) {
  const TemporaryFile file("-copy", "");
  const int ours = ::_open(file.path.c_str(), _O_RDWR | _O_BINARY | _O_NOINHERIT);
  ASSERT_GE(ours, 0);
  auto options = child_that({"copy", "0", "4"});
  options.descriptors.insert_or_assign(4, ChildDescriptor::descriptor(ours));
  options.descriptors.insert_or_assign(2, ChildDescriptor::null());
  const auto protocol = spawn(options);
  protocol->child().write("kept\n");
  protocol->child().close_stdin();
  ASSERT_TRUE(ends(protocol));
  ::_close(ours);
  std::string line;
  std::getline(std::ifstream(file.path), line);
  EXPECT_EQ(line, "kept");
}

TEST_P(WindowsProcesses, HaveStandardErrorWhereTheirOutputIs) {
  auto options = child_that({"cat-to-both"});
  options.descriptors.insert_or_assign(2, ChildDescriptor::same_as(1));
  const auto protocol = spawn(options);
  protocol->child().write("twice ");
  protocol->child().close_stdin();
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[1], "twice twice ");
}

// ---- what is refused

TEST_P(WindowsProcesses, RefuseWhatWindowsHasNoNotionOfByName) {
  const auto refused = [&](const std::function<void(ProcessOptions&)>& change) {
    auto options = child_that({"cat"});
    change(options);
    return refusal<NotSupportedOnThisPlatform>(options);
  };
  EXPECT_THAT(refused([](auto& options) { options.terminal.emplace(); }), HasSubstr("terminal"));
  EXPECT_THAT(refused([](auto& options) { options.user = 1; }), HasSubstr("user"));
  EXPECT_THAT(refused([](auto& options) { options.group = 1; }), HasSubstr("group"));
  EXPECT_THAT(refused([](auto& options) { options.groups = {1}; }), HasSubstr("groups"));
  EXPECT_THAT(
      refused([](auto& options) { options.process_group = ProcessOptions::Group::own_session; }),
      HasSubstr("session"));
  EXPECT_THAT(refused([](auto& options) {
                options.descriptors.insert_or_assign(0, ChildDescriptor::both_ways());
              }),
              HasSubstr("both_ways"));
}

TEST_P(WindowsProcesses, RefuseTextThatIsNone) {
  EXPECT_THAT(refusal<InvalidArgument>(child_that({"\xFF"})), HasSubstr("UTF-8"));
}

TEST_P(WindowsProcesses, RefuseBatchFilesSinceTheirArgumentsMayBeCommands) {
  for (const char* const name : {"-x.bat", "-x.CMD"}) {
    const TemporaryFile batch(name, "echo %1\r\n");
    for (const auto& spelt : {batch.path, batch.path + ".", batch.path + " "})
      EXPECT_THAT(refusal<InvalidArgument>({spelt, "\"&calc.exe"}), HasSubstr("cmd.exe")) << spelt;
  }
}

TEST_P(WindowsProcesses, ThrowASpawnErrorWhereverTheyCannotBeRun) {
  EXPECT_THAT(spawn_error(*reactor_, {"C:\\no\\such\\program"}), HasSubstr("could not be run"));
  EXPECT_THAT(spawn_error(*reactor_, {"no-such-program-anywhere"}), HasSubstr("could not be run"));
  EXPECT_THAT(spawn_error(*reactor_, {"C:\\windows"}), HasSubstr("could not be run"));
  auto nowhere = child_that({"cat"});
  nowhere.directory = "C:\\no\\such\\directory";
  EXPECT_THAT(spawn_error(*reactor_, nowhere), HasSubstr("C:\\no\\such\\directory"));
  auto too_far = child_that({"cat"});
  too_far.descriptors.emplace(1'000'000'000, ChildDescriptor::null());
  EXPECT_THAT(spawn_error(*reactor_, too_far), HasSubstr("descriptors"));
  const TemporaryFile text("-text.exe", "no program");
  EXPECT_THAT(spawn_error(*reactor_, {text.path}), HasSubstr("could not be run"));
}

TEST(WindowsProcessesOnSelect, AreRefused) {
  const auto reactor = make_reactor("select");
  const auto protocol = std::make_shared<NotingProcess>();
  EXPECT_THROW(static_cast<void>(reactor->spawn_process(protocol, child_that({"cat"}))),
               NotSupportedOnThisPlatform);
  EXPECT_TRUE(protocol->events.empty());
  EXPECT_THROW(
      spawn_stream(*reactor, child_that({"cat"}), std::make_shared<AccumulatingProtocol>()),
      NotSupportedOnThisPlatform);
  auto output = get_process_output(*reactor, child_that({"cat"}));
  static_cast<void>(failure_result_of<NotSupportedOnThisPlatform>(std::move(output)));
}

// ---- how they end

TEST_P(WindowsProcesses, RunWithoutAnyDescriptor) {
  auto options = child_that({"exit", "3"});
  options.descriptors.clear();
  const auto protocol = spawn(options);
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->exit_code(), 3);
}

TEST_P(WindowsProcesses, TellAnExitCodeOfAnySize) {
  const auto protocol = spawn(child_that({"exit", "-5"}));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->exit_code(), -5);
}

TEST_P(WindowsProcesses, TellOfAFaultAsOfASignal) {
  const auto protocol = spawn(child_that({"fault"}));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGSEGV);
}

TEST_P(WindowsProcesses, AreEndedAtOnceWhereNobodyCouldAskThem) {
  const auto protocol = spawn(child_that({"ignore-term"}));
  ASSERT_TRUE(says(protocol, "ready"));
  protocol->child().terminate(std::chrono::hours(1));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->end->signal(), SIGTERM);
  EXPECT_THROW(protocol->child().signal_process("BREAK"), ProcessExited);
}

TEST_P(WindowsProcesses, KnowFourSignals) {
  for (const char* const name : {"KILL", "TERM", "INT", "BREAK"}) {
    const auto protocol = spawn(child_that({"wait"}));
    protocol->child().signal_process(name);
    ASSERT_TRUE(ends(protocol));
    EXPECT_EQ(protocol->end->signal(), signal_number(name));
  }
  const auto protocol = spawn(child_that({"cat"}));
  EXPECT_THROW(protocol->child().signal_process(SIGABRT), InvalidArgument);
  protocol->child().lose_connection();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(WindowsProcesses, EndWithTheReactorThatStops) {
  const auto protocol = spawn(child_that({"ready"}));
  protocol->on_data = [&](NotingProcess&) { reactor_->stop(); };
  reactor_->run();
  ASSERT_TRUE(protocol->end);
  EXPECT_EQ(protocol->end->signal(), SIGTERM);
}

TEST_P(WindowsProcesses, LeaveNoHandleHoweverTheyEnd) {
  const auto round = [&] {
    std::vector<std::shared_ptr<NotingProcess>> all;
    for (const char* const does : {"cat", "close-early", "wait", "ready", "fault", "grandchild"}) {
      auto options = child_that({does});
      if (all.size() % 2 == 0) options.process_group = ProcessOptions::Group::own_group;
      all.push_back(spawn(options));
    }
    for (const auto& one : all) {
      one->child().write("x");
      one->child().close_stdin();
      one->child().terminate();
    }
    EXPECT_THROW(spawn(child_that({"\xFF"})), InvalidArgument);
    EXPECT_THROW(spawn({"C:\\no\\such\\program"}), SpawnError);
    for (const auto& one : all)
      EXPECT_TRUE(ends(one));
  };
  // The first has the system begin its own waiting.
  round();
  const auto before = open_descriptors();
  for (int i = 0; i < 5; ++i)
    round();

  EXPECT_LE(open_descriptors(), before + descriptors_of_the_system);
}

// ---- as streams

TEST_P(WindowsProcesses, AreEndpoints) {
  const std::string program = WEFT_PROCESS_CHILD;
  const auto colon = program.find(':');
  const auto protocol = std::make_shared<AccumulatingProtocol>();
  auto connecting = connect(
      *reactor_, "process:" + program.substr(0, colon) + "\\" + program.substr(colon) + ":cat",
      factory_from([&] { return protocol; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(success_result_of(std::move(connecting)), protocol);
  protocol->way().write("hello");
  ASSERT_TRUE(spin_until([&] { return protocol->data == "hello"; }));
  protocol->way().lose_connection();
  EXPECT_TRUE(spin_until([&] { return protocol->lost_with<ConnectionDone>(); }));
}

INSTANTIATE_TEST_SUITE_P(Each, WindowsProcesses, ::testing::ValuesIn(reactors_with_processes()),
                         reactor_of);

}  // namespace
}  // namespace weft::testing
