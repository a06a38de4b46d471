// How every reactor keeps time.
#pragma once

#include "reactor_suite.hpp"

namespace weft::testing {

TEST_P(ReactorConformance, CallsInTheOrderOfTimeAndThenOfScheduling) {  // 183
  std::vector<int> order;
  for (int i = 0; i < 12; ++i) {
    reactor_->call_later(Duration::zero(), [&order, i] { order.push_back(i); });
  }
  reactor_->call_later(std::chrono::milliseconds(2), [&] { order.push_back(100); });
  reactor_->call_later(std::chrono::milliseconds(1), [&] { order.push_back(99); });
  ASSERT_TRUE(spin_until([&] { return order.size() == 14; }));
  EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 99, 100}));
}

TEST_P(ReactorConformance, NeverCallsEarlyNorInsideTheCall) {
  const auto begin = reactor_->now();
  TimePoint called{};
  reactor_->call_later(std::chrono::milliseconds(5), [&] { called = reactor_->now(); });
  EXPECT_EQ(called, TimePoint());
  ASSERT_TRUE(spin_until([&] { return called != TimePoint(); }));
  EXPECT_GE(called - begin, std::chrono::milliseconds(5));
}

TEST_P(ReactorConformance, SleepsUntilItsNextCallWhenNothingElseHappens) {
  bool called = false;
  reactor_->call_later(std::chrono::milliseconds(30), [&] { called = true; });
  int rounds = 0;
  while (!called && rounds < 100) {
    reactor_->run_once(std::chrono::hours(1));
    ++rounds;
  }
  EXPECT_LE(rounds, 10);
}

TEST_P(ReactorConformance, CancelsAndMovesCallsAlsoFromInsideOthers) {  // 184, 185, 186
  std::string made;
  auto cancelled =
      reactor_->call_later(std::chrono::milliseconds(1), [&] { made += "cancelled "; });
  auto moved = reactor_->call_later(std::chrono::hours(1), [&] { made += "moved "; });
  reactor_->call_later(Duration::zero(), [&] {
    cancelled.cancel();
    moved.reset(Duration::zero());
    made += "first ";
  });
  ASSERT_TRUE(spin_until([&] { return made.find("moved") != std::string::npos; }));
  EXPECT_EQ(made, "first moved ");
  EXPECT_THROW(cancelled.cancel(), AlreadyCancelledError);
  EXPECT_THROW(moved.cancel(), AlreadyCalledError);
  EXPECT_THROW(reactor_->call_later(std::chrono::seconds(-1), [] {}), InvalidArgument);
}

TEST_P(ReactorConformance, LogsACallThatThrowsAndGoesOn) {  // 187
  const LogCapture log;
  bool next = false;
  reactor_->call_later(Duration::zero(), [] { throw std::runtime_error("in a timer"); });
  reactor_->call_later(Duration::zero(), [&] { next = true; });
  ASSERT_TRUE(spin_until([&] { return next; }));
  EXPECT_TRUE(log.contains("in a timer"));
}

TEST_P(ReactorConformance, TakesHugeDelays) {  // 188
  auto call = reactor_->call_later(Duration::max(), [] { ADD_FAILURE(); });
  spin();
  EXPECT_TRUE(call.active());
  call.cancel();
}

TEST_P(ReactorConformance, LetsIoHappenBesideAChainOfZeroDelays) {  // 190
  bool ended = false;
  std::function<void()> again = [&] {
    if (!ended) reactor_->call_later(Duration::zero(), [&] { again(); });
  };
  again();
  const auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  client_->way().write("through");
  EXPECT_TRUE(spin_until([&] { return server_->data == "through"; }));
  ended = true;
  spin();
}

TEST_P(ReactorConformance, MakesNoCallThatAnEarlierOneOfTheSameInstantCancelled) {  // 184
  DelayedCall second;
  bool first = false;
  reactor_->call_later(Duration::zero(), [&] {
    first = true;
    second.cancel();
  });
  second = reactor_->call_later(Duration::zero(), [] { ADD_FAILURE(); });
  ASSERT_TRUE(spin_until([&] { return first; }));
  spin();
}

TEST_P(ReactorConformance, MayBeScheduledAgainInsideItself) {  // 185
  int calls = 0;
  std::function<void()> again = [&] {
    if (++calls < 5) reactor_->call_later(Duration::zero(), again);
  };
  reactor_->call_later(Duration::zero(), again);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(spin_until([&] { return calls == 5; }));
}

TEST_P(ReactorConformance, LetsGoOfACancelledCallAtOnce) {  // 189
  const auto kept = std::make_shared<int>(7);
  std::vector<DelayedCall> calls;
  for (int i = 0; i < 10'000; ++i) {
    calls.push_back(reactor_->call_later(std::chrono::hours(1), [kept] {}));
  }
  for (auto& call : calls)
    call.cancel();
  EXPECT_EQ(kept.use_count(), 1);
  EXPECT_EQ(reactor_->pending_calls(), 0U);
}

TEST_P(ReactorConformance, PutsOffACallAsOftenAsItIsAsked) {  // 185
  bool called = false;
  auto call = reactor_->call_later(std::chrono::milliseconds(1), [&] { called = true; });
  const auto due = call.due();
  call.delay(std::chrono::milliseconds(1));
  EXPECT_EQ(call.due() - due, Duration(std::chrono::milliseconds(1)));
  for (int i = 0; i < 1'000; ++i)
    call.reset(std::chrono::milliseconds(1));
  EXPECT_TRUE(spin_until([&] { return called; }));
  EXPECT_FALSE(call.active());
}

TEST_P(ReactorConformance, WaitsNoLongerThanItIsTold) {
  int rounds = 0;
  for (; rounds < 3; ++rounds)
    reactor_->run_once(Duration::zero());
  EXPECT_EQ(rounds, 3);
}

TEST_P(ReactorConformance, RunsARoundInsideACallback) {
  bool inner = false;
  bool outer = false;
  reactor_->call_later(Duration::zero(), [&] {
    reactor_->call_later(Duration::zero(), [&] { inner = true; });
    const auto limit = reactor_->now() + std::chrono::seconds(10);
    while (!inner && reactor_->now() < limit)
      reactor_->run_once(std::chrono::milliseconds(10));
    outer = true;
  });
  ASSERT_TRUE(spin_until([&] { return outer; }));
  EXPECT_TRUE(inner);
}

}  // namespace weft::testing
