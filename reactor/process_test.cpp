#include "../framework/process.hpp"

#include "process_test.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <thread>

#ifndef _WIN32
#include <sys/resource.h>
#endif

namespace weft::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// ---- what differs between systems

#ifdef _WIN32

const std::string between_folders = ";";
const std::string a_directory = "C:\\windows";

const auto without_environment = Not(HasSubstr("WEFT_TEST_INHERITED"));

// Nothing for the value takes it away.
void set_variable(const char* name, const char* value) {
  ::SetEnvironmentVariableA(name, *value == '\0' ? nullptr : value);
}

// Handles have no limit.
struct ManyDescriptors {
  std::size_t allowed = 1'000'000;
};

#else

const std::string between_folders = ":";
const std::string a_directory = "/";

const auto without_environment = IsEmpty();

// Nothing for the value takes it away.
void set_variable(const char* name, const char* value) {
  *value == '\0' ? ::unsetenv(name) : ::setenv(name, value, 1);
}

// As many descriptors as there may be, while it lives.
class ManyDescriptors {
 public:
  ManyDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    auto limit = before_;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    allowed = limit.rlim_cur;
  }
  ~ManyDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  ManyDescriptors(const ManyDescriptors&) = delete;
  ManyDescriptors& operator=(const ManyDescriptors&) = delete;

  std::size_t allowed;

 private:
  rlimit before_{};
};

#endif

// ---- what does not

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

TEST_P(Processes, AreLookedForInThePathOfTheirOwnEnvironment) {
  const std::string program = WEFT_PROCESS_CHILD;
  const auto slash = program.rfind('/');
  auto options = child_that({"say", "found"});
  options.program = program.substr(slash + 1);
  options.environment.emplace().emplace("PATH",
                                        "/nowhere" + between_folders + program.substr(0, slash));
  EXPECT_EQ(output_of(options), "found");
  options.environment->insert_or_assign("PATH", "/nowhere");
  EXPECT_THROW(spawn(options), SpawnError);
}

TEST_P(Processes, InheritOurEnvironmentUnlessTheyHaveTheirOwn) {
  set_variable("WEFT_TEST_INHERITED", "yes");
  auto options = child_that({"environment"});
  EXPECT_THAT(output_of(options), HasSubstr("WEFT_TEST_INHERITED=yes"));
  options.environment.emplace();
  // Wine gives its programs some of its own.
  EXPECT_THAT(output_of(options), without_environment);
  set_variable("WEFT_TEST_INHERITED", "");
}

TEST_P(Processes, RunInTheDirectoryThatTheyAreGiven) {
  auto options = child_that({"where"});
  options.directory = a_directory;
  EXPECT_EQ(output_of(options), a_directory);
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

#if defined(__SANITIZE_THREAD__) || defined(_WIN32)
// There each takes twenty times as long, or Wine has its own for each.
constexpr int children_at_once = 100;
#elif defined(__SANITIZE_ADDRESS__)
constexpr int children_at_once = 300;
#else
constexpr int children_at_once = 1000;
#endif

TEST_P(Processes, RunManyAtOnceWithTheirOutputIntact) {
  const ManyDescriptors many;
  // The first has the system begin its own waiting.
  static_cast<void>(output_of(child_that({"exit", "0"})));
  const auto before = open_descriptors();
  if (many.allowed < 4 * children_at_once) GTEST_SKIP() << "too few descriptors are allowed";
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

  EXPECT_LE(open_descriptors(), before + descriptors_of_the_system);
}

INSTANTIATE_TEST_SUITE_P(Each, Processes, ::testing::ValuesIn(reactors_with_processes()),
                         reactor_of);

}  // namespace
}  // namespace weft::testing
