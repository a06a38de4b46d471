// What every reactor must do, as tests: instantiate ReactorConformance for yours. Numbers are those
// of the project's list of behaviours.
#pragma once

#include "../../framework/resolver.hpp"
#include "../../framework/thread_pool.hpp"
#include "../accumulating_protocol.hpp"
#include "../log_capture.hpp"
#include "../results.hpp"
#include "reactor_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {

/// A reactor to be tested, by name. `watches_pipes` says how to make a pipe where descriptors can
/// be watched.
struct ReactorKind {
  std::string name;
  std::function<std::unique_ptr<Reactor>()> make;
  /// Behaviours that it cannot show, each with the reason.
  std::map<std::string, std::string> skipped = {};
};

/// INSTANTIATE_TEST_SUITE_P(Mine, ReactorConformance, ::testing::Values(ReactorKind{"mine", make}),
/// reactor_kind_name);
class ReactorConformance : public ::testing::TestWithParam<ReactorKind> {
 protected:
  void SetUp() override {
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const auto skip = GetParam().skipped.find(test.substr(0, test.find('/')));
    if (skip != GetParam().skipped.end()) GTEST_SKIP() << skip->second;
  }
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }
  void spin() {
    for (int round = 0; round < 20; ++round)
      reactor_->run_once(std::chrono::milliseconds(1));
  }
  // Runs until something stops it, but ten seconds at most.
  void run() {
    const auto watchdog = reactor_->call_later(std::chrono::seconds(10), [this] {
      ADD_FAILURE() << "the reactor was not stopped";
      reactor_->stop_from_thread();
    });
    reactor_->run();
    auto call = watchdog;
    call.cancel_if_active();
  }
  ListeningPort listen(const std::shared_ptr<Protocol>& protocol) {
    return reactor_->listen_tcp(0, factory_from([protocol] { return protocol; }), on_loopback());
  }
  Deferred<std::shared_ptr<Protocol>> connect(const ListeningPort& port,
                                              std::shared_ptr<Protocol> protocol) {
    return reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                 factory_from([protocol] { return protocol; }));
  }

  std::unique_ptr<Reactor> reactor_ = GetParam().make();
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
};

/// How a failed test shows the kind.
inline void PrintTo(const ReactorKind& kind, std::ostream* out) {
  *out << kind.name;
}

inline std::string reactor_kind_name(const ::testing::TestParamInfo<ReactorKind>& kind) {
  return kind.param.name;
}

/// A factory that counts what is asked of it.
class CountingFactory : public Factory {
 public:
  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    ++built;
    return std::make_shared<AccumulatingProtocol>();
  }
  void start_factory() override { ++started; }
  void stop_factory() override { ++stopped; }
  int built = 0;
  int started = 0;
  int stopped = 0;
};

// ---- time

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

// ---- threads

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

// ---- start and stop

TEST_P(ReactorConformance, RunsStopsAndRunsAgain) {  // 200, 205, 207
  for (int time = 0; time < 3; ++time) {
    std::string order;
    reactor_->call_when_running([&] { order += "a"; });
    reactor_->call_when_running([&] {
      order += "b";
      EXPECT_TRUE(reactor_->running());
      reactor_->call_when_running([&] { order += "c"; });
      EXPECT_EQ(&Reactor::current(), reactor_.get());
      reactor_->stop();
    });
    EXPECT_FALSE(reactor_->running());
    run();
    EXPECT_EQ(order, "abc");
  }
}

TEST_P(ReactorConformance, RefusesToRunTwiceAndToStopWhenItDoesNotRun) {  // 200, 202
  EXPECT_THROW(reactor_->stop(), NotRunningError);
  reactor_->call_when_running([this] {
    EXPECT_THROW(reactor_->run(), AlreadyRunningError);
    reactor_->stop();
    EXPECT_THROW(reactor_->stop(), NotRunningError);
  });
  run();
  EXPECT_THROW(reactor_->stop(), NotRunningError);
}

TEST_P(ReactorConformance, KnowsWhichReactorRuns) {
  EXPECT_EQ(Reactor::current_or_null(), nullptr);
  EXPECT_THROW(static_cast<void>(Reactor::current()), NoReactorError);
}

TEST_P(ReactorConformance, ShutsDownInPhasesThatWait) {  // 197, 199
  const LogCapture log;
  std::string order;
  Promise<void> slow;
  reactor_->add_system_event_trigger(Phase::after, SystemEvent::shutdown,
                                     [&] { order += "after "; });
  reactor_->add_system_event_trigger(Phase::during, SystemEvent::shutdown,
                                     [&] { order += "during "; });
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    reactor_->call_later(std::chrono::milliseconds(1), [&] {
      order += "ready ";
      slow.callback();
    });
    return slow.deferred();
  });
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                     [] { throw std::runtime_error("in a trigger"); });
  const auto removed = reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                                          [&] { order += "removed "; });
  EXPECT_TRUE(reactor_->remove_system_event_trigger(removed));
  EXPECT_FALSE(reactor_->remove_system_event_trigger(removed));
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_EQ(order, "ready during after ");
  EXPECT_TRUE(log.contains("in a trigger"));
}

TEST_P(ReactorConformance, EndsByTheDeadlineWhenAPhaseDoesNot) {
  const LogCapture log;
  Promise<void> never;
  reactor_->set_shutdown_deadline(std::chrono::milliseconds(5));
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                     [&] { return never.deferred(); });
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_TRUE(log.contains("deadline"));
}

TEST_P(ReactorConformance, TellsEveryConnectionWhenItStopsThoughOneThrows) {  // 204
  const LogCapture log;
  client_->on_lost = [](auto&) { throw std::runtime_error("in connection_lost"); };
  const auto port = listen(server_);
  auto connecting = connect(port, client_);
  reactor_->call_later(Duration::zero(), [] {});
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_TRUE(client_->lost() && server_->lost());
  EXPECT_TRUE(server_->lost_with<ConnectionLost>() || server_->lost_with<ConnectionDone>());
  EXPECT_FALSE(port.listening());
}

TEST_P(ReactorConformance, RunsInTwoThreadsAtOnce) {  // 206
  const auto second = GetParam().make();
  std::atomic<int> ran = 0;
  std::thread other([&] {
    second->call_later(std::chrono::milliseconds(1), [&] {
      ++ran;
      second->stop();
    });
    second->run();
  });
  reactor_->call_later(std::chrono::milliseconds(1), [&] {
    ++ran;
    reactor_->stop();
  });
  run();
  other.join();
  EXPECT_EQ(ran, 2);
}

// ---- listening

TEST_P(ReactorConformance, TellsThePortThatTheSystemChose) {  // 83
  const auto port = listen(server_);
  EXPECT_NE(port.address().port(), 0);
  EXPECT_TRUE(port.listening());
}

TEST_P(ReactorConformance, RefusesATakenPortAndABadInterface) {  // 84, 85
  const auto port = listen(server_);
  EXPECT_THROW(reactor_->listen_tcp(port.address().port(), factory_for<AccumulatingProtocol>(),
                                    on_loopback()),
               AddressInUse);
  ListenOptions options;
  options.interface = "no address";
  EXPECT_THROW(reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), options), ListenError);
  options.interface = "192.0.2.1";
  EXPECT_THROW(reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), options), ListenError);
  EXPECT_THROW(reactor_->listen_tcp(0, nullptr, on_loopback()), InvalidArgument);
}

TEST_P(ReactorConformance, StartsAndStopsAFactoryWithItsFirstAndLastUse) {  // 87, 89, 92
  const auto factory = std::make_shared<CountingFactory>();
  auto first = reactor_->listen_tcp(0, factory, on_loopback());
  auto second = reactor_->listen_tcp(0, factory, on_loopback());
  first.stop();
  first.stop();
  EXPECT_EQ(factory->stopped, 0);
  auto stopped = second.stopped();
  second.stop();
  ASSERT_TRUE(spin_until([&] { return stopped.ready(); }));
  EXPECT_EQ(factory->started, 1);
  EXPECT_EQ(factory->stopped, 1);
}

TEST_P(ReactorConformance, ClosesAPeerThatTheFactoryRefusesOrThrowsAt) {  // 93
  const LogCapture log;
  for (const bool throws : {false, true}) {
    auto client = std::make_shared<AccumulatingProtocol>();
    auto port = reactor_->listen_tcp(0, factory_from([throws]() -> std::shared_ptr<Protocol> {
                                       if (throws) throw std::runtime_error("in build_protocol");
                                       return nullptr;
                                     }),
                                     on_loopback());
    const auto connecting = connect(port, client);
    ASSERT_TRUE(spin_until([&] { return client->lost() && connecting.ready(); }));
    port.stop();
  }
  EXPECT_TRUE(spin_until([&] { return log.contains("in build_protocol"); }));
}

TEST_P(ReactorConformance, MayStopAPortInsideBuildProtocol) {  // 88
  ListeningPort port;
  port = reactor_->listen_tcp(0, factory_from([&] {
                                port.stop();
                                return server_;
                              }),
                              on_loopback());
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return server_->made() && connecting.ready(); }));
  EXPECT_FALSE(port.listening());
  client_->way().write("alive");
  EXPECT_TRUE(spin_until([&] { return server_->data == "alive"; }));
}

TEST_P(ReactorConformance, AcceptsAHundredThatWait) {  // 94
  const auto factory = std::make_shared<CountingFactory>();
  const auto port = reactor_->listen_tcp(0, factory, on_loopback());
  std::vector<Deferred<std::shared_ptr<Protocol>>> connecting;
  for (int i = 0; i < 100; ++i) {
    connecting.push_back(connect(port, std::make_shared<AccumulatingProtocol>()));
  }
  EXPECT_TRUE(spin_until([&] { return factory->built == 100; }));
  EXPECT_TRUE(spin_until([&] {
    return std::all_of(connecting.begin(), connecting.end(),
                       [](auto& each) { return each.ready(); });
  }));
}

TEST_P(ReactorConformance, KeepsConnectionsWhenThePortStops) {  // 98
  auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  port.stop();
  client_->way().write("still here");
  EXPECT_TRUE(spin_until([&] { return server_->data == "still here"; }));
}

TEST_P(ReactorConformance, DrainsWhenItsConnectionsAreGoneAndThenForces) {  // 99
  auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(port.connections(), 1U);
  client_->way().pause_producing();
  server_->way().write(std::string(20'000'000, 'x'));
  const auto drained = port.close_connections(std::chrono::milliseconds(20));
  EXPECT_FALSE(drained.ready());
  ASSERT_TRUE(spin_until([&] { return drained.ready(); }));
  EXPECT_TRUE(server_->lost_with<LingerTimeout>());
  EXPECT_EQ(port.connections(), 0U);
}

// ---- connecting

TEST_P(ReactorConformance, FiresTheConnectAfterConnectionMadeAndNeverInsideTheCall) {  // 108
  const auto port = listen(server_);
  auto connecting = connect(port, client_);
  EXPECT_FALSE(connecting.ready());
  bool made_first = false;
  auto told = std::move(connecting).add_callback([&](const std::shared_ptr<Protocol>& protocol) {
    made_first = client_->made() && protocol == client_;
  });
  ASSERT_TRUE(spin_until([&] { return told.ready(); }));
  EXPECT_TRUE(made_first);
}

TEST_P(ReactorConformance, SaysThatNobodyListens) {  // 100
  auto port = listen(server_);
  const auto target = port.address();
  port.stop();
  spin();
  auto connecting =
      reactor_->connect_tcp(target.host(), target.port(), factory_for<AccumulatingProtocol>());
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  const auto failure = failure_result_of<ConnectionRefused>(std::move(connecting));
  EXPECT_NE(failure.message().find(target.text()), std::string::npos);
}

TEST_P(ReactorConformance, GivesUpAfterItsTime) {  // 101
  const auto port = listen(server_);
  auto connecting =
      reactor_->connect_tcp("127.0.0.1", port.address().port(), factory_for<AccumulatingProtocol>(),
                            ConnectOptions(Duration::zero()));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  static_cast<void>(failure_result_of<ConnectTimeout>(std::move(connecting)));
}

TEST_P(ReactorConformance, MayBeCancelledAtEachStage) {  // 103, 104
  const auto port = listen(server_);
  for (int rounds = 0; rounds < 3; ++rounds) {
    auto connecting = connect(port, std::make_shared<AccumulatingProtocol>());
    for (int i = 0; i < rounds && !connecting.ready(); ++i) {
      reactor_->run_once(Duration::zero());
    }
    if (connecting.ready()) break;
    connecting.cancel();
    static_cast<void>(failure_result_of<ConnectingCancelled>(std::move(connecting)));
    spin();
  }
}

TEST_P(ReactorConformance, FailsTheConnectWhoseFactoryOrProtocolIsAtFault) {  // 106, 107
  const LogCapture log;
  const auto port = listen(server_);
  auto refused = connect(port, nullptr);
  ASSERT_TRUE(spin_until([&] { return refused.ready(); }));
  static_cast<void>(failure_result_of<NoProtocol>(std::move(refused)));
  client_->on_made = [](auto&) { throw std::runtime_error("in connection_made"); };
  auto thrown = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return thrown.ready() && client_->lost(); }));
  static_cast<void>(failure_result_of<std::runtime_error>(std::move(thrown)));
}

TEST_P(ReactorConformance, ConnectsFromTheAddressThatIsAskedFor) {  // 105
  const auto port = listen(server_);
  ConnectOptions options;
  options.bind_address = Address::ipv4({127, 0, 0, 1}, 0);
  auto connecting = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                          factory_from([this] { return client_; }), options);
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(client_->way().host().host(), "127.0.0.1");
  options.bind_address = Address::ipv4({192, 0, 2, 1}, 0);
  auto elsewhere = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                         factory_for<AccumulatingProtocol>(), options);
  ASSERT_TRUE(spin_until([&] { return elsewhere.ready(); }));
  static_cast<void>(failure_result_of<BindError>(std::move(elsewhere)));
}

TEST_P(ReactorConformance, TriesTheNextAddressWhenOneIsDead) {  // 110
  class TwoAddresses final : public Resolver {
   public:
    explicit TwoAddresses(Port dead) : dead_(dead) {}
    Deferred<std::vector<Address>> resolve(std::string, Port port) override {
      return succeed(std::vector<Address>{Address::ipv4({127, 0, 0, 1}, dead_),
                                          Address::ipv4({127, 0, 0, 1}, port)});
    }

   private:
    Port dead_;
  };
  auto gone = listen(server_);
  const auto dead = gone.address().port();
  const auto port = listen(server_);
  gone.stop();
  spin();
  reactor_->set_resolver(std::make_shared<TwoAddresses>(dead));
  auto connecting = reactor_->connect_tcp("a.name", port.address().port(),
                                          factory_from([this] { return client_; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(success_result_of(std::move(connecting)), client_);
}

TEST_P(ReactorConformance,
       FailsWhenTheNameHasNoAddressAndForgetsALookupThatNeverEnds) {  // 114, 116
  class Silent final : public Resolver {
   public:
    explicit Silent(bool* cancelled) : cancelled_(cancelled) {}
    Deferred<std::vector<Address>> resolve(std::string host, Port) override {
      if (host == "empty") return succeed(std::vector<Address>());
      promises_.emplace_back([this] { *cancelled_ = true; });
      return promises_.back().deferred();
    }

   private:
    bool* cancelled_;
    std::vector<Promise<std::vector<Address>>> promises_;
  };
  bool cancelled = false;
  reactor_->set_resolver(std::make_shared<Silent>(&cancelled));
  auto empty = reactor_->connect_tcp("empty", 1, factory_for<AccumulatingProtocol>());
  ASSERT_TRUE(spin_until([&] { return empty.ready(); }));
  static_cast<void>(failure_result_of<ResolveError>(std::move(empty)));
  auto silent = reactor_->connect_tcp("silent", 1, factory_for<AccumulatingProtocol>(),
                                      ConnectOptions(std::chrono::milliseconds(5)));
  ASSERT_TRUE(spin_until([&] { return silent.ready(); }));
  static_cast<void>(failure_result_of<ConnectTimeout>(std::move(silent)));
  EXPECT_TRUE(cancelled);
}

TEST_P(ReactorConformance, KnowsTheOptionsOfTcp) {  // 31
  const auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  auto* const tcp = client_->way().tcp();
  ASSERT_NE(tcp, nullptr);
  EXPECT_TRUE(tcp->no_delay());
  tcp->set_no_delay(false);
  EXPECT_FALSE(tcp->no_delay());
  tcp->set_keep_alive(true);
  EXPECT_TRUE(tcp->keep_alive());
}

TEST_P(ReactorConformance, ListensOnIpv6WhereThereIsOne) {  // 86
  ListenOptions options;
  options.interface = "::1";
  ListeningPort port;
  try {
    port = reactor_->listen_tcp(0, factory_from([this] { return server_; }), options);
  } catch (const ListenError&) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
  auto connecting =
      reactor_->connect_tcp("::1", port.address().port(), factory_from([this] { return client_; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(server_->way().peer().family(), Address::Family::ipv6);
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

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ReactorConformance);

}  // namespace weft::testing
