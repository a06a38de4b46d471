#include "../transports/process_pool.hpp"

#include "../framework/context.hpp"
#include "../framework/gather.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/gtest_matchers.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "make_reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <numeric>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_TEST_SANITIZED 1
#endif

namespace weft::testing {
namespace {

using ::testing::HasSubstr;

// ---- what the workers can do

struct OutOfStock : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Order {
  int number = 0;
  std::string what;
  std::vector<double> prices;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, what, prices);
  }
};

// [register]
const auto factorise =
    register_worker_function("factorise", [](std::uint64_t n) -> std::vector<std::uint64_t> {
      std::vector<std::uint64_t> factors;
      for (std::uint64_t divisor = 2; divisor * divisor <= n; ++divisor) {
        for (; n % divisor == 0; n /= divisor)
          factors.push_back(divisor);
      }
      if (n > 1) factors.push_back(n);
      return factors;
    });
// [register]
const auto double_it = register_worker_function("double", [](int n) { return 2 * n; });
const auto total = register_worker_function("total", [](const std::map<int, Order>& orders) {
  Order sum{0, "all", {0.0}};
  for (const auto& [number, order] : orders) {
    sum.number += order.number;
    sum.prices[0] += std::accumulate(order.prices.begin(), order.prices.end(), 0.0);
  }
  return sum;
});
const auto pid_of_worker = register_worker_function("pid", [] { return std::int64_t{::getpid()}; });
const auto hang = register_worker_function("hang", [] {
  for (;;)
    ::pause();
});
const auto die = register_worker_function("die", [](int signal) {
  std::fputs("last words\n", stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
});
const auto leave = register_worker_function("leave", [](int status) { std::_Exit(status); });
const auto read_byte = register_worker_function(
    "read_byte", [](const std::string& path) { return std::ifstream(path).get(); });
const auto print = register_worker_function("print", [](const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0;
});
const auto babble = register_worker_function(
    "babble", [](const std::string& bytes) { return ::write(3, bytes.data(), bytes.size()) > 0; });
const auto make_string = register_worker_function(
    "make_string", [](std::size_t size) { return std::string(size, 'x'); });
const auto size_of_string =
    register_worker_function("size_of_string", [](const std::string& text) { return text.size(); });
const auto fail_with = register_worker_function("fail_with", [](const std::string& kind) {
  if (kind == "own") throw OutOfStock("no pears");
  if (kind == "argument") throw std::invalid_argument("negative");
  if (kind == "cancelled") throw CancelledError();
  if (kind == "timeout") throw TimeoutError("too late");
  throw 42;
});
const auto has_variable = register_worker_function(
    "has_variable", [](const std::string& name) { return std::getenv(name.c_str()) != nullptr; });

Transferable<std::string> as_text() {
  return {[](const std::string& text) { return text; },
          [](std::string_view bytes) { return std::string(bytes); }};
}
// [context]
const ContextVar<std::string> request("request", "none", {.transferable = as_text()});
const auto ask_for_request =
    register_worker_function("request", [] { return "for " + request.get(); });
// [context]

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

// ---- the pool

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

ProcessPoolOptions with_workers(std::size_t workers) {
  ProcessPoolOptions options;
  options.max_workers = workers;
  return options;
}

/// A program of the system in the place of the worker.
ProcessPoolOptions run_by_shell(const std::string& script) {
  auto options = with_workers(1);
  options.program = "/bin/sh";
  options.arguments = {"-c", script};
  return options;
}

/// Holds workers up as they start.
class SlowStart {
 public:
  SlowStart() {
    ::mkfifo(path_.c_str(), 0600);
    // For both ways, so that neither side waits for the other.
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~SlowStart() {
    ::close(descriptor_);
    std::filesystem::remove(path_);
  }
  SlowStart(const SlowStart&) = delete;
  SlowStart& operator=(const SlowStart&) = delete;
  [[nodiscard]] ProcessPoolOptions options() const {
    const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
    return run_by_shell("read line <" + path_ + "; exec " + program + " \"$0\"");
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  void go_on() const { EXPECT_EQ(::write(descriptor_, "\n", 1), 1); }

 private:
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("weft-gate-" + std::to_string(::getpid())))
          .string();
  int descriptor_ = -1;
};

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

/// On each reactor. Each test must leave no child, not even a dead one, and no descriptor.
class ProcessPools : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { reactor_ = make_reactor(GetParam()); }
  void TearDown() override {
    pool_.reset();
    reactor_.reset();
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1) << "a child is left";
    EXPECT_EQ(errno, ECHILD);
    EXPECT_EQ(open_descriptors(), descriptors_);
  }
  ProcessPool& open(const ProcessPoolOptions& options) {
    pool_ = std::make_unique<ProcessPool>(*reactor_, options);
    return *pool_;
  }
  ProcessPool& open(std::size_t workers) { return open(with_workers(workers)); }
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    const auto limit = reactor_->now() + std::chrono::seconds(20);
    while (!condition()) {
      if (reactor_->now() > limit) return false;
      reactor_->run_once(std::chrono::milliseconds(5));
    }
    return true;
  }
  template <class T>
  T result_of(Deferred<T> deferred) {
    if (!spin_until([&] { return deferred.ready(); })) throw TimeoutError("no result came");
    if constexpr (std::is_void_v<T>) {
      success_result_of(std::move(deferred));
    } else {
      return success_result_of(std::move(deferred));
    }
  }
  template <class E, class T>
  E error_of(Deferred<T> deferred) {
    if (!spin_until([&] { return deferred.ready(); })) throw TimeoutError("no result came");
    return *failure_result_of<E>(std::move(deferred)).template check<E>();
  }
  [[nodiscard]] bool reaches(std::size_t workers) {
    return spin_until([&] { return pool_->stats().workers == workers; });
  }

 private:
  std::size_t descriptors_ = open_descriptors();

 protected:
  const LogCapture log_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<ProcessPool> pool_;
};

TEST_P(ProcessPools, RunAFunctionInAnotherProcess) {
  auto& pool = open(1);
  EXPECT_EQ(result_of(pool.call(factorise, 360)), (std::vector<std::uint64_t>{2, 2, 2, 3, 3, 5}));
  EXPECT_NE(result_of(defer_to_process(pool, pid_of_worker)), std::int64_t{::getpid()});
}

TEST_P(ProcessPools, PassTypesOfTheApplicationBothWays) {
  auto& pool = open(1);
  const std::map<int, Order> orders{{1, {3, "pears", {1.5, 2.5}}}, {2, {4, "\0\xff", {8.0}}}};
  const auto sum = result_of(pool.call(total, orders));
  EXPECT_EQ(sum.number, 7);
  EXPECT_EQ(sum.what, "all");
  EXPECT_EQ(sum.prices, std::vector<double>{12.0});
}

TEST_P(ProcessPools, MakeAThousandCallsWithTwoWorkersAndMixNoneUp) {
  auto& pool = open(2);
  std::vector<Deferred<int>> results;
  for (int i = 0; i < 1000; ++i)
    results.push_back(pool.call(double_it, i));
  const auto doubled = result_of(gather_results(std::move(results)));
  ASSERT_EQ(doubled.size(), 1000U);
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(doubled[static_cast<std::size_t>(i)], 2 * i);
  EXPECT_EQ(pool.stats().started, 2U);
}

TEST_P(ProcessPools, BeginCallsInTheOrderInWhichTheyWereMade) {
  auto& pool = open(1);
  std::vector<int> order;
  std::vector<Deferred<void>> all;
  for (int i = 0; i < 20; ++i)
    all.push_back(pool.call(double_it, i).add_callback([&](int n) { order.push_back(n / 2); }));
  static_cast<void>(result_of(gather_results(std::move(all))));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

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

TEST_P(ProcessPools, AreNotDisturbedByWhatAFunctionPrints) {
  auto& pool = open(1);
  EXPECT_TRUE(result_of(pool.call(print, "")));
  EXPECT_EQ(result_of(pool.call(double_it, 1)), 2);
}

TEST_P(ProcessPools, LeaveNoMarkInTheEnvironmentOfAWorker) {
  auto& pool = open(1);
  EXPECT_TRUE(result_of(pool.call(has_variable, "PATH")));
  EXPECT_FALSE(result_of(pool.call(has_variable, "WEFT_WORKER")));
}

TEST_P(ProcessPools, TakeTheContextOfACallAlongAndLetItEndWithIt) {
  auto& pool = open(1);
  std::vector<Deferred<std::string>> told;
  for (const auto* const name : {"one", "two"}) {
    const auto scope = request.scoped(name);
    told.push_back(pool.call(ask_for_request));
  }
  told.push_back(pool.call(ask_for_request));
  {
    const auto scope = request.scoped("three");
    const auto none = Context::suppress();
    told.push_back(pool.call(ask_for_request));
  }
  EXPECT_EQ(result_of(gather_results(std::move(told))),
            (std::vector<std::string>{"for one", "for two", "for none", "for none"}));
}

TEST_P(ProcessPools, DoNotKeepTheContextOfACallInItsWorker) {
  auto& pool = open(1);
  bool ended = false;
  {
    const auto scope = request.scoped("short");
    Context::current().on_exit([&] { ended = true; });
    EXPECT_EQ(result_of(pool.call(ask_for_request)), "for short");
  }
  EXPECT_TRUE(spin_until([&] { return ended; }));
  EXPECT_EQ(pool.stats().workers, 1U);
}

// ---- functions that fail

TEST_P(ProcessPools, BringWhatAFunctionThrowsWithItsTypeAndItsMessage) {
  auto& pool = open(1);
  const auto error = error_of<RemoteError>(pool.call(fail_with, "own"));
  EXPECT_THAT(error.type_name(), HasSubstr("OutOfStock"));
  EXPECT_EQ(error.said(), "no pears");
  EXPECT_STREQ(error_of<std::invalid_argument>(pool.call(fail_with, "argument")).what(),
               "negative");
  static_cast<void>(error_of<CancelledError>(pool.call(fail_with, "cancelled")));
  static_cast<void>(error_of<TimeoutError>(pool.call(fail_with, "timeout")));
  static_cast<void>(error_of<RemoteError>(pool.call(fail_with, "no exception at all")));
  EXPECT_EQ(pool.stats().started, 1U);
}

TEST_P(ProcessPools, RefuseAFunctionThatTheWorkersDoNotKnow) {
  auto& pool = open(1);
  const WorkerFunction<int(int)> unknown("unheard of");
  EXPECT_THAT(error_of<UnknownWorkerFunction>(pool.call(unknown, 1)).what(),
              HasSubstr("unheard of"));
}

TEST(WorkerFunctions, RefuseANameThatIsTakenOrEmpty) {
  EXPECT_THROW(static_cast<void>(register_worker_function("double", [] {})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(register_worker_function("", [] {})), InvalidArgument);
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

// ---- cancelling

TEST_P(ProcessPools, MakeNoCallThatIsCancelledBeforeAWorkerIsThere) {
  const SlowStart gate;
  auto& pool = open(gate.options());
  auto early = pool.call(hang);
  early.cancel();
  static_cast<void>(error_of<CancelledError>(std::move(early)));
  auto starting = pool.call(hang);
  ASSERT_TRUE(spin_until([&] { return pool.stats().starting == 1; }));
  starting.cancel();
  static_cast<void>(error_of<CancelledError>(std::move(starting)));
  EXPECT_EQ(pool.stats().queued, 0U);
  gate.go_on();
  EXPECT_EQ(result_of(pool.call(double_it, 1)), 2);
  EXPECT_EQ(pool.stats().started, 1U);
  pool_.reset();
}

TEST_P(ProcessPools, KillAndReplaceTheWorkerWhoseCallIsCancelled) {
  auto& pool = open(1);
  auto running = pool.call(hang);
  auto waiting = pool.call(hang);
  auto next = pool.call(double_it, 1);
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  waiting.cancel();
  running.cancel();
  static_cast<void>(error_of<CancelledError>(std::move(waiting)));
  static_cast<void>(error_of<CancelledError>(std::move(running)));
  EXPECT_EQ(result_of(std::move(next)), 2);
  EXPECT_EQ(pool.stats().started, 2U);
}

TEST_P(ProcessPools, TakeACancelOfWhatIsDoneForNothing) {
  auto& pool = open(1);
  auto done = pool.call(double_it, 1);
  ASSERT_TRUE(spin_until([&] { return done.ready(); }));
  done.cancel();
  EXPECT_EQ(success_result_of(std::move(done)), 2);
  EXPECT_EQ(result_of(pool.call(double_it, 2)), 4);
  EXPECT_EQ(pool.stats().started, 1U);
}

// ---- limits

TEST_P(ProcessPools, KillWhatTakesLongerThanItMay) {
  auto& pool = open(1);
  CallOptions quick;
  quick.timeout = std::chrono::milliseconds(1);
  EXPECT_THAT(error_of<TimeoutError>(pool.call(quick, hang)).what(), HasSubstr("\"hang\""));
  EXPECT_EQ(result_of(pool.call(double_it, 1)), 2);
  EXPECT_EQ(pool.stats().started, 2U);
}

TEST_P(ProcessPools, FailACallThatCannotBeginAndKeepTheWorker) {
  auto& pool = open(1);
  CallOptions past;
  past.timeout = std::chrono::milliseconds(-1);
  auto refused = pool.call(past, double_it, 1);
  auto next = pool.call(double_it, 2);
  static_cast<void>(error_of<InvalidArgument>(std::move(refused)));
  EXPECT_EQ(result_of(std::move(next)), 4);
  EXPECT_EQ(pool.stats().started, 1U);
}

TEST_P(ProcessPools, FailWhatTakesMoreMemoryThanItMayAndKeepTheWorker) {
#ifdef WEFT_TEST_SANITIZED
  GTEST_SKIP() << "a sanitizer takes all address space for itself";
#else
  auto options = with_workers(1);
  options.call.max_memory_bytes = std::size_t{64} * 1024 * 1024;
  auto& pool = open(options);
  const std::size_t too_much = std::size_t{256} * 1024 * 1024;
  static_cast<void>(error_of<WorkerOutOfMemory>(pool.call(make_string, too_much)));
  EXPECT_EQ(result_of(pool.call(make_string, 1000)).size(), 1000U);
  EXPECT_EQ(pool.stats().started, 1U);
#endif
}

TEST_P(ProcessPools, RefuseArgumentsAndResultsBeyondTheirLimit) {
  auto options = with_workers(1);
  options.max_message_bytes = 10'000;
  auto& pool = open(options);
  auto refused = pool.call(size_of_string, std::string(10'000, 'x'));
  ASSERT_TRUE(refused.ready());
  static_cast<void>(failure_result_of<WorkerMessageTooLong>(std::move(refused)));
  static_cast<void>(error_of<WorkerMessageTooLong>(pool.call(make_string, 10'000)));
  // The text, and how long it is.
  const std::size_t most = 10'000 - sizeof(std::uint64_t);
  EXPECT_EQ(result_of(pool.call(make_string, most)).size(), most);
  EXPECT_EQ(result_of(pool.call(size_of_string, std::string(most, 'x'))), most);
  EXPECT_EQ(pool.stats().started, 1U);
}

TEST_P(ProcessPools, PassMegabytesBothWays) {
  auto& pool = open(1);
  EXPECT_EQ(result_of(pool.call(make_string, 5'000'000)).size(), 5'000'000U);
  EXPECT_EQ(result_of(pool.call(size_of_string, std::string(5'000'000, 'y'))), 5'000'000U);
}

TEST_P(ProcessPools, RefuseOneCallPastTheLimitOfTheQueue) {
  auto options = with_workers(1);
  options.max_queued = 1;
  auto& pool = open(options);
  auto first = pool.call(double_it, 1);
  auto second = pool.call(double_it, 2);
  static_cast<void>(error_of<QueueFull>(pool.call(double_it, 3)));
  EXPECT_EQ(result_of(std::move(second)), 4);
  EXPECT_EQ(result_of(std::move(first)), 2);
  EXPECT_EQ(result_of(pool.call(double_it, 3)), 6);
}

TEST_P(ProcessPools, TakeTheLargestNumbersForNoLimit) {
  auto options = with_workers(1);
  options.max_queued = options.max_message_bytes = SIZE_MAX;
  auto& pool = open(options);
  EXPECT_EQ(result_of(pool.call(make_string, 100'000)).size(), 100'000U);
  auto running = pool.call(hang);
  auto soon = pool.stop(Duration::zero());
  auto unbounded = pool.stop(Duration::max());
  static_cast<void>(error_of<NotRunningError>(std::move(running)));
  result_of(std::move(soon));
  result_of(std::move(unbounded));
}

TEST_P(ProcessPools, ReplaceAWorkerThatHasMadeItsCalls) {
  auto options = with_workers(1);
  options.max_calls_per_worker = 2;
  auto& pool = open(options);
  std::vector<std::int64_t> pids;
  for (int i = 0; i < 4; ++i)
    pids.push_back(result_of(pool.call(pid_of_worker)));
  EXPECT_EQ(pids[0], pids[1]);
  EXPECT_NE(pids[1], pids[2]);
  EXPECT_EQ(pids[2], pids[3]);
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

INSTANTIATE_TEST_SUITE_P(Reactors, ProcessPools, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft::testing
