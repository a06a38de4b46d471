#include "thread_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

namespace weft {
namespace {

constexpr auto long_enough = std::chrono::seconds(30);

TEST(ThreadPool, RefusesToBeWithoutThreads) {
  EXPECT_THROW(ThreadPool(0), InvalidArgument);
}

TEST(ThreadPool, StartsNoThreadBeforeThereIsWork) {
  ThreadPool pool;
  EXPECT_EQ(pool.threads(), 0U);
  EXPECT_TRUE(pool.stop(long_enough));
}

TEST(ThreadPool, RunsWorkOfOneThreadInTheOrderInWhichItCame) {
  std::vector<int> order;
  std::promise<void> all;
  ThreadPool pool(1);
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(pool.submit([&order, i] { order.push_back(i); }));
  ASSERT_TRUE(pool.submit([&all] { all.set_value(); }));
  all.get_future().wait();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(ThreadPool, RunsAsManyAtOnceAsItHasThreadsAndNoMore) {
  std::promise<void> open;
  const auto opened = open.get_future().share();
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::atomic<int> done{0};
  std::promise<void> full;
  ThreadPool pool(3);
  for (int i = 0; i < 9; ++i) {
    pool.submit([&, opened] {
      const int now = ++running;
      if (now > most) most = now;
      if (now == 3 && done == 0) full.set_value();
      opened.wait();
      ++done;
      --running;
    });
  }
  full.get_future().wait();
  EXPECT_EQ(pool.threads(), 3U);
  EXPECT_EQ(running, 3);
  open.set_value();
  EXPECT_TRUE(pool.stop(long_enough));
  EXPECT_LE(most, 3);
}

TEST(ThreadPool, OutlivesWorkThatThrows) {
  std::promise<void> next;
  ThreadPool pool(1);
  pool.submit([] { throw std::runtime_error("thrown in a thread of the pool"); });
  pool.submit([&next] { next.set_value(); });
  next.get_future().wait();
  EXPECT_EQ(pool.threads(), 1U);
}

TEST(ThreadPool, DropsWhatHasNotBegunWhenItStops) {
  ThreadPool pool(1);
  // The thread that is left to itself may outlive this test, and all that it uses with it.
  const auto begun = std::make_shared<std::promise<void>>();
  std::promise<void> open;
  const auto kept = std::make_shared<int>(0);
  pool.submit([begun, opened = open.get_future().share()] {
    begun->set_value();
    opened.wait();
  });
  pool.submit([kept] { ADD_FAILURE() << "it ran though the pool had stopped"; });
  begun->get_future().wait();
  EXPECT_FALSE(pool.stop(Duration::zero()));
  EXPECT_EQ(kept.use_count(), 1);
  open.set_value();
}

TEST(ThreadPool, MayBeUsedAgainAfterItHasStopped) {
  ThreadPool pool(1);
  for (int round = 0; round < 3; ++round) {
    std::promise<int> done;
    ASSERT_TRUE(pool.submit([&done, round] { done.set_value(round); }));
    EXPECT_EQ(done.get_future().get(), round);
    ASSERT_TRUE(pool.stop(long_enough));
    EXPECT_EQ(pool.threads(), 0U);
  }
}

TEST(ThreadPool, TakesWorkFromManyThreadsAndLosesNone) {
  std::atomic<int> done{0};
  std::promise<void> all;
  {
    ThreadPool pool;
    std::vector<std::thread> submitters;
    for (int i = 0; i < 4; ++i) {
      submitters.emplace_back([&] {
        for (int j = 0; j < 250; ++j) {
          pool.submit([&] {
            if (++done == 1000) all.set_value();
          });
        }
      });
    }
    for (auto& submitter : submitters)
      submitter.join();
    all.get_future().wait();
    EXPECT_LE(pool.threads(), ThreadPool::default_max_threads);
  }
  EXPECT_EQ(done, 1000);
}

}  // namespace
}  // namespace weft
