#include "../../framework/context.hpp"
#include "../../testing/log_capture.hpp"
#include "flags.hpp"
#include "log_file.hpp"
#include "pid_file.hpp"
#include "privileges.hpp"
#include "systemd_notifier.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Folder {
 public:
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "weft_files_XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string text_of(const std::string& file) {
  std::ifstream stream(file);
  return {std::istreambuf_iterator<char>(stream), {}};
}

template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// ---- flags

struct CommandLine : ::testing::Test {
  Flags flags;
  CommandLine() {
    flags.add("listen", "ENDPOINT", "Where to listen", "tcp:80")
        .add("wait", "TIME", "How long", "10")
        .add_switch("loud", "Say more");
  }
  void parse(std::vector<const char*> words) {
    words.insert(words.begin(), "program");
    flags.parse(static_cast<int>(words.size()), words.data());
  }
  std::string fault(const std::vector<const char*>& words) {
    return message_of<FlagError>([&] { parse(words); });
  }
};

TEST_F(CommandLine, GivesDefaultsToWhatIsNotGiven) {
  parse({});
  EXPECT_EQ(flags.value("listen"), "tcp:80");
  EXPECT_FALSE(flags.given("listen"));
  EXPECT_FALSE(flags.given("loud"));
}

TEST_F(CommandLine, TakesValuesBehindAnEqualsSignOrAsTheNextWord) {
  parse({"--listen=unix:a=b", "--loud", "--wait", "--loud"});
  EXPECT_EQ(flags.value("listen"), "unix:a=b");
  EXPECT_EQ(flags.value("wait"), "--loud");
  EXPECT_TRUE(flags.given("loud"));
}

TEST_F(CommandLine, LetsTheLastOfSeveralCount) {
  parse({"--listen=a", "--listen="});
  EXPECT_EQ(flags.value("listen"), "");
}

TEST_F(CommandLine, SaysWhatIsWrongWithIt) {
  EXPECT_THAT(fault({"--loudly"}), HasSubstr("There is no flag --loudly"));
  EXPECT_THAT(fault({"--loud=yes"}), HasSubstr("--loud takes no value"));
  EXPECT_THAT(fault({"--listen"}), HasSubstr("--listen needs a value: --listen=ENDPOINT"));
  EXPECT_THAT(fault({"file"}), HasSubstr("\"file\" is no flag"));
  EXPECT_THAT(fault({"--"}), HasSubstr("\"--\" is no flag"));
  EXPECT_THAT(fault({"-l"}), HasSubstr("\"-l\" is no flag"));
}

TEST_F(CommandLine, ReadsTimesWithTheirUnits) {
  for (const auto& [text, time] :
       std::initializer_list<std::pair<const char*, Duration>>{{"10", 10s},
                                                               {"1.5s", 1500ms},
                                                               {"250ms", 250ms},
                                                               {"2min", 2min},
                                                               {"1h", 1h},
                                                               {"0", 0s}}) {
    parse({"--wait", text});
    EXPECT_EQ(flags.duration("wait"), time) << text;
  }
  for (const auto* const text : {"", "soon", "-1", "1y", "nan", "1e30", "1 s", "inf"}) {
    parse({"--wait", text});
    EXPECT_THROW(static_cast<void>(flags.duration("wait")), FlagError) << text;
  }
}

TEST_F(CommandLine, RefusesNamesThatAreNone) {
  for (const auto* const name : {"", "-x", "a=b", "a b", "loud"})
    EXPECT_THROW(flags.add_switch(name, "help"), InvalidArgument) << name;
  EXPECT_THROW(static_cast<void>(flags.value("never-added")), InvalidArgument);
}

TEST_F(CommandLine, ListsItsFlagsInColumns) {
  EXPECT_EQ(flags.help(),
            "  --listen=ENDPOINT  Where to listen [tcp:80]\n"
            "  --wait=TIME        How long [10]\n"
            "  --loud             Say more\n");
}

// ---- the log's file

TEST(LogFile, GetsOneLineForEachRecord) {
  const Folder folder;
  LogFile file(folder.file("log"));
  file.write({LogLevel::info, "part", "hello", nullptr});
  const Failure failure(std::runtime_error("clumsy"));
  file.write({LogLevel::error, "part", "It failed", &failure});
  EXPECT_THAT(text_of(file.path()),
              ::testing::MatchesRegex("\\[20.*\\] \\[weft\\] \\[info\\] part: hello\n"
                                      "\\[20.*\\] \\[weft\\] \\[error\\] part: It failed: "
                                      "std::runtime_error: clumsy \\(made at .*:[0-9]+\\)\n"));
}

TEST(LogFile, ShowsTheVariablesOfTheContextThatSpeaks) {
  static const ContextVar<int> request("request", {.text = to_text<int>});
  static const ContextVar<int> secret("secret");
  const Folder folder;
  LogFile file(folder.file("log"));
  Context().run([&] {
    secret.set(1);
    file.write({LogLevel::info, "part", "hello", nullptr});
    request.set(7);
    file.write({LogLevel::info, "part", "hello", nullptr});
  });
  EXPECT_THAT(text_of(file.path()),
              ::testing::MatchesRegex("\\[20.*\\] \\[weft\\] \\[info\\] part: hello\n"
                                      "\\[20.*\\] \\[weft\\] \\[info\\] \\[request=7\\] "
                                      "part: hello\n"));
}

TEST(LogFile, IsWrittenAnewAfterItWasMovedAway) {
  const Folder folder;
  LogFile file(folder.file("log"));
  file.write({LogLevel::info, "part", "old", nullptr});
  std::filesystem::rename(file.path(), folder.file("old"));
  file.write({LogLevel::info, "part", "late", nullptr});
  file.reopen();
  file.write({LogLevel::info, "part", "new", nullptr});
  EXPECT_THAT(text_of(folder.file("old")), HasSubstr("late"));
  EXPECT_THAT(text_of(file.path()), ::testing::EndsWith("part: new\n"));
}

TEST(LogFile, KeepsTheOldOneWhereTheNewOneCannotBeOpened) {
  const Folder folder;
  std::filesystem::create_directory(folder.file("in"));
  LogFile file(folder.file("in/log"));
  std::filesystem::rename(folder.file("in"), folder.file("out"));
  EXPECT_THAT(message_of<LogFileError>([&] { file.reopen(); }), HasSubstr("in/log"));
  file.write({LogLevel::info, "part", "still here", nullptr});
  EXPECT_THAT(text_of(folder.file("out/log")), HasSubstr("still here"));
}

TEST(LogFile, KnowsTheLevelsByName) {
  EXPECT_EQ(log_level_named("trace"), LogLevel::trace);
  EXPECT_EQ(log_level_named("warning"), LogLevel::warning);
  EXPECT_EQ(log_level_named("off"), LogLevel::off);
  EXPECT_THROW(static_cast<void>(log_level_named("loud")), InvalidArgument);
}

// ---- the pid file

TEST(PidFile, HoldsTheNumberWhileItLives) {
  const Folder folder;
  {
    const PidFile file(folder.file("pid"));
    EXPECT_EQ(text_of(file.path()), std::to_string(::getpid()) + "\n");
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("pid")));
}

TEST(PidFile, RefusesASecondHolder) {
  const Folder folder;
  const PidFile file(folder.file("pid"));
  try {
    const PidFile second(folder.file("pid"));
    FAIL() << "both hold it";
  } catch (const PidFileError& error) {
    EXPECT_EQ(error.process(), ::getpid());
    EXPECT_THAT(error.what(), HasSubstr("stop that one first"));
  }
  EXPECT_EQ(text_of(file.path()), std::to_string(::getpid()) + "\n");
}

TEST(PidFile, ReplacesWhatADeadProgramLeft) {
  const Folder folder;
  std::ofstream(folder.file("pid")) << "1\n";
  const PidFile file(folder.file("pid"));
  EXPECT_EQ(text_of(file.path()), std::to_string(::getpid()) + "\n");
}

TEST(PidFile, LeavesAloneAFileThatIsNone) {
  const Folder folder;
  for (const auto* const text : {"root:x:0:0", "12 13", "-5", "0", "\n"}) {
    std::ofstream(folder.file("pid")) << text;
    EXPECT_THROW(PidFile(folder.file("pid")), PidFileError) << text;
    EXPECT_EQ(text_of(folder.file("pid")), text);
  }
}

TEST(PidFile, SaysWhereItCannotBe) {
  const Folder folder;
  EXPECT_THAT(message_of<PidFileError>([&] { PidFile(folder.file("no/pid")); }),
              HasSubstr("no/pid cannot be opened"));
  std::filesystem::create_symlink("elsewhere", folder.file("link"));
  EXPECT_THROW(PidFile(folder.file("link")), PidFileError);
}

TEST(PidFile, DoesNotRemoveThatOfSomebodyElse) {
  const Folder folder;
  {
    const PidFile file(folder.file("pid"));
    std::filesystem::remove(file.path());
    std::ofstream(file.path()) << "somebody else's";
  }
  EXPECT_EQ(text_of(folder.file("pid")), "somebody else's");
}

// ---- privileges

TEST(Privileges, AreFoundByNameAndByNumber) {
  const Privileges root("root");
  EXPECT_EQ(root.user(), 0U);
  EXPECT_EQ(root.group(), 0U);
  const Privileges numbers("12345", "54321");
  EXPECT_EQ(numbers.user(), 12345U);
  EXPECT_EQ(numbers.group(), 54321U);
  EXPECT_EQ(Privileges("", "root").user(), ::getuid());
}

TEST(Privileges, OfNobodyAreRefused) {
  EXPECT_THAT(message_of<PrivilegeError>([] { Privileges("no-such-user"); }),
              HasSubstr("no user \"no-such-user\""));
  EXPECT_THAT(message_of<PrivilegeError>([] { Privileges("root", "no-such-group"); }),
              HasSubstr("no group \"no-such-group\""));
  EXPECT_THAT(message_of<PrivilegeError>([] { Privileges("4000000000"); }), HasSubstr("name one"));
  EXPECT_THROW(Privileges("", ""), PrivilegeError);
  EXPECT_THROW(Privileges("4294967295", "1"), PrivilegeError);
}

TEST(Privileges, CannotBeHadBackOnceTheyAreDropped) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root has privileges to drop";
  EXPECT_EXIT(
      {
        Privileges("65534", "65534").drop();
        const bool back = ::setuid(0) == 0 || ::seteuid(0) == 0 || ::setgid(0) == 0;
        std::_Exit(back || ::getgroups(0, nullptr) > 1 ? 1 : 42);
      },
      ::testing::ExitedWithCode(42), "");
}

TEST(Privileges, CannotBeChangedByWhoHasNone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can have none after having had some";
  EXPECT_EXIT(
      {
        Privileges("65534", "65534").drop();
        // Becoming what one is already is no change.
        Privileges("65534", "65534").drop();
        const auto message = message_of<PrivilegeError>([] { Privileges("1", "1").drop(); });
        std::_Exit(message.find("start the program as root") != std::string::npos ? 42 : 1);
      },
      ::testing::ExitedWithCode(42), "");
}

// ---- what systemd is told

TEST(SystemdNotifier, TellsNobodyWhereNobodyAsks) {
  ::unsetenv("NOTIFY_SOCKET");
  ::setenv("WATCHDOG_USEC", "1000", 1);
  auto notifier = SystemdNotifier::from_environment();
  EXPECT_FALSE(notifier.active());
  EXPECT_FALSE(notifier.watchdog_interval());
  EXPECT_EQ(std::getenv("WATCHDOG_USEC"), nullptr);
  notifier.ready();
}

TEST(SystemdNotifier, TakesItsVariablesOutOfTheEnvironment) {
  ::setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
  ::setenv("WATCHDOG_USEC", "3000000", 1);
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  const auto notifier = SystemdNotifier::from_environment();
  EXPECT_TRUE(notifier.active());
  EXPECT_EQ(notifier.watchdog_interval(), 3s);
  for (const auto* const name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
    EXPECT_EQ(std::getenv(name), nullptr) << name;
}

TEST(SystemdNotifier, LogsOnceThatNobodyListens) {
  const testing::LogCapture log;
  SystemdNotifier notifier("/nowhere/notify");
  notifier.ready();
  notifier.sign_of_life();
  EXPECT_EQ(log.lines().size(), 1U);
  EXPECT_TRUE(log.contains("systemd could not be told of this service"));
}

TEST(SystemdNotifier, RefusesAddressesOfAnotherKind) {
  for (const auto& name : {std::string(), std::string("@"), std::string("vsock:2:1"),
                           std::string("relative"), "/" + std::string(200, 'x')})
    EXPECT_THROW(SystemdNotifier{name}, InvalidArgument) << name;
  const testing::LogCapture log;
  ::setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
  EXPECT_FALSE(SystemdNotifier::from_environment().active());
  EXPECT_TRUE(log.contains("systemd will not be told"));
}

}  // namespace
}  // namespace weft
