#include "../framework/gather.hpp"
#include "process_pool_test.hpp"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <poll.h>
#include <sys/syscall.h>
#include <vector>

namespace weft::testing {
namespace {

// ---- what the workers can do

const auto die = register_worker_function("die", [](int signal) {
  std::fputs("last words\n", stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
});
const auto leave = register_worker_function("leave", [](int status) { std::_Exit(status); });
const auto read_byte = register_worker_function(
    "read_byte", [](const std::string& path) { return std::ifstream(path).get(); });
const auto babble = register_worker_function(
    "babble", [](const std::string& bytes) { return ::write(3, bytes.data(), bytes.size()) > 0; });

std::string nest(bool allowed) {
  const auto reactor = make_reactor();
  ProcessPoolOptions options;
  options.allow_in_worker = allowed;
  try {
    ProcessPool pool(*reactor, options);
    auto result = pool.call(double_it, 21);
    if (!spin_reactor_until(*reactor, [&] { return result.ready(); })) return "nothing came";
    return std::to_string(success_result_of(std::move(result)));
  } catch (const NestedProcessPool& error) {
    return error.what();
  }
}
const auto nested = register_worker_function("nested", &nest);

/// Has a worker of its own hang, and tells of it in the file at `path`.
void leave_an_orphan(const std::string& path) {
  const auto reactor = make_reactor();
  ProcessPoolOptions options;
  options.allow_in_worker = true;
  ProcessPool pool(*reactor, options);
  const auto never = pool.call(hang);
  static_cast<void>(spin_reactor_until(*reactor, [&] { return pool.stats().busy == 1; }));
  std::ofstream(path + ".new") << pool.stats().pids.front();
  std::filesystem::rename(path + ".new", path);
  for (;;)
    reactor->run_once(std::chrono::seconds(1));
}
const auto orphan = register_worker_function("orphan", &leave_an_orphan);

/// While there is a file, workers do not start.
class BrokenStart {
 public:
  ~BrokenStart() { mend(); }
  [[nodiscard]] ProcessPoolOptions options() const {
    const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
    auto options = run_by_shell("test ! -e " + path_ + " && exec " + program + " \"$0\"");
    options.max_workers = 2;
    return options;
  }
  void break_it() const { std::ofstream file(path_); }
  void mend() const { std::filesystem::remove(path_); }

 private:
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("weft-broken-" + std::to_string(::getpid())))
          .string();
};

// ---- workers that come and die

TEST_P(ProcessPools, StartWorkersAtOnceWhereTheyAreAskedToAndOnDemandOtherwise) {
  auto options = with_workers(3);
  auto& lazy = open(options);
  for (int round = 0; round < 5; ++round)
    reactor_->run_once(Duration::zero());
  EXPECT_EQ(lazy.stats().started, 0U);
  EXPECT_EQ(result_of(lazy.call(double_it, 1)), 2);
  EXPECT_EQ(lazy.stats().started, 1U);
  options.min_workers = 2;
  open(options);
  EXPECT_TRUE(reaches(2));
}

TEST_P(ProcessPools, FailACallWhoseWorkerIsKilledFinishTheOthersAndAreBackAtFullSize) {
  auto& pool = open(2);
  auto doomed = pool.call(hang);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  const auto victim = pool.stats().pids.front();
  std::vector<Deferred<int>> others;
  for (int i = 0; i < 50; ++i)
    others.push_back(pool.call(double_it, i));
  ASSERT_TRUE(reaches(2));
  ::kill(static_cast<pid_t>(victim), SIGKILL);
  const auto lost = error_of<WorkerLost>(std::move(doomed));
  EXPECT_EQ(lost.status().signal(), SIGKILL);
  EXPECT_THAT(lost.what(), HasSubstr("hang"));
  EXPECT_EQ(result_of(gather_results(std::move(others))).size(), 50U);
  EXPECT_TRUE(reaches(2));
  EXPECT_EQ(pool.stats().started, 3U);
  const auto pids = pool.stats().pids;
  EXPECT_EQ(std::count(pids.begin(), pids.end(), victim), 0);
}

TEST_P(ProcessPools, GrowAgainAtTheNextAnswerWhenNoSecondWorkerWouldStart) {
  const BrokenStart broken;
  const SlowStart gate;
  auto& pool = open(broken.options());
  auto first = pool.call(read_byte, gate.path());
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  broken.break_it();
  auto second = pool.call(hang);
  auto third = pool.call(double_it, 2);
  ASSERT_TRUE(
      spin_until([&] { return pool.stats().started == 4 && pool.stats().pids.size() == 1; }));
  broken.mend();
  gate.go_on();
  EXPECT_EQ(result_of(std::move(first)), '\n');
  EXPECT_EQ(result_of(std::move(third)), 4);
  second.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(second)));
}

TEST_P(ProcessPools, GrowAgainAtTheNextCallWhenNoSecondWorkerWouldStart) {
  const BrokenStart broken;
  auto& pool = open(broken.options());
  auto first = pool.call(hang);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  broken.break_it();
  auto second = pool.call(double_it, 2);
  ASSERT_TRUE(
      spin_until([&] { return pool.stats().started == 4 && pool.stats().pids.size() == 1; }));
  broken.mend();
  EXPECT_EQ(result_of(pool.call(double_it, 3)), 6);
  EXPECT_EQ(result_of(std::move(second)), 4);
  first.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(first)));
}

TEST_P(ProcessPools, ReplaceWorkersThatDieBeforeTheyWereGivenACall) {
  auto options = with_workers(2);
  options.min_workers = 2;
  auto& pool = open(options);
  ASSERT_TRUE(reaches(2));
  for (const auto pid : pool.stats().pids)
    ::kill(static_cast<pid_t>(pid), SIGKILL);
  EXPECT_TRUE(spin_until([&] { return pool.stats().started == 4; }));
  EXPECT_TRUE(reaches(2));
}

TEST_P(ProcessPools, TellHowAWorkerDiedAndItsLastWords) {
  auto& pool = open(1);
  const auto killed = error_of<WorkerLost>(pool.call(die, SIGTERM));
  EXPECT_EQ(killed.status().signal(), SIGTERM);
  EXPECT_THAT(killed.said(), HasSubstr("last words"));
  const auto left = error_of<WorkerLost>(pool.call(leave, 3));
  EXPECT_EQ(left.status().exit_code(), 3);
  EXPECT_EQ(result_of(pool.call(double_it, 4)), 8);
}

// ---- workers that are none

TEST_P(ProcessPools, KillAndReplaceAWorkerThatWritesGarbage) {
  auto& pool = open(1);
  for (const auto& garbage :
       {std::string(100, '\xff'), std::string("\0\0\0\1\7", 5), std::string("\0\0\0\2\0\0", 6)}) {
    static_cast<void>(error_of<ProtocolError>(pool.call(babble, garbage)));
    EXPECT_EQ(result_of(pool.call(double_it, 1)), 2);
  }
}

TEST_P(ProcessPools, SayWhatToDoWhenAProgramForgetsThatItIsAWorker) {
  for (const auto* const script : {"exit 0", "echo no idea >&2; exit 4", "echo junk >&3; read x"}) {
    auto& pool = open(run_by_shell(script));
    auto second = pool.call(double_it, 2);
    EXPECT_THAT(error_of<WorkerStartError>(pool.call(double_it, 1)).what(),
                HasSubstr("run_worker"));
    static_cast<void>(error_of<WorkerStartError>(std::move(second)));
    const auto started = pool.stats().started;
    EXPECT_LE(started, 3U);
    static_cast<void>(error_of<WorkerStartError>(pool.call(double_it, 1)));
    EXPECT_EQ(pool.stats().started, started + 1);
  }
}

TEST_P(ProcessPools, KillAWorkerThatSaysNothingInTime) {
  auto options = run_by_shell("exec sleep 1000");
  options.start_timeout = std::chrono::milliseconds(1);
  auto& pool = open(options);
  EXPECT_THAT(error_of<WorkerStartError>(pool.call(double_it, 1)).what(),
              HasSubstr("said nothing in time"));
}

TEST_P(ProcessPools, FailWhenThereIsNoSuchProgram) {
  auto options = with_workers(1);
  options.program = "/no/such/program";
  EXPECT_THAT(error_of<WorkerStartError>(open(options).call(double_it, 1)).what(),
              HasSubstr("/no/such/program"));
}

TEST_P(ProcessPools, AreRefusedToAWorkerUnlessItAsks) {
  auto& pool = open(1);
  EXPECT_THAT(result_of(pool.call(nested, false)), HasSubstr("allow_in_worker"));
  EXPECT_EQ(result_of(pool.call(nested, true)), "42");
}

TEST_P(ProcessPools, RefuseOptionsThatMakeNoSense) {
  auto options = with_workers(1);
  options.min_workers = 2;
  EXPECT_THROW(open(options), InvalidArgument);
  options = with_workers(1);
  options.max_calls_per_worker = 0;
  EXPECT_THROW(open(options), InvalidArgument);
}

// ---- the end

TEST_P(ProcessPools, StopWhenTheCallsThatRunAreDone) {
  auto& pool = open(1);
  auto running = pool.call(make_string, 100);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  auto waiting = pool.call(double_it, 1);
  auto stopped = pool.stop(std::chrono::seconds(20));
  auto late = pool.call(double_it, 1);
  static_cast<void>(error_of<NotRunningError>(std::move(late)));
  static_cast<void>(error_of<NotRunningError>(std::move(waiting)));
  EXPECT_EQ(result_of(std::move(running)).size(), 100U);
  result_of(std::move(stopped));
  EXPECT_TRUE(pool.stats().pids.empty());
  result_of(pool.stop(std::chrono::seconds(20)));
}

TEST_P(ProcessPools, KillWhatStillRunsAtTheDeadlineOfAStop) {
  auto& pool = open(2);
  auto running = pool.call(hang);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  auto slow = pool.stop(std::chrono::seconds(1000));
  auto quick = pool.stop(Duration::zero());
  static_cast<void>(error_of<NotRunningError>(std::move(running)));
  result_of(std::move(slow));
  result_of(std::move(quick));
}

TEST_P(ProcessPools, StopWhileTheyStart) {
  const SlowStart gate;
  auto options = gate.options();
  options.max_workers = options.min_workers = 2;
  auto& pool = open(options);
  auto call = pool.call(double_it, 1);
  ASSERT_TRUE(spin_until([&] { return pool.stats().starting == 2; }));
  result_of(pool.stop(std::chrono::seconds(20)));
  static_cast<void>(error_of<NotRunningError>(std::move(call)));
}

TEST_P(ProcessPools, StopWithTheirReactor) {
  auto& pool = open(1);
  auto done = pool.call(double_it, 4).add_callback([this](int n) {
    reactor_->stop();
    return n;
  });
  reactor_->run();
  EXPECT_EQ(success_result_of(std::move(done)), 8);
  EXPECT_TRUE(pool.stats().pids.empty());
}

TEST_P(ProcessPools, FailTheirCallsWhenTheyAreDestroyed) {
  auto& pool = open(1);
  auto running = pool.call(hang);
  auto waiting = pool.call(double_it, 1);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  pool_.reset();
  static_cast<void>(failure_result_of<NotRunningError>(std::move(running)));
  static_cast<void>(failure_result_of<NotRunningError>(std::move(waiting)));
}

TEST_P(ProcessPools, HaveStoppedWhenTheyAreDestroyedMeanwhile) {
  auto& pool = open(1);
  auto running = pool.call(hang);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  auto stopped = pool.stop(std::chrono::seconds(20));
  pool_.reset();
  static_cast<void>(failure_result_of<NotRunningError>(std::move(running)));
  success_result_of(std::move(stopped));
}

TEST_P(ProcessPools, MayBeDestroyedByWhoeverHearsOfAResult) {
  auto& pool = open(1);
  bool heard = false;
  const auto told = pool.call(double_it, 1).add_callback([&](int) {
    pool_.reset();
    heard = true;
  });
  const auto other = pool.call(double_it, 2).add_errback([](const Failure&) { return 0; });
  EXPECT_TRUE(spin_until([&] { return heard; }));
}

TEST_P(ProcessPools, FailTheirCallsWhenTheReactorIsDestroyed) {
  auto& pool = open(1);
  auto running = pool.call(hang);
  auto waiting = pool.call(double_it, 1);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  reactor_.reset();
  ASSERT_TRUE(running.ready() && waiting.ready());
  static_cast<void>(running.take_result());
  static_cast<void>(failure_result_of<NotRunningError>(std::move(waiting)));
}

TEST_P(ProcessPools, HaveStoppedWhenTheirReactorIsGone) {
  auto& pool = open(1);
  EXPECT_EQ(result_of(pool.call(double_it, 2)), 4);
  reactor_.reset();
  static_cast<void>(failure_result_of<NotRunningError>(pool.call(double_it, 3)));
  success_result_of(pool.stop(Duration::zero()));
}

TEST_P(ProcessPools, EndTheirWorkersInMidCallEvenWhenTheyAreKilledThemselves) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("weft-orphan-" + std::to_string(::getpid()) + GetParam());
  const auto path = folder.string();
  auto& pool = open(1);
  auto parent = pool.call(orphan, path);
  ASSERT_TRUE(spin_until([&] { return std::filesystem::exists(path); }));
  pid_t worker = 0;
  std::ifstream(path) >> worker;
  std::filesystem::remove(path);
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, worker, 0));
  ASSERT_GE(handle, 0);
  ::kill(static_cast<pid_t>(pool.stats().pids.front()), SIGKILL);
  static_cast<void>(error_of<WorkerLost>(std::move(parent)));
  pollfd end{handle, POLLIN, 0};
  EXPECT_EQ(::poll(&end, 1, 10'000), 1) << "the worker of a dead pool goes on";
  ::close(handle);
}

}  // namespace
}  // namespace weft::testing
