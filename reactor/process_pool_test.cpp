#include "process_pool_test.hpp"

#include "../framework/context.hpp"
#include "../framework/gather.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <stdexcept>
#include <vector>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEFT_TEST_SANITIZED 1
#endif

namespace weft::testing {
namespace {

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
const auto total = register_worker_function("total", [](const std::map<int, Order>& orders) {
  Order sum{0, "all", {0.0}};
  for (const auto& [number, order] : orders) {
    sum.number += order.number;
    sum.prices[0] += std::accumulate(order.prices.begin(), order.prices.end(), 0.0);
  }
  return sum;
});
const auto pid_of_worker = register_worker_function("pid", [] { return std::int64_t{::getpid()}; });
const auto print = register_worker_function("print", [](const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0;
});
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

// ---- what calls do

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

INSTANTIATE_TEST_SUITE_P(Reactors, ProcessPools, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft::testing
