#include "../framework/defer_later.hpp"
#include "../framework/thread_name.hpp"
#include "../framework/thread_pool.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/gtest_matchers.hpp"
#include "../testing/results.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

constexpr auto long_enough = std::chrono::seconds(30);

/// Holds the threads of a pool up until it is opened.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await(int waiting) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= waiting; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

ThreadPoolOptions with_threads(std::size_t max_threads) {
  ThreadPoolOptions options;
  options.max_threads = max_threads;
  return options;
}

// ---- the pool alone

TEST(ThreadPoolOptions, RefuseToKeepMoreThreadsThanThereMayBe) {
  auto options = with_threads(2);
  options.min_threads = 3;
  EXPECT_THROW(ThreadPool{options}, InvalidArgument);
  ThreadPool pool(2);
  EXPECT_THROW(pool.set_options(options), InvalidArgument);
}

TEST(ThreadPoolQueue, RefusesOneCallPastItsLimitAndTakesMoreWhenOneIsDone) {
  Gate gate;
  auto options = with_threads(1);
  options.max_queued = 2;
  ThreadPool pool(options);
  std::promise<void> done;
  pool.submit([&] { gate.wait(); });
  pool.submit([] {});
  pool.submit([&done] { done.set_value(); });
  EXPECT_THROW(pool.submit([] {}), QueueFull);
  gate.open();
  done.get_future().wait();
  EXPECT_TRUE(pool.submit([] {}));
}

TEST(ThreadPoolQueue, HoldsNothingButWhatRunsWhenNothingMayWait) {
  Gate gate;
  auto options = with_threads(2);
  options.max_queued = 0;
  ThreadPool pool(options);
  pool.submit([&] { gate.wait(); });
  pool.submit([&] { gate.wait(); });
  EXPECT_THROW(pool.submit([] {}), QueueFull);
  gate.open();
}

TEST(ThreadPoolQueue, DestroysACancelledCallAndLeavesTheOthers) {
  Gate gate;
  ThreadPool pool(1);
  const auto captured = std::make_shared<int>();
  std::promise<void> last;
  pool.submit([&] { gate.wait(); });
  gate.await(1);
  std::vector<ThreadJob> jobs;
  for (int i = 0; i < 3; ++i)
    jobs.push_back(pool.submit_job([captured] { ADD_FAILURE() << "it was cancelled"; }));
  pool.submit([&last] { last.set_value(); });
  for (const auto i : {1U, 0U, 2U}) {
    EXPECT_TRUE(jobs[i].cancel());
    EXPECT_FALSE(jobs[i].cancel());
  }
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(pool.stats().queued, 1U);
  gate.open();
  last.get_future().wait();
}

TEST(ThreadPoolQueue, DoesNotCancelWhatHasBegun) {
  Gate gate;
  ThreadJob job;
  EXPECT_FALSE(job.cancel());
  {
    ThreadPool pool(1);
    job = pool.submit_job([&] { gate.wait(); });
    gate.await(1);
    EXPECT_FALSE(job.cancel());
    gate.open();
  }
  EXPECT_FALSE(job.cancel());
}

TEST(ThreadPoolStats, CountThreadsCallsThatRunAndCallsThatWait) {
  Gate gate;
  ThreadPool pool(2);
  for (int i = 0; i < 5; ++i)
    pool.submit([&] { gate.wait(); });
  gate.await(2);
  const auto stats = pool.stats();
  EXPECT_EQ(stats.threads, 2U);
  EXPECT_EQ(stats.busy, 2U);
  EXPECT_EQ(stats.queued, 3U);
  gate.open();
  EXPECT_TRUE(pool.stop(long_enough));
  EXPECT_EQ(pool.stats().busy, 0U);
}

TEST(ThreadPoolThreads, EndWhenTheyAreIdleExceptForThoseThatAreKept) {
  Gate gate;
  auto options = with_threads(4);
  options.min_threads = 1;
  options.max_idle = std::chrono::milliseconds(1);
  ThreadPool pool(options);
  for (int i = 0; i < 4; ++i)
    pool.submit([&] { gate.wait(); });
  gate.await(4);
  gate.open();
  while (pool.threads() > 1)
    std::this_thread::yield();
  std::promise<void> done;
  pool.submit([&done] { done.set_value(); });
  done.get_future().wait();
  while (pool.threads() > 1)
    std::this_thread::yield();
  EXPECT_EQ(pool.threads(), 1U);
}

TEST(ThreadPoolThreads, EndWhenTheyHaveBecomeTooMany) {
  Gate gate;
  ThreadPool pool(4);
  for (int i = 0; i < 4; ++i)
    pool.submit([&] { gate.wait(); });
  gate.await(4);
  pool.set_options(with_threads(2));
  gate.open();
  while (pool.threads() > 2)
    std::this_thread::yield();
  EXPECT_EQ(pool.threads(), 2U);
}

#ifdef __linux__
TEST(ThreadPoolThreads, AreWaitedForWithoutALimitWhereThatIsAskedFor) {
  Gate gate;
  ThreadPool pool(1);
  pool.submit([&] { gate.wait(); });
  pool.submit([] {});
  gate.await(1);
  std::thread opener([&] {
    while (pool.stats().queued > 0)
      std::this_thread::yield();
    gate.open();
  });
  EXPECT_TRUE(pool.stop(Duration::max()));
  opener.join();
}

TEST(ThreadPoolThreads, AreStartedForWhatWaitsWhenThereMayBeMore) {
  Gate gate;
  ThreadPool pool(1);
  for (int i = 0; i < 2; ++i)
    pool.submit([&] { gate.wait(); });
  gate.await(1);
  ThreadPoolOptions options;
  options.max_threads = 4;
  pool.set_options(options);
  EXPECT_EQ(pool.threads(), 2U);
  if (pool.threads() == 2) gate.await(2);
  gate.open();
}

TEST(ThreadPoolThreads, HaveTheNameOfTheirPoolAndANumber) {
  const auto reactor = make_reactor();
  const auto name_of = [](const std::string& name) {
    auto options = with_threads(1);
    options.name = name;
    ThreadPool pool(options);
    std::promise<std::string> told;
    pool.submit([&told] {
      std::ifstream comm("/proc/thread-self/comm");
      std::string line;
      std::getline(comm, line);
      told.set_value(line);
    });
    return told.get_future().get();
  };
  EXPECT_EQ(name_of("digest"), "digest-1");
  EXPECT_EQ(name_of("a-name-beyond-what-linux-shows"), "a-name-beyond-1");
}
#endif

// ---- on reactors

class ThreadCalls : public ::testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }
  /// Runs the reactor until `f`, which runs in another thread, is done.
  template <class F>
  void run_beside(F f) {
    std::thread other([&] {
      f();
      reactor_->stop_from_thread();
    });
    reactor_->run();
    other.join();
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
};

TEST_P(ThreadCalls, GoThroughABoundedPool) {
  int answer = 0;
  auto& reactor = *reactor_;
  // [pool]
  ThreadPoolOptions options;
  options.max_threads = 4;
  options.max_queued = 1000;
  options.name = "digest";
  ThreadPool pool(options);
  const auto done = defer_to_thread_pool(
                        reactor, pool, [](int a, int b) { return a * b; }, 6, 7)
                        .add_callback([&](int product) { answer = product; })
                        .add_errback<QueueFull>([](const QueueFull&) { /* Try again later. */ });
  // [pool]
  ASSERT_TRUE(spin_until([&] { return done.ready(); }));
  EXPECT_EQ(answer, 42);
}

TEST_P(ThreadCalls, SleepInTheReactorAndNotInTheirThread) {
  auto& reactor = *reactor_;
  // [wait]
  const auto done = defer_to_thread(reactor, [] {
    call_in_reactor_and_wait(
        [] { return defer_later(Reactor::current(), std::chrono::milliseconds(1)); });
  });
  // [wait]
  ASSERT_TRUE(spin_until([&] { return done.ready(); }));
}

TEST_P(ThreadCalls, BringResultsFromAnyPoolToTheReactor) {
  ThreadPool pool(2);
  std::thread::id there;
  auto sum = defer_to_thread_pool(
      *reactor_, pool,
      [&there](int a, int b) {
        there = std::this_thread::get_id();
        return a + b;
      },
      40, 2);
  auto failed = defer_to_thread_pool(*reactor_, pool,
                                     []() -> int { throw std::runtime_error("in the pool"); });
  ASSERT_TRUE(spin_until([&] { return sum.ready() && failed.ready(); }));
  EXPECT_EQ(success_result_of(std::move(sum)), 42);
  EXPECT_EQ(failure_result_of<std::runtime_error>(std::move(failed)).message(), "in the pool");
  EXPECT_NE(there, std::this_thread::get_id());
}

TEST_P(ThreadCalls, UseTheReactorThatRunsTheCodeUnlessTheyAreGivenOne) {
  EXPECT_THROW(static_cast<void>(defer_to_thread([] { return 1; })), NoReactorError);
  int answer = 0;
  reactor_->call_when_running([&] {
    const auto told =
        defer_to_thread([](int n) { return n + 1; }, 41).add_callback([&](int result) {
          answer = result;
          reactor_->stop();
        });
  });
  reactor_->run();
  EXPECT_EQ(answer, 42);
}

TEST_P(ThreadCalls, AreTakenOutOfTheQueueWhenTheyAreCancelled) {
  Gate gate;
  ThreadPool pool(1);
  const auto captured = std::make_shared<int>();
  auto first = defer_to_thread_pool(*reactor_, pool, [&] { gate.wait(); });
  auto second =
      defer_to_thread_pool(*reactor_, pool, [captured] { ADD_FAILURE() << "it was cancelled"; });
  gate.await(1);
  second.cancel();
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(pool.stats().queued, 0U);
  EXPECT_TRUE(failure_result_of<CancelledError>(std::move(second)).check<CancelledError>());
  gate.open();
  ASSERT_TRUE(spin_until([&] { return first.ready(); }));
}

TEST_P(ThreadCalls, GoOnWhenTheyAreCancelledLaterAndTheirResultIsDropped) {
  Gate gate;
  const auto result = std::make_shared<int>(1);
  auto running = defer_to_thread(*reactor_, [&gate, result] {
    gate.wait();
    return result;
  });
  gate.await(1);
  running.cancel();
  EXPECT_TRUE(running.ready());
  gate.open();
  EXPECT_TRUE(spin_until([&] { return result.use_count() == 1; }));
  static_cast<void>(failure_result_of<CancelledError>(std::move(running)));
}

TEST_P(ThreadCalls, FailWhenTheQueueIsFull) {
  Gate gate;
  auto options = with_threads(1);
  options.max_queued = 0;
  ThreadPool pool(options);
  auto first = defer_to_thread_pool(*reactor_, pool, [&] { gate.wait(); });
  auto second = defer_to_thread_pool(*reactor_, pool, [] { return 1; });
  ASSERT_TRUE(second.ready());
  static_cast<void>(failure_result_of<QueueFull>(std::move(second)));
  gate.open();
  ASSERT_TRUE(spin_until([&] { return first.ready(); }));
  // Who hears of a result may give the thread more.
  for (int i = 0; i < 20; ++i) {
    auto next = defer_to_thread_pool(*reactor_, pool, [i] { return i; });
    ASSERT_TRUE(spin_until([&] { return next.ready(); }));
    EXPECT_EQ(success_result_of(std::move(next)), i);
  }
}

TEST_P(ThreadCalls, FailWhenTheirPoolStopsBeforeTheyBegin) {
  Gate gate;
  auto pool = std::make_unique<ThreadPool>(1);
  auto first = defer_to_thread_pool(*reactor_, *pool, [&] { gate.wait(); });
  auto second = defer_to_thread_pool(*reactor_, *pool, [] { return 1; });
  gate.await(1);
  std::thread opener([&] {
    while (pool->stats().queued > 0)
      std::this_thread::yield();
    gate.open();
  });
  pool->stop(long_enough);
  opener.join();
  ASSERT_TRUE(spin_until([&] { return first.ready() && second.ready(); }));
  static_cast<void>(failure_result_of<NotRunningError>(std::move(second)));
}

TEST_P(ThreadCalls, OfAPoolThatOutlivesTheReactorFailWithIt) {
  Gate gate;
  ThreadPool pool(1);
  auto running = defer_to_thread_pool(*reactor_, pool, [&] {
    gate.wait();
    return 1;
  });
  auto waiting = defer_to_thread_pool(*reactor_, pool, [] { return 2; });
  gate.await(1);
  reactor_.reset();
  static_cast<void>(failure_result_of<NotRunningError>(std::move(running)));
  static_cast<void>(failure_result_of<NotRunningError>(std::move(waiting)));
  gate.open();
}

TEST_P(ThreadCalls, OfOtherPoolsGoOnWhenTheReactorsPoolLeavesAThreadToItself) {
  // The thread may outlive this test.
  const auto gate = std::make_shared<Gate>();
  ThreadPool pool(1);
  auto stuck = defer_to_thread(*reactor_, [gate] { gate->wait(); });
  auto other = defer_to_thread_pool(*reactor_, pool, [gate] {
    gate->wait();
    return call_in_reactor_and_wait([] { return 7; });
  });
  gate->await(2);
  EXPECT_FALSE(reactor_->thread_pool().stop(Duration::zero()));
  static_cast<void>(failure_result_of<NotRunningError>(std::move(stuck)));
  EXPECT_FALSE(other.ready());
  gate->open();
  ASSERT_TRUE(spin_until([&] { return other.ready(); }));
  EXPECT_EQ(success_result_of(std::move(other)), 7);
  auto later = defer_to_thread(*reactor_, [] { return 8; });
  ASSERT_TRUE(spin_until([&] { return later.ready(); }));
  EXPECT_EQ(success_result_of(std::move(later)), 8);
}

TEST_P(ThreadCalls, RunOneAfterTheOtherInOneThreadUntilOneThrows) {
  std::vector<std::thread::id> threads;
  const auto note = [&threads] { threads.push_back(std::this_thread::get_id()); };
  std::vector<Callback> calls;
  for (int i = 0; i < 3; ++i)
    calls.emplace_back(note);
  auto all = call_multiple_in_thread(*reactor_, std::move(calls));
  ASSERT_TRUE(spin_until([&] { return all.ready(); }));
  EXPECT_EQ(threads, std::vector(3, threads.front()));
  std::vector<Callback> failing;
  failing.emplace_back([] { throw std::runtime_error("the first"); });
  failing.emplace_back(note);
  auto broken = call_multiple_in_thread(*reactor_, std::move(failing));
  ASSERT_TRUE(spin_until([&] { return broken.ready(); }));
  static_cast<void>(failure_result_of<std::runtime_error>(std::move(broken)));
  EXPECT_EQ(threads.size(), 3U);
}

// ---- waiting for the reactor

TEST_P(ThreadCalls, WaitForADeferredThatTheReactorGives) {
  int answer = 0;
  run_beside([&] {
    answer = call_in_reactor_and_wait(*reactor_, [&] {
      Promise<int> promise;
      auto later = promise.deferred();
      reactor_->call_later(Duration::zero(),
                           [promise = std::move(promise)]() mutable { promise.callback(42); });
      return later;
    });
    EXPECT_THROW(call_in_reactor_and_wait(
                     *reactor_, [] { return fail<int>(make_failure<std::range_error>("far")); }),
                 std::range_error);
    call_in_reactor_and_wait(*reactor_, [] { return succeed(); });
  });
  EXPECT_EQ(answer, 42);
}

TEST_P(ThreadCalls, AreRefusedToWaitInTheThreadThatGivesTheReactorItsRounds) {
  reactor_->run_once(Duration::zero());
  EXPECT_THROW(call_in_reactor_and_wait(*reactor_, [] { return 1; }), WrongThreadError);
  reactor_->call_later(Duration::zero(), [this] {
    EXPECT_THROW(call_in_reactor_and_wait(*reactor_, [] { return 1; }), WrongThreadError);
  });
  reactor_->run_once(Duration::zero());
  // Another one that asks is answered by the rounds of this one.
  std::atomic<int> answer = 0;
  std::thread other([&] { answer = call_in_reactor_and_wait(*reactor_, [] { return 42; }); });
  EXPECT_TRUE(spin_until([&] { return answer == 42; }));
  other.join();
}

TEST_P(ThreadCalls, MayWaitForAReactorWhoseRoundsAnotherThreadHasTakenOver) {
  reactor_->run_once(Duration::zero());
  std::atomic<bool> begun = false;
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      reactor_->run_once(std::chrono::milliseconds(10));
      begun = true;
    }
  });
  while (!begun)
    std::this_thread::yield();
  EXPECT_EQ(call_in_reactor_and_wait(*reactor_, [] { return 42; }), 42);
  done = true;
  other.join();
}

TEST_P(ThreadCalls, WaitForTheReactorForEverWhenTheyAreAskedTo) {
  int answer = 0;
  run_beside([&] {
    answer = call_in_reactor_and_wait(
        *reactor_, [] { return 42; }, Duration::max());
  });
  EXPECT_EQ(answer, 42);
}

TEST_P(ThreadCalls, CancelADeferredThatTakesTooLong) {
  bool cancelled = false;
  Promise<int> never([&] { cancelled = true; });
  auto deferred = never.deferred();
  bool asked = false;
  run_beside([&] {
    // Where the machine is so slow that the call does not begin in time, there is none to cancel.
    EXPECT_THROW(call_in_reactor_and_wait(
                     *reactor_,
                     [&] {
                       asked = true;
                       return std::move(deferred);
                     },
                     std::chrono::milliseconds(20)),
                 TimeoutError);
    call_in_reactor_and_wait(*reactor_, [] {});
  });
  EXPECT_EQ(cancelled, asked);
}

TEST_P(ThreadCalls, DoNotMakeACallThatNobodyWaitsForAnyMore) {
  bool made = false;
  std::thread([&] {
    EXPECT_THROW(call_in_reactor_and_wait(
                     *reactor_, [&] { made = true; }, Duration::zero()),
                 TimeoutError);
  }).join();
  bool after = false;
  reactor_->call_from_thread([&] { after = true; });
  ASSERT_TRUE(spin_until([&] { return after; }));
  EXPECT_FALSE(made);
}

TEST_P(ThreadCalls, DoNotWaitForAReactorThatEnds) {
  std::atomic<int> refused = 0;
  std::promise<void> waiting;
  Promise<int> never;
  auto deferred = never.deferred();
  std::thread other([&] {
    EXPECT_THROW(call_in_reactor_and_wait(*reactor_,
                                          [&] {
                                            waiting.set_value();
                                            reactor_->stop();
                                            return std::move(deferred);
                                          }),
                 NotRunningError);
    ++refused;
  });
  reactor_->run();
  other.join();
  EXPECT_EQ(refused, 1);
  std::thread([&] {
    EXPECT_THROW(call_in_reactor_and_wait(*reactor_, [] { return 1; }), NotRunningError);
  }).join();
}

TEST_P(ThreadCalls, KnowTheReactorThatTheyWorkFor) {
  ThreadPool pool(1);
  const auto ask = [] {
    return std::pair(&ThreadPool::current_reactor(),
                     call_in_reactor_and_wait([] { return &Reactor::current(); }));
  };
  auto foreign = defer_to_thread_pool(*reactor_, pool, ask);
  auto own = defer_to_thread(*reactor_, ask);
  bool plain = false;
  reactor_->thread_pool().submit(
      [&] { call_in_reactor_and_wait([&] { plain = true; }, long_enough); });
  ASSERT_TRUE(spin_until([&] { return foreign.ready() && own.ready() && plain; }));
  const std::pair expected(reactor_.get(), reactor_.get());
  EXPECT_EQ(success_result_of(std::move(foreign)), expected);
  EXPECT_EQ(success_result_of(std::move(own)), expected);
}

TEST_P(ThreadCalls, AreRefusedInAPoolWhoseReactorIsGone) {
  Gate gate;
  std::promise<bool> refused;
  {
    ThreadPool pool(ThreadPoolOptions(), reactor_.get());
    std::promise<int> answer;
    pool.submit([&] { answer.set_value(call_in_reactor_and_wait([] { return 1; })); });
    auto answered = answer.get_future();
    EXPECT_TRUE(spin_until(
        [&] { return answered.wait_for(Duration::zero()) == std::future_status::ready; }));
    EXPECT_EQ(answered.get(), 1);
    pool.submit([&] {
      gate.wait();
      try {
        call_in_reactor_and_wait([] {});
        refused.set_value(false);
      } catch (const NotRunningError&) {
        refused.set_value(true);
      }
    });
    gate.await(1);
    reactor_.reset();
    gate.open();
    EXPECT_TRUE(refused.get_future().get());
  }
}

TEST_P(ThreadCalls, KnowNoReactorWhereTheyWorkForNone) {
  EXPECT_THROW(static_cast<void>(ThreadPool::current_reactor()), NoReactorError);
  EXPECT_THROW(call_in_reactor_and_wait([] { return 1; }), NoReactorError);
  std::promise<bool> told;
  ThreadPool pool(1);
  pool.submit([&told] {
    try {
      call_in_reactor_and_wait([] {});
      told.set_value(false);
    } catch (const NoReactorError&) {
      told.set_value(true);
    }
  });
  EXPECT_TRUE(told.get_future().get());
}

INSTANTIATE_TEST_SUITE_P(Reactors, ThreadCalls, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft::testing
