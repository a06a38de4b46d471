#include "process_test.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::testing {
namespace {

using ::testing::HasSubstr;

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

TEST_P(Processes, TalkBothWaysOverASocket) {
  auto options = child_that({"copy", "4", "4"});
  options.descriptors.insert_or_assign(4, ChildDescriptor::both_ways());
  const auto protocol = spawn(options);
  protocol->child().write(4, "there and back");
  EXPECT_TRUE(spin_until([&] { return protocol->said[4] == "there and back"; }));
  protocol->child().pipe(4).lose_write_connection();
  EXPECT_TRUE(ends(protocol));
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

TEST_P(Processes, GetTheArgumentsAndVariablesThatTheyAreGivenByteForByte) {
  auto options = child_that({"arguments", "", " a b ", "\xff\x01\n", "$HOME;'\""});
  options.called = "another name";
  using namespace std::string_literals;
  EXPECT_EQ(output_of(options), "another name\0arguments\0\0 a b \0\xff\x01\n\0$HOME;'\"\0"s);
  options = child_that({"environment"});
  options.environment.emplace().emplace("ODD", "\xfe=\n");
  EXPECT_EQ(output_of(options), "ODD=\xfe=\n\0"s);
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

}  // namespace
}  // namespace weft::testing
