#include "process_pool_core.hpp"

#include "../../framework/census.hpp"
#include "../../framework/coroutines/task.hpp"
#include "../../framework/coroutines/task_list.hpp"
#include "../../testing/log_capture.hpp"
#include "../../testing/memory_reactor.hpp"
#include "../../testing/results.hpp"
#include "../../testing/string_process.hpp"
#include "worker_messages.hpp"
#include "worker_values.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::failure_result_of;
using testing::StringProcess;
using testing::success_result_of;

// A reactor whose children the test plays.
class PlayedReactor final : public testing::MemoryReactor {
 public:
  std::shared_ptr<Process> spawn_process(std::shared_ptr<ProcessProtocol> protocol,
                                         const ProcessOptions& options) override {
    children.push_back(testing::spawn(std::move(protocol), options));
    return children.back();
  }

  std::vector<std::shared_ptr<StringProcess>> children;
};

class PlayedPool : public ::testing::Test {
 protected:
  void open(std::size_t min_workers) {
    ProcessPoolOptions options;
    options.max_workers = 4;
    options.min_workers = min_workers;
    pool_.emplace(reactor_, options);
    reactor_.settle();
  }
  [[nodiscard]] std::size_t started() const { return reactor_.children.size(); }

  // ---- what the worker that was started last does

  void say(const detail::FromWorker& message) {
    reactor_.children.back()->deliver(detail::worker_descriptor, detail::framed(message));
    reactor_.settle();
  }
  void greet() { say(detail::WorkerHello{}); }
  void answer(std::uint64_t call) { say(detail::WorkerResult{call, detail::pack<int>(7)}); }
  void exit(std::size_t worker) {
    reactor_.children[worker]->exit(ProcessStatus::exited(3));
    reactor_.settle();
  }
  void exit() { exit(started() - 1); }
  void greet_and_exit() {
    greet();
    exit();
  }

  /// That the next worker is started when `pause` is over, and not before.
  void expect_started_after(Duration pause) {
    const auto before = started();
    reactor_.advance(pause - 1ns);
    EXPECT_EQ(started(), before);
    reactor_.advance(1ns);
    EXPECT_EQ(started(), before + 1);
  }

  void expect_all_wait_for_this_file() {
    for (const auto& task : tasks(reactor_)) {
      EXPECT_NE(task.waits_for.find("process_pool_core_test.cpp:"), std::string::npos)
          << task.waits_for;
    }
  }

  const testing::LogCapture log_;
  const WorkerFunction<int(int)> function_{"function"};
  PlayedReactor reactor_;
  std::optional<ProcessPool> pool_;
};

// ---- workers that end by themselves

TEST_F(PlayedPool, ReplacesWorkersThatEndUnusedAfterPausesThatGrowToTenSeconds) {
  open(1);
  for (const Duration pause : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 10000ms}) {
    greet_and_exit();
    expect_started_after(pause);
  }
  for (int i = 0; i < 100; ++i) {
    greet_and_exit();
    expect_started_after(10s);
  }
  EXPECT_EQ(log_.lines().size(), 108U);
  EXPECT_TRUE(log_.contains("exited with code 3 before it took a call"));
  EXPECT_TRUE(log_.contains("in 100 ms"));
}

TEST_F(PlayedPool, ReplacesAtOnceWhoHasAnsweredACall) {
  open(1);
  greet();
  auto result = pool_->call(function_, 1);
  answer(1);
  EXPECT_EQ(success_result_of(std::move(result)), 7);
  exit();
  EXPECT_EQ(started(), 2U);
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(PlayedPool, ReplacesAtOnceWhoHasLastedTenSeconds) {
  open(1);
  greet();
  reactor_.advance(10s);
  exit();
  EXPECT_EQ(started(), 2U);
  greet();
  reactor_.advance(10s - 1ns);
  exit();
  EXPECT_EQ(started(), 2U);
}

TEST_F(PlayedPool, ReplacesAtOnceWhoDiedOfItsCall) {
  open(1);
  for (std::size_t i = 1; i <= 5; ++i) {
    greet();
    auto result = pool_->call(function_, 1);
    exit();
    static_cast<void>(failure_result_of<WorkerLost>(std::move(result)));
    EXPECT_EQ(started(), i + 1);
  }
}

TEST_F(PlayedPool, StartsAWorkerForACallWhilePausing) {
  open(1);
  greet_and_exit();
  auto result = pool_->call(function_, 1);
  reactor_.settle();
  EXPECT_EQ(started(), 2U);
  greet();
  answer(1);
  EXPECT_EQ(success_result_of(std::move(result)), 7);
  reactor_.advance(1h);
  EXPECT_EQ(started(), 2U);
}

TEST_F(PlayedPool, BeginsWithAShortPauseAgainWhenACallWasAnswered) {
  open(1);
  for (const Duration pause : {100ms, 200ms}) {
    greet_and_exit();
    expect_started_after(pause);
  }
  greet();
  auto result = pool_->call(function_, 1);
  answer(1);
  exit();
  static_cast<void>(success_result_of(std::move(result)));
  greet_and_exit();
  expect_started_after(100ms);
}

TEST_F(PlayedPool, ReplacesTogetherWhoEndsTogether) {
  open(3);
  ASSERT_EQ(started(), 3U);
  for (const auto& child : reactor_.children) {
    child->deliver(detail::worker_descriptor,
                   detail::framed(detail::FromWorker(detail::WorkerHello{})));
  }
  for (std::size_t worker = 0; worker < 3; ++worker)
    exit(worker);
  reactor_.advance(100ms);
  EXPECT_EQ(started(), 6U);
  greet_and_exit();
  expect_started_after(200ms);
}

TEST_F(PlayedPool, StartsNobodyWhenItStopsOrGoesWhilePausing) {
  for (const bool stops : {true, false}) {
    open(1);
    greet_and_exit();
    const auto before = started();
    if (stops) {
      auto stopped = pool_->stop(1s);
      success_result_of(std::move(stopped));
    } else {
      pool_.reset();
    }
    reactor_.advance(1h);
    EXPECT_EQ(started(), before);
  }
}

// ---- places

template <class T>
Task<T> wait_for(Deferred<T> result) {
  co_return co_await std::move(result);
}

TEST_F(PlayedPool, TellsWhereACallWasMadeAndWhereItWasToldToStop) {
  open(1);
  greet();
  const WorkerFunction<int()> nothing("nothing");
  std::vector<Deferred<int>> results;
  results.push_back(ensure_deferred(wait_for(pool_->call(function_, 1))));
  results.push_back(ensure_deferred(wait_for(pool_->call(CallOptions(), function_, 1))));
  results.push_back(ensure_deferred(wait_for(defer_to_process(*pool_, function_, 1))));
  results.push_back(ensure_deferred(wait_for(pool_->call(nothing))));
  results.push_back(ensure_deferred(wait_for(pool_->call(CallOptions(), nothing))));
  results.push_back(ensure_deferred(wait_for(defer_to_process(*pool_, nothing))));
  EXPECT_EQ(tasks(reactor_).size(), results.size());
  expect_all_wait_for_this_file();
  auto stopped = ensure_deferred(wait_for(pool_->stop(1h)));
  expect_all_wait_for_this_file();
  pool_.reset();
  for (auto& result : results)
    static_cast<void>(failure_result_of<NotRunningError>(std::move(result)));
  success_result_of(std::move(stopped));
}

TEST_F(PlayedPool, TellsWhereACallWasMadeWhoseFailureNobodyHandles) {
  open(1);
  greet();
  {
    const auto result = pool_->call(function_, 1);
    exit();
    EXPECT_TRUE(result.ready());
  }
  census().unhandled_failures -= 1;
  EXPECT_TRUE(log_.contains("process_pool_core_test.cpp:"));
}

}  // namespace
}  // namespace weft
