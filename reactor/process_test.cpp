#include "../framework/process.hpp"

#include "process_test.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace weft::testing {
namespace {

using ::testing::HasSubstr;

TEST_P(Processes, EchoTenMegabytesOnThreePipes) {
  const std::string sent(10'000'000, 'x');
  const auto protocol = spawn(child_that({"cat-to-both"}));
  protocol->child().write(sent);
  protocol->child().close_stdin();
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[1], sent);
  EXPECT_EQ(protocol->said[2], sent);
  EXPECT_TRUE(protocol->end->succeeded());
}

TEST_P(Processes, TellOfEachDescriptorAndThenOfTheEnd) {
  const auto protocol = spawn(child_that({"say", "hello"}));
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[1], "hello");
  EXPECT_EQ(protocol->events.front(), "made");
  EXPECT_EQ(protocol->events.back(), "ended");
  for (const char* const event : {"lost 0", "lost 1", "lost 2", "exited"})
    EXPECT_EQ(std::count(protocol->events.begin(), protocol->events.end(), event), 1) << event;
}

TEST_P(Processes, SeeTheirInputEndWhenItIsClosed) {
  const auto protocol = spawn(child_that({"cat"}));
  protocol->child().write("all of it");
  protocol->child().close_stdin();
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[1], "all of it");
}

TEST_P(Processes, HaveTheDescriptorsThatTheMapNamesAndNoOthers) {
  const int leaking = ::open("/dev/null", O_RDONLY);
  auto options = child_that({"descriptors"});
  options.descriptors.insert_or_assign(2, ChildDescriptor::null());
  options.descriptors.insert_or_assign(7, ChildDescriptor::to_child());
  options.descriptors.insert_or_assign(9, ChildDescriptor::both_ways());
  options.descriptors.insert_or_assign(30, ChildDescriptor::descriptor(leaking));
  options.descriptors.insert_or_assign(31, ChildDescriptor::same_as(1));
  EXPECT_EQ(output_of(options), "0 1 2 7 9 30 31 ");
  ::close(leaking);
}

TEST_P(Processes, MayHaveOurDescriptorsExchanged) {
  int ends_of_pipe[2] = {};
  ASSERT_EQ(::pipe2(ends_of_pipe, O_CLOEXEC), 0);
  const auto [low, high] = std::minmax(ends_of_pipe[0], ends_of_pipe[1]);
  const auto other = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  auto options = child_that({"files", std::to_string(low), std::to_string(other)});
  options.descriptors.insert_or_assign(low, ChildDescriptor::descriptor(other));
  options.descriptors.insert_or_assign(other, ChildDescriptor::descriptor(low));
  struct stat pipe_status {};
  struct stat null_status {};
  ::fstat(low, &pipe_status);
  ::fstat(other, &null_status);
  EXPECT_EQ(output_of(options),
            std::to_string(null_status.st_ino) + " " + std::to_string(pipe_status.st_ino) + " ");
  for (const int descriptor : {low, high, other})
    ::close(descriptor);
}

TEST_P(Processes, TalkOverDescriptorsBeyondTheStandardOnes) {
  auto options = child_that({"copy", "5", "6"});
  options.descriptors.insert_or_assign(5, ChildDescriptor::to_child());
  options.descriptors.insert_or_assign(6, ChildDescriptor::from_child());
  const auto protocol = spawn(options);
  protocol->child().write(5, "to the fifth");
  protocol->child().close_child_descriptor(5);
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[6], "to the fifth");
}

TEST_P(Processes, TalkBothWaysOverASocket) {
  auto options = child_that({"copy", "4", "4"});
  options.descriptors.insert_or_assign(4, ChildDescriptor::both_ways());
  const auto protocol = spawn(options);
  protocol->child().write(4, "there and back");
  EXPECT_TRUE(spin_until([&] { return protocol->said[4] == "there and back"; }));
  protocol->child().pipe(4).lose_write_connection();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(Processes, RefuseWhatMakesNoSenseBeforeAnythingRuns) {
  const auto refused = [&](const std::function<void(ProcessOptions&)>& change) {
    auto options = child_that({"cat"});
    change(options);
    EXPECT_THROW(spawn(options), InvalidArgument);
  };
  refused([](auto& options) { options.program.clear(); });
  refused([](auto& options) { options.arguments.push_back(std::string("a\0b", 3)); });
  refused([](auto& options) { options.environment.emplace().emplace("a=b", "c"); });
  refused([](auto& options) { options.descriptors.emplace(-1, ChildDescriptor::null()); });
  refused([](auto& options) { options.descriptors.emplace(3, ChildDescriptor::same_as(4)); });
  refused([](auto& options) { options.descriptors.emplace(3, ChildDescriptor::descriptor(999)); });
  EXPECT_THROW(static_cast<void>(reactor_->spawn_process(nullptr, child_that({"cat"}))),
               InvalidArgument);
}

TEST_P(Processes, RefuseDescriptorsThatTheyDoNotHave) {
  const auto protocol = spawn(child_that({"cat"}));
  auto& child = protocol->child();
  EXPECT_THROW(child.write(5, "lost"), InvalidArgument);
  EXPECT_THROW(child.write(1, "against the stream"), InvalidArgument);
  EXPECT_THROW(child.close_child_descriptor(5), InvalidArgument);
  EXPECT_THROW(static_cast<void>(child.pipe(5)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(child.terminal_size()), InvalidArgument);
  child.close_stdin();
  EXPECT_TRUE(ends(protocol));

  auto without_input = child_that({"exit", "0"});
  without_input.descriptors.erase(0);
  const auto mute = spawn(without_input);
  EXPECT_THROW(mute->child().write("lost"), InvalidArgument);
  EXPECT_THROW(mute->child().close_stdin(), InvalidArgument);
  EXPECT_TRUE(ends(mute));
}

std::string spawn_error(Reactor& reactor, const ProcessOptions& options) {
  try {
    static_cast<void>(reactor.spawn_process(std::make_shared<NotingProcess>(), options));
  } catch (const SpawnError& error) {
    EXPECT_TRUE(error.code());
    return error.what();
  }
  return "";
}

TEST_P(Processes, ThrowASpawnErrorWhereverTheyCannotBeRun) {
  EXPECT_THAT(spawn_error(*reactor_, {"/no/such/program"}), HasSubstr("No such file"));
  EXPECT_THAT(spawn_error(*reactor_, {"no-such-program-anywhere"}), HasSubstr("No such file"));
  EXPECT_THAT(spawn_error(*reactor_, {"/dev/null"}), HasSubstr("denied"));
  EXPECT_THAT(spawn_error(*reactor_, {"/"}), HasSubstr("denied"));
  auto nowhere = child_that({"cat"});
  nowhere.directory = "/no/such/directory";
  EXPECT_THAT(spawn_error(*reactor_, nowhere), HasSubstr("/no/such/directory"));
  auto far = child_that({"cat"});
  far.descriptors.emplace(1'000'000'000, ChildDescriptor::null());
  EXPECT_THAT(spawn_error(*reactor_, far), HasSubstr("descriptors"));
  // A file that is executable and no program.
  std::string path = "/tmp/weft-test-XXXXXX";
  const int file = ::mkostemp(path.data(), O_CLOEXEC);
  ::fchmod(file, 0700);
  ::close(file);
  EXPECT_THAT(spawn_error(*reactor_, {path}), HasSubstr("format"));
  ::unlink(path.c_str());
}

// Has the next descriptors run out after `more` of them, while it lives.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::close(next);
    const rlimit few{static_cast<rlim_t>(next) + more, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_P(Processes, LeaveNothingBehindWhereverDescriptorsRunOut) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizer looks at objects by means of descriptors of its own";
#endif
  auto options = child_that({"cat"});
  options.descriptors.insert_or_assign(3, ChildDescriptor::both_ways());
  options.descriptors.insert_or_assign(4, ChildDescriptor::null());
  std::shared_ptr<NotingProcess> protocol;
  int failed = 0;
  for (; protocol == nullptr && failed < 30; ++failed) {
    const FewDescriptors few(static_cast<rlim_t>(failed));
    try {
      protocol = spawn(options);
    } catch (const SpawnError&) {
      continue;
    }
  }
  EXPECT_GT(failed, 10);
  ASSERT_NE(protocol, nullptr);
  protocol->child().lose_connection();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(Processes, AreLookedForInThePathOfTheirOwnEnvironment) {
  const std::string program = WEFT_PROCESS_CHILD;
  const auto slash = program.rfind('/');
  auto options = child_that({"say", "found"});
  options.program = program.substr(slash + 1);
  options.environment.emplace().emplace("PATH", "/nowhere:" + program.substr(0, slash));
  EXPECT_EQ(output_of(options), "found");
  options.environment->insert_or_assign("PATH", "/nowhere");
  EXPECT_THAT(spawn_error(*reactor_, options), HasSubstr("No such file"));
}

TEST_P(Processes, GetTheArgumentsAndVariablesThatTheyAreGivenByteForByte) {
  auto options = child_that({"arguments", "", " a b ", "\xff\x01\n", "$HOME;'\""});
  options.called = "another name";
  using namespace std::string_literals;
  EXPECT_EQ(output_of(options), "another name\0arguments\0\0 a b \0\xff\x01\n\0$HOME;'\"\0"s);
  options = child_that({"environment"});
  options.environment.emplace().emplace("ODD", "\xfe=\n");
  EXPECT_EQ(output_of(options), "ODD=\xfe=\n\0"s);
}

TEST_P(Processes, InheritOurEnvironmentUnlessTheyHaveTheirOwn) {
  ::setenv("WEFT_TEST_INHERITED", "yes", 1);
  auto options = child_that({"environment"});
  EXPECT_THAT(output_of(options), HasSubstr("WEFT_TEST_INHERITED=yes"));
  options.environment.emplace();
  EXPECT_EQ(output_of(options), "");
  ::unsetenv("WEFT_TEST_INHERITED");
}

TEST_P(Processes, RunInTheDirectoryThatTheyAreGiven) {
  auto options = child_that({"where"});
  options.directory = "/";
  EXPECT_EQ(output_of(options), "/");
}

TEST_P(Processes, HaveNoSignalsIgnoredOrBlocked) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  sigset_t some;
  sigset_t mask;
  ::sigemptyset(&some);
  ::sigaddset(&some, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &some, &mask);
  EXPECT_EQ(output_of(child_that({"signals"})), "");
  ::pthread_sigmask(SIG_SETMASK, nullptr, &some);
  EXPECT_EQ(::sigismember(&some, SIGUSR1), 1) << "our own mask was changed";
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  std::signal(SIGPIPE, before);
}

TEST_P(Processes, RunAsTheUserThatTheyAreGivenWithoutOurGroups) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may become somebody else";
  auto options = child_that({"user"});
  options.program = "/proc/self/fd/20";
  // Its directory may be closed to others, so it runs the program by a descriptor.
  const int program = ::open(WEFT_PROCESS_CHILD, O_RDONLY | O_CLOEXEC);
  options.descriptors.emplace(20, ChildDescriptor::descriptor(program));
  options.user = 12345;
  options.group = 23456;
  options.groups = {34567};
  EXPECT_EQ(output_of(options), "12345 12345 23456 23456 34567");
  ::close(program);
}

TEST_P(Processes, RefuseAUserThatTheSystemTakesForNoChange) {
  constexpr std::uint32_t nobody_at_all = 0xFFFFFFFF;
  auto user = child_that({"user"});
  user.user = nobody_at_all;
  EXPECT_THROW(spawn(user), InvalidArgument);
  auto group = child_that({"user"});
  group.group = nobody_at_all;
  EXPECT_THROW(spawn(group), InvalidArgument);
  auto groups = child_that({"user"});
  groups.user = ::geteuid();
  groups.groups = {::getegid(), nobody_at_all};
  EXPECT_THROW(spawn(groups), InvalidArgument);
}

TEST_P(Processes, RefuseGroupsThatWouldNotBeSet) {
  auto options = child_that({"user"});
  options.groups = {::getegid()};
  EXPECT_THROW(spawn(options), InvalidArgument);
}

TEST_P(Processes, ThrowASpawnErrorWhenTheyMayNotRunAsThatUser) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may become anybody";
  auto options = child_that({"user"});
  options.user = 0;
  EXPECT_THAT(spawn_error(*reactor_, options), HasSubstr("user"));
}

TEST_P(Processes, HoldBackWritersWhileTheyDoNotRead) {
  const auto protocol = spawn(child_that({"wait"}));
  protocol->child().write(std::string(1'000'000, 'x'));
  EXPECT_TRUE(spin_until([&] { return protocol->noted("pause 0"); }));
  EXPECT_GT(protocol->child().pipe(0).write_buffer_size(), 500'000U);
  protocol->child().kill();
  EXPECT_TRUE(ends(protocol));
}

TEST_P(Processes, AreNotReadWhilePaused) {
  const auto protocol = spawn(child_that({"much", "1000000"}));
  protocol->child().pause_producing();
  for (int round = 0; round < 20; ++round)
    reactor_->run_once(std::chrono::milliseconds(1));
  EXPECT_EQ(protocol->said[1], "");
  protocol->child().resume_producing();
  ASSERT_TRUE(ends(protocol));
  EXPECT_EQ(protocol->said[1].size(), 1'000'000U);
}

TEST_P(Processes, MayBeSpawnedBeforeTheReactorRuns) {
  const auto protocol = spawn(child_that({"say", "early"}));
  protocol->on_end = [&](NotingProcess&) { reactor_->stop(); };
  reactor_->run();
  EXPECT_EQ(protocol->said[1], "early");
  EXPECT_TRUE(protocol->end);
}

TEST_P(Processes, AreReapedInAnyThreadThatRunsAReactor) {
  reactor_.reset();
  std::thread other([this] {
    reactor_ = make_reactor(GetParam());
    EXPECT_EQ(output_of(child_that({"say", "from afar"})), "from afar");
    reactor_.reset();
  });
  other.join();
}

// In a child, whose standard descriptors are closed.
[[noreturn]] void echo_without_standard_descriptors(const std::string& reactor_name) {
  for (int descriptor = 0; descriptor <= 2; ++descriptor)
    ::close(descriptor);
  bool right = false;
  {
    const auto reactor = make_reactor(reactor_name);
    const auto protocol = std::make_shared<NotingProcess>();
    static_cast<void>(reactor->spawn_process(protocol, child_that({"cat"})));
    protocol->child().write("hello");
    protocol->child().close_stdin();
    right = spin_reactor_until(*reactor, [&] { return protocol->end.has_value(); }) &&
            protocol->said[1] == "hello";
  }
  ::_exit(right ? 0 : 1);
}

TEST_P(Processes, RunWhereOurStandardDescriptorsAreClosed) {
  const auto child = ::fork();
  if (child == 0) echo_without_standard_descriptors(GetParam());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

#if defined(__SANITIZE_THREAD__)
// There each takes twenty times as long.
constexpr int children_at_once = 100;
#elif defined(__SANITIZE_ADDRESS__)
constexpr int children_at_once = 300;
#else
constexpr int children_at_once = 1000;
#endif

TEST_P(Processes, RunAThousandAtOnceWithTheirOutputIntact) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto before = limit;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 4 * children_at_once) GTEST_SKIP() << "too few descriptors are allowed";
  std::vector<std::shared_ptr<NotingProcess>> all;
  for (int i = 0; i < children_at_once; ++i) {
    auto options = child_that({"cat"});
    options.descriptors.erase(2);
    all.push_back(spawn(options));
  }
  int ended = 0;
  for (int i = 0; i < children_at_once; ++i) {
    all[i]->on_end = [&](NotingProcess&) { ++ended; };
    all[i]->child().write("child " + std::to_string(i));
    all[i]->child().close_stdin();
  }
  ASSERT_TRUE(spin_until([&] { return ended == children_at_once; }));
  for (int i = 0; i < children_at_once; ++i) {
    EXPECT_EQ(all[i]->said[1], "child " + std::to_string(i));
    EXPECT_TRUE(all[i]->end->succeeded());
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

INSTANTIATE_TEST_SUITE_P(Each, Processes, ::testing::ValuesIn(reactor_names()), reactor_of);

}  // namespace
}  // namespace weft::testing
