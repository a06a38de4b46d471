#include "../framework/datagram.hpp"
#include "../framework/endpoint.hpp"
#include "../framework/error.hpp"
#include "../framework/turn.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"
#include "make_reactor.hpp"
#include "slow_callback_watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace weft {

// With a name that a stack can show.
void hold_up_the_loop_until(const std::atomic<bool>& told);
void hold_up_the_loop_until(const std::atomic<bool>& told) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!told && std::chrono::steady_clock::now() < limit) {
  }
}

namespace {

using testing::AccumulatingProtocol;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string here(int line) {
  return std::string(__FILE__) + ':' + std::to_string(line);
}

class Diagnostics : public ::testing::TestWithParam<std::string> {
 protected:
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  void connect() {
    port_ =
        reactor_->listen_tcp(0, factory_from([this] { return server_; }), testing::on_loopback());
    auto connecting = reactor_->connect_tcp("127.0.0.1", port_.address().port(),
                                            factory_from([this] { return client_; }));
    ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  }
  // Remembers what is told; the watchdog's thread and the loop's take turns.
  [[nodiscard]] WatchdogOptions watched() {
    WatchdogOptions options;
    options.limit = std::chrono::milliseconds(2);
    options.tell = [this](const SlowCallback& slow) {
      (slow.over ? after_ : during_).push_back(slow);
      (slow.over ? told_after_ : told_) = true;
    };
    return options;
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
  ListeningPort port_;
  std::vector<SlowCallback> during_;
  std::vector<SlowCallback> after_;
  std::atomic<bool> told_{false};
  std::atomic<bool> told_after_{false};
};

INSTANTIATE_TEST_SUITE_P(Each, Diagnostics, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

// ---- slow callbacks

TEST_P(Diagnostics, NameTheProtocolAndThePeerOfASlowCallback) {
  server_->on_data = [this](AccumulatingProtocol&, BytesView) { hold_up_the_loop_until(told_); };
  connect();
  const SlowCallbackWatchdog watchdog(*reactor_, watched());
  client_->way().write("x");
  ASSERT_TRUE(spin_until([&] { return told_after_.load(); }));
  ASSERT_FALSE(during_.empty());
#ifdef __linux__
  EXPECT_EQ(during_[0].whose, "weft::testing::AccumulatingProtocol");
  EXPECT_THAT(during_[0].stack, Contains(HasSubstr("hold_up_the_loop_until")));
#endif
  const auto peer = server_->way().peer().text();
  EXPECT_EQ(after_[0].whose, "weft::testing::AccumulatingProtocol with " + peer);
  EXPECT_GE(after_[0].lasted, std::chrono::milliseconds(2));
  EXPECT_EQ(after_[0].stack, during_[0].stack);
}

TEST_P(Diagnostics, NameThePlaceWhereASlowCallWasScheduled) {
  const SlowCallbackWatchdog watchdog(*reactor_, watched());
  reactor_->call_later(Duration::zero(), [this] { hold_up_the_loop_until(told_); });
  [[maybe_unused]] const auto line = __LINE__ - 1;
  ASSERT_TRUE(spin_until([&] { return told_after_.load(); }));
#ifdef __linux__
  EXPECT_THAT(after_[0].text(), HasSubstr("scheduled at " + here(line) + ", held up the loop for"));
#endif
  EXPECT_EQ(after_[0].whose, "");
}

TEST_P(Diagnostics, LogASlowCallbackUnlessSomebodyElseIsTold) {
  const testing::LogCapture log;
  auto options = watched();
  options.tell = nullptr;
  const SlowCallbackWatchdog watchdog(*reactor_, options);
  reactor_->call_later(Duration::zero(), [&] {
    std::atomic<bool> told = false;
    const auto limit = reactor_->now() + std::chrono::seconds(20);
    while (log.lines().empty() && reactor_->now() < limit) {
    }
  });
  ASSERT_TRUE(spin_until([&] { return log.lines().size() >= 2; }));
  EXPECT_THAT(log.lines()[0], HasSubstr("and still runs"));
  EXPECT_THAT(log.lines()[1], Not(HasSubstr("and still runs")));
}

TEST_P(Diagnostics, SayNothingOfALoopThatWaits) {
  auto& reactor = *reactor_;
  auto on_slow = watched().tell;
  // [watchdog]
  WatchdogOptions options;
  options.limit = std::chrono::milliseconds(5);
  options.tell = on_slow;  // Logs a warning unless it is set.
  const SlowCallbackWatchdog watchdog(reactor, options);
  // [watchdog]
  reactor_->run_once(std::chrono::milliseconds(20));
  EXPECT_FALSE(told_);
}

TEST_P(Diagnostics, AllowOneWatchdogAtATime) {
  {
    const SlowCallbackWatchdog first(*reactor_, watched());
    EXPECT_THROW(SlowCallbackWatchdog(*reactor_, watched()), InvalidArgument);
  }
  const SlowCallbackWatchdog next(*reactor_, watched());
  WatchdogOptions none;
  none.limit = Duration::zero();
  EXPECT_THROW(SlowCallbackWatchdog(*reactor_, none), InvalidArgument);
}

// ---- what keeps a loop busy

TEST_P(Diagnostics, ListPortsConnectionsAndCallsWithThePlacesWhereTheyWereAskedFor) {
  const auto factory = factory_from([this] { return server_; });
  port_ = reactor_->listen_tcp(0, factory, testing::on_loopback());
  auto connecting = reactor_->connect_tcp("127.0.0.1", port_.address().port(),
                                          factory_from([this] { return client_; }));
  const auto connect_line = __LINE__ - 2;
  EXPECT_THAT(reactor_->report_pending(), HasSubstr("1 connect, asked for at"));
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  auto& reactor = *reactor_;
  auto call = reactor_->call_later(std::chrono::hours(1), [] {});
  // [pending]
  const std::string report = reactor.report_pending();
  // [pending]
  EXPECT_THAT(report, HasSubstr("1 call, asked for at " + here(__LINE__ - 4) + ": due in 3"));
  EXPECT_THAT(report, HasSubstr("1 connection, asked for at " + here(connect_line)));
  EXPECT_THAT(report, HasSubstr("AccumulatingProtocol with " + port_.address().text()));
  EXPECT_THAT(report, HasSubstr("1 port, asked for at "));
  EXPECT_THAT(report, HasSubstr(": " + port_.address().text() + '\n'));
  EXPECT_THAT(report, Not(HasSubstr("1 connect,")));
  call.cancel();
}

TEST_P(Diagnostics, ListNothingOnceAllIsOver) {
  connect();
  port_.stop();
  client_->way().abort_connection();
  ASSERT_TRUE(spin_until([&] { return server_->lost() && client_->lost(); }));
  client_.reset();
  server_.reset();
  EXPECT_EQ(reactor_->report_pending(), "Nothing keeps this loop busy.\n");
}

TEST_P(Diagnostics, CountWhatTheLoopDoes) {
  connect();
  client_->way().write("hello");
  ASSERT_TRUE(spin_until([&] { return server_->data == "hello"; }));
  reactor_->call_later(Duration::zero(), [] {});
  bool called = false;
  reactor_->call_from_thread([&] { called = true; });
  ASSERT_TRUE(spin_until([&] { return called && reactor_->pending_calls() == 0; }));
  const auto stats = reactor_->stats();
  EXPECT_EQ(stats.connections, 2U);
  EXPECT_EQ(stats.counts.connections_made, 2U);
  EXPECT_EQ(stats.counts.bytes_received, 5U);
  EXPECT_EQ(stats.counts.bytes_sent, 5U);
  EXPECT_EQ(stats.counts.thread_calls, 1U);
  EXPECT_GE(stats.counts.calls, 1U);
  EXPECT_GE(stats.counts.callbacks, 5U);
  EXPECT_GE(stats.counts.rounds, 1U);
}

// ---- the same without a system

TEST(PendingWork, IsOneLineForEachKindAndPlace) {
  const auto where = SourceLocation::current();
  const auto place = here(__LINE__ - 1);
  const std::vector<PendingWork> pending{
      {"connection", "a", where}, {"connection", "b", where},    {"connection", "c", where},
      {"connection", "d", where}, {"watch", "descriptor 7", {}}, {"watch", "descriptor 8", {}}};
  EXPECT_EQ(report_pending(pending),
            "4 connections, asked for at " + place +
                ": a, b, c, and 1 more\n2 watches: descriptor 7, descriptor 8\n");
}

TEST(PendingWork, NamesThePlaceThatAskedAnEndpoint) {
  testing::MemoryReactor reactor;
  const auto endpoint = server_endpoint(
      [&](std::shared_ptr<Factory> factory) { return reactor.listen_tcp(80, std::move(factory)); });
  auto listening = listen(*endpoint, factory_for<AccumulatingProtocol>());
  EXPECT_THAT(reactor.report_pending(), HasSubstr("1 port, asked for at " + here(__LINE__ - 1)));
}

TEST(PrometheusText, HasAHelpATypeAndAValueForEachFigure) {
  testing::MemoryReactor reactor;
  // [metrics]
  const std::string page = prometheus_text(reactor.stats(), reactor.name());
  // [metrics]
  EXPECT_THAT(page, HasSubstr("weft_reactor_connections{reactor=\"memory\"} 0\n"));
  ReactorStats stats;
  stats.counts.bytes_sent = 12;
  stats.connections = 3;
  const auto text = prometheus_text(stats, "a\"b");
  EXPECT_THAT(text, HasSubstr("# HELP weft_reactor_sent_bytes_total Bytes sent by connections.\n"
                              "# TYPE weft_reactor_sent_bytes_total counter\n"
                              "weft_reactor_sent_bytes_total{reactor=\"a\\\"b\"} 12\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE weft_reactor_connections gauge\n"
                              "weft_reactor_connections{reactor=\"a\\\"b\"} 3\n"));
}

}  // namespace
}  // namespace weft
