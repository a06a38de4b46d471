// How every reactor deals with other threads.
#pragma once

#include "reactor_suite.hpp"

namespace weft::testing {

TEST_P(ReactorConformance, MakesTheCallsOfOtherThreadsInOrderAndLosesNone) {  // 192
  constexpr int per_thread = 2'000;
  std::vector<std::vector<int>> seen(4);
  std::atomic<int> total = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < seen.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < per_thread; ++i) {
        reactor_->call_from_thread([&, t, i] {
          seen[t].push_back(i);
          ++total;
        });
      }
    });
  }
  EXPECT_TRUE(spin_until([&] { return total == 4 * per_thread; }));
  for (auto& thread : threads)
    thread.join();
  for (const auto& each : seen)
    EXPECT_TRUE(std::is_sorted(each.begin(), each.end()));
}

TEST_P(ReactorConformance, IsWokenByACallFromAThread) {  // 192
  std::thread::id caller;
  std::thread other([&] {
    reactor_->call_from_thread([&] {
      caller = std::this_thread::get_id();
      reactor_->stop();
    });
  });
  run();
  other.join();
  EXPECT_EQ(caller, std::this_thread::get_id());
}

TEST_P(ReactorConformance, RefusesThreadCallsAfterItHasEnded) {  // 193
  bool kept = false;
  EXPECT_TRUE(reactor_->call_from_thread([&] { kept = true; }));
  reactor_->call_later(Duration::zero(), [this] { reactor_->stop(); });
  run();
  EXPECT_TRUE(kept);
  EXPECT_FALSE(reactor_->call_from_thread([] {}));
}

TEST_P(ReactorConformance, BringsResultsAndErrorsBackFromThreads) {  // 194
  auto value = defer_to_thread(
      *reactor_, [](int a, int b) { return a + b; }, 1, 2);
  auto error = defer_to_thread(*reactor_, []() -> int { throw std::runtime_error("there"); });
  ASSERT_TRUE(spin_until([&] { return value.ready() && error.ready(); }));
  EXPECT_EQ(success_result_of(std::move(value)), 3);
  EXPECT_EQ(failure_result_of<std::runtime_error>(std::move(error)).message(), "there");
}

TEST_P(ReactorConformance, LetsAnotherThreadWaitForACall) {  // 196
  int answer = 0;
  std::thread other([&] {
    answer = call_in_reactor_and_wait(*reactor_, [] { return 42; });
    EXPECT_THROW(
        call_in_reactor_and_wait(*reactor_, []() -> int { throw std::runtime_error("x"); }),
        std::runtime_error);
    reactor_->stop_from_thread();
  });
  run();
  other.join();
  EXPECT_EQ(answer, 42);
  reactor_->call_later(Duration::zero(), [this] {
    EXPECT_THROW(call_in_reactor_and_wait(*reactor_, [] { return 1; }), WrongThreadError);
    reactor_->stop();
  });
  run();
}

#ifndef NDEBUG
TEST_P(ReactorConformance, RefusesAWriteFromAnotherThreadInDebugBuilds) {
  const auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  reactor_->call_when_running([this] {
    std::thread([this] { EXPECT_THROW(client_->way().write("x"), WrongThreadError); }).join();
    reactor_->stop();
  });
  run();
}
#endif

TEST_P(ReactorConformance, LogsACallFromAThreadThatThrowsAndGoesOn) {
  const LogCapture log;
  bool next = false;
  reactor_->call_from_thread([] { throw std::runtime_error("in a thread call"); });
  reactor_->call_from_thread([&] { next = true; });
  ASSERT_TRUE(spin_until([&] { return next; }));
  EXPECT_TRUE(log.contains("in a thread call"));
}

TEST_P(ReactorConformance, MakesCallsThatACallFromAThreadAsksFor) {
  int made = 0;
  reactor_->call_from_thread([&] {
    ++made;
    reactor_->call_from_thread([&] { ++made; });
  });
  EXPECT_TRUE(spin_until([&] { return made == 2; }));
}

TEST_P(ReactorConformance, BringsEveryResultOfManyThreadsBack) {
  std::vector<Deferred<int>> results;
  for (int i = 0; i < 100; ++i)
    results.push_back(defer_to_thread(*reactor_, [i] { return i; }));
  ASSERT_TRUE(spin_until([&] {
    return std::all_of(results.begin(), results.end(), [](auto& each) { return each.ready(); });
  }));
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(success_result_of(std::move(results[static_cast<std::size_t>(i)])), i);
}

TEST_P(ReactorConformance, IsStoppedFromAThread) {
  std::thread other([this] {
    call_in_reactor_and_wait(*reactor_, [] {});
    reactor_->stop_from_thread();
  });
  run();
  other.join();
  EXPECT_FALSE(reactor_->running());
}

}  // namespace weft::testing
