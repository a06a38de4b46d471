#include "../framework/context.hpp"
#include "../framework/datagram.hpp"
#include "../framework/endpoint.hpp"
#include "../framework/error.hpp"
#include "../framework/process.hpp"
#include "../framework/turn.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"
#include "dump_tasks.hpp"
#include "make_reactor.hpp"
#include "signals.hpp"
#include "slow_callback_watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#ifdef __linux__
#include <fcntl.h>
#include <sys/select.h>
#include <unistd.h>
#endif

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
  static ListenOptions on_loopback_at(ListenOptions options) {
    options.interface = "127.0.0.1";
    return options;
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

  // Holds up the loop, which is watched from here on only: on a busy machine others may be slow
  // too.
  void hold_up() {
    told_ = told_after_ = false;
    during_.clear();
    after_.clear();
    watchdog_.emplace(*reactor_, watched());
    hold_up_the_loop_until(told_);
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
  ListeningPort port_;
  std::vector<SlowCallback> during_;
  std::vector<SlowCallback> after_;
  std::atomic<bool> told_{false};
  std::atomic<bool> told_after_{false};
  std::optional<SlowCallbackWatchdog> watchdog_;
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

TEST_P(Diagnostics, NameTheConnectionThatIsSlowWhenTheTurnIsOver) {
  server_->on_data = [](AccumulatingProtocol& self, BytesView) {
    self.way().set_write_buffer_limits(1000, 100);
    // In pieces: a large one would be sent at once.
    for (int i = 0; i < 2000; ++i)
      self.way().write(std::string(4096, 'x'));
  };
  server_->on_pause = [this](AccumulatingProtocol&) {
    if (!watchdog_) hold_up();
  };
  connect();
  client_->way().pause_producing();
  client_->way().write("x");
  ASSERT_TRUE(spin_until([&] { return told_after_.load(); }));
  EXPECT_EQ(after_[0].whose,
            "weft::testing::AccumulatingProtocol with " + server_->way().peer().text());
}

TEST_P(Diagnostics, TellOfASlowEndOfAContext) {
  Context().run([this] {
    Context::current().on_exit([this] { hold_up(); });
    // The call is the last that holds it, and lets go of it behind its callback.
    reactor_->call_later(Duration::zero(), [] {});
  });
  ASSERT_TRUE(spin_until([&] { return told_after_.load(); }));
  EXPECT_GE(after_[0].lasted, std::chrono::milliseconds(2));
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

#ifdef __linux__

ProcessOptions cat() {
  ProcessOptions options;
  options.program = "/bin/cat";
  return options;
}

// With an end that is ready to be read.
class ReadyPipe {
 public:
  ReadyPipe() {
    EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK), 0);
    EXPECT_EQ(::write(ends_[1], "x", 1), 1);
  }
  ~ReadyPipe() {
    for (const int end : ends_)
      ::close(end);
  }
  ReadyPipe(const ReadyPipe&) = delete;
  ReadyPipe& operator=(const ReadyPipe&) = delete;
  [[nodiscard]] int descriptor() const { return ends_[0]; }
  // To a number that select has no room for; false where the process may not have so many.
  [[nodiscard]] bool move_far() {
    const int far = ::fcntl(ends_[0], F_DUPFD_CLOEXEC, FD_SETSIZE + 10);
    if (far < 0) return false;
    ::close(std::exchange(ends_[0], far));
    return true;
  }

 private:
  std::array<int, 2> ends_{};
};

TEST_P(Diagnostics, ListAWatchWithThePlaceWhereItWasBegun) {
  for (const bool far : {false, true}) {
    ReadyPipe pipe;
    if (far && !pipe.move_far()) continue;
    auto watch = reactor_->watch(pipe.descriptor(), Interest::readable, [] {});
    EXPECT_EQ(reactor_->report_pending(), "1 watch, asked for at " + here(__LINE__ - 1) +
                                              ": descriptor " + std::to_string(pipe.descriptor()) +
                                              ", to be read\n");
    watch.cancel();
    EXPECT_EQ(reactor_->report_pending(), "Nothing keeps this loop busy.\n");
  }
}

TEST_P(Diagnostics, NameThePlaceWhereASlowWatchWasBegun) {
  for (const bool far : {false, true}) {
    ReadyPipe pipe;
    if (far && !pipe.move_far()) continue;
    watchdog_.reset();
    told_after_ = false;
    Watch watch;
    const auto slow = [&] {
      hold_up();
      watch.cancel();
    };
    watch = reactor_->watch(pipe.descriptor(), Interest::readable, slow);
    const auto line = __LINE__ - 1;
    ASSERT_TRUE(spin_until([&] { return told_after_.load(); }));
    EXPECT_THAT(during_[0].text(), HasSubstr("scheduled at " + here(line) + ", has held up"));
    EXPECT_THAT(after_[0].text(), HasSubstr("scheduled at " + here(line) + ", held up"));
  }
}

TEST_P(Diagnostics, ListASignalThatIsWatchedWithItsPlace) {
  const auto watch = on_signal(*reactor_, SIGUSR2, [] {});
  const auto line = __LINE__ - 1;
  const auto tasks = dump_tasks_on_signal(*reactor_, SIGUSR1);
  EXPECT_THAT(reactor_->report_pending(),
              AllOf(HasSubstr("1 watch, asked for at " + here(line) + ": descriptor "),
                    HasSubstr("1 watch, asked for at " + here(line + 2) + ": descriptor ")));
}

TEST_P(Diagnostics, ListWhatHasWatchesOfItsOwnOnlyOnce) {
  const std::string path =
      std::string(1, '\0') + "weft diagnostics " + GetParam() + " " + std::to_string(::getpid());
  auto port = reactor_->listen_unix(path, factory_from([this] { return server_; }));
  auto connecting = reactor_->connect_unix(path, factory_from([this] { return client_; }));
  class Deaf final : public DatagramProtocol {
    void datagram_received(BytesView, const Address&) override {}
  };
  const auto datagrams = reactor_->listen_udp(0, std::make_shared<Deaf>());
  const auto child = reactor_->spawn_process(std::make_shared<ProcessProtocol>(), cat());
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  const auto report = reactor_->report_pending();
  EXPECT_THAT(report, Not(HasSubstr("watch")));
  EXPECT_THAT(report, AllOf(HasSubstr("1 port, asked for at "), HasSubstr("1 process, asked for"),
                            HasSubstr("AccumulatingProtocol with"), HasSubstr("1 datagram port")));
  child->kill();
  EXPECT_TRUE(spin_until([&] { return child->status().has_value(); }));
}

// Slow in the callback that is called so.
class SlowProcess final : public ProcessProtocol {
 public:
  SlowProcess(std::string name, std::function<void()> slow)
      : name_(std::move(name)), slow_(std::move(slow)) {}
  void connection_made() override {
    call("connection_made");
    process().write("x");
    process().close_stdin();
  }
  void child_data_received(int, BytesView) override { call("child_data_received"); }
  void child_connection_lost(int descriptor) override {
    if (descriptor == 1) call("child_connection_lost");
  }
  void process_exited(const ProcessStatus&) override { call("process_exited"); }
  void process_ended(const ProcessStatus&) override {
    call("process_ended");
    ended = true;
  }
  bool ended = false;

 private:
  void call(const std::string& name) {
    if (name == name_) slow_();
  }
  std::string name_;
  std::function<void()> slow_;
};

TEST_P(Diagnostics, NameTheProcessOfASlowCallback) {
  for (const auto* const slow : {"connection_made", "child_data_received", "child_connection_lost",
                                 "process_exited", "process_ended"}) {
    SCOPED_TRACE(slow);
    watchdog_.reset();
    told_after_ = false;
    const auto protocol = std::make_shared<SlowProcess>(slow, [this] { hold_up(); });
    const auto child = reactor_->spawn_process(protocol, cat());
    ASSERT_TRUE(spin_until([&] { return protocol->ended && told_after_; }));
    EXPECT_THAT(during_[0].whose, ::testing::EndsWith("SlowProcess"));
    EXPECT_EQ(after_[0].whose, "/bin/cat, number " + std::to_string(child->pid()));
  }
}

#endif

TEST_P(Diagnostics, NameThePortOfASlowFactory) {
  const auto slow = [this] {
    hold_up();
    return server_;
  };
  [[maybe_unused]] const auto line = __LINE__ + 1;
  port_ = reactor_->listen_tcp(0, factory_from(slow), on_loopback_at({}));
  auto connecting = reactor_->connect_tcp("127.0.0.1", port_.address().port(),
                                          factory_from([this] { return client_; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && told_after_; }));
  EXPECT_EQ(after_[0].whose, port_.address().text());
#ifdef __linux__
  EXPECT_THAT(after_[0].text(), HasSubstr("scheduled at " + here(line)));
#endif
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
