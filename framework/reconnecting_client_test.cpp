#include "reconnecting_client.hpp"

#include "error.hpp"
#include "step_clock_test.hpp"
#include "test_results_test.hpp"
#include "transport.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

struct FakeTransport final : Transport {
  explicit FakeTransport(Clock& own_clock) : its_clock(own_clock) {}
  void write(BytesView) override {}
  void write(Bytes) override {}
  void write_sequence(std::span<const BytesView>) override {}
  void lose_connection() override { losing = true; }
  void lose_connection(Duration) override { losing = true; }
  void abort_connection() override {}
  void abort_connection(Failure) override {}
  void lose_write_connection() override {}
  void pause_producing() override {}
  void resume_producing() override {}
  void register_producer(std::shared_ptr<Producer>, Streaming) override {}
  void unregister_producer() override {}
  void set_write_buffer_limits(std::size_t, std::size_t) override {}
  [[nodiscard]] std::size_t write_buffer_size() const override { return 0; }
  [[nodiscard]] Address host() const override { return {}; }
  [[nodiscard]] Address peer() const override { return {}; }
  [[nodiscard]] bool connected() const override { return !losing; }
  [[nodiscard]] bool closing() const override { return false; }
  [[nodiscard]] Clock& clock() const override { return its_clock; }
  Clock& its_clock;
  bool losing = false;
};

// A reactor that only connects: the test decides what becomes of each attempt.
class ConnectingReactor final : public Reactor {
 public:
  ~ConnectingReactor() override {
    // As every reactor does at its end.
    for (const auto& attempt : attempts) {
      if (attempt.protocol) attempt.protocol->connection_lost(make_failure<ConnectionLost>("End."));
    }
    drop_calls();
  }

  struct Attempt {
    std::shared_ptr<Factory> factory;
    std::shared_ptr<Promise<std::shared_ptr<Protocol>>> promise;
    std::shared_ptr<Protocol> protocol;
    std::shared_ptr<FakeTransport> transport;
  };
  std::vector<Attempt> attempts;
  bool cancelled = false;
  Trigger trigger;

  Deferred<std::shared_ptr<Protocol>> connect_tcp(std::string, Port, std::shared_ptr<Factory> f,
                                                  const ConnectOptions&) override {
    auto promise =
        std::make_shared<Promise<std::shared_ptr<Protocol>>>([this] { cancelled = true; });
    attempts.push_back({std::move(f), promise, nullptr, nullptr});
    return promise->deferred();
  }
  // The last attempt reaches the server.
  void accept() {
    auto& attempt = attempts.back();
    attempt.protocol = attempt.factory->build_protocol({});
    attempt.transport = std::make_shared<FakeTransport>(*this);
    attempt.protocol->make_connection(attempt.transport);
    attempt.promise->callback(attempt.protocol);
  }
  void refuse() {
    attempts.back().promise->errback(make_failure<ConnectionRefused>("Nobody listens."));
  }
  // The last connection ends.
  void lose() {
    const auto protocol = std::exchange(attempts.back().protocol, nullptr);
    protocol->connection_lost(make_failure<ConnectionDone>("It was closed."));
  }
  void advance(Duration by) {
    const auto end = now_ + by;
    for (auto due = next_due(); due && *due <= end; due = next_due()) {
      now_ = std::max(now_, *due);
      run_due(now_);
    }
    now_ = end;
  }

  [[nodiscard]] TimePoint now() const override { return now_; }
  [[nodiscard]] std::string_view name() const noexcept override { return "connecting"; }
  void run() override {}
  void stop() override {}
  void stop_from_thread() noexcept override {}
  void run_once(Duration) override {}
  [[nodiscard]] bool running() const noexcept override { return true; }
  void set_shutdown_deadline(Duration) override {}
  void set_stop_on_signals(bool) override {}
  void call_when_running(Callback) override {}
  bool call_from_thread(Callback) override { return false; }
  bool remove_system_event_trigger(TriggerId) override { return !std::exchange(trigger, {}); }
  // The orderly shutdown begins.
  Deferred<void> shut_down() { return std::exchange(trigger, {})(); }
  ListeningPort listen_tcp(Port, std::shared_ptr<Factory>, const ListenOptions&) override {
    throw NotSupportedOnThisPlatform("This reactor only connects.");
  }
  Watch watch(Descriptor, Interest, Callback, CallPlace) override { return {}; }
  [[nodiscard]] Resolver& resolver() override {
    throw NotSupportedOnThisPlatform("This reactor only connects.");
  }
  void set_resolver(std::shared_ptr<Resolver>) override {}
  [[nodiscard]] ThreadPool& thread_pool() override {
    throw NotSupportedOnThisPlatform("This reactor only connects.");
  }

 private:
  TriggerId add_trigger(Phase phase, SystemEvent event, Trigger added) override {
    EXPECT_EQ(phase, Phase::before);
    EXPECT_EQ(event, SystemEvent::shutdown);
    trigger = std::move(added);
    return {};
  }
  TimePoint now_{};
};

// Writes down what it hears.
struct Hearing : Protocol {
  explicit Hearing(std::string& heard) : log(heard) {}
  void connection_made() override { log += "made "; }
  void data_received(BytesView data) override { log += std::string(data.text()) + ' '; }
  void eof_received() override { log += "eof "; }
  void pause_writing() override { log += "pause "; }
  void resume_writing() override { log += "resume "; }
  void connection_lost(const Failure& reason) override {
    static_cast<void>(transport().peer());
    log += "lost:" + reason.type_name() + ' ';
    if (throws) throw std::runtime_error("clumsy");
  }
  std::string& log;
  bool throws = false;
};

struct HearingFactory : Factory {
  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    last = std::make_shared<Hearing>(log);
    return last;
  }
  void start_factory() override {
    ++starts;
    if (fails) throw std::runtime_error("no paper");
  }
  void stop_factory() override { ++stops; }
  std::string log;
  std::shared_ptr<Hearing> last;
  int starts = 0;
  int stops = 0;
  bool fails = false;
};

ReconnectOptions steady() {
  ReconnectOptions options;
  options.jitter = 0;
  return options;
}

struct Line {
  std::shared_ptr<HearingFactory> factory = std::make_shared<HearingFactory>();
  ConnectingReactor reactor;
  std::optional<ReconnectingClient> client;
  explicit Line(const ReconnectOptions& options = steady()) {
    client.emplace(reactor, "example.com", Port{7}, factory, options);
  }
  [[nodiscard]] std::size_t attempts() const { return reactor.attempts.size(); }
};

TEST(ReconnectingClient, MakesNoAttemptBeforeItIsStarted) {
  Line line;
  EXPECT_EQ(line.attempts(), 0U);
  EXPECT_FALSE(line.client->running());
  auto stopped = line.client->stop();
  EXPECT_EQ(end_of(stopped), "done");
}

TEST(ReconnectingClient, GivesTheProtocolThatTheFactoryBuilt) {
  Line line;
  auto before = line.client->when_connected();
  line.client->start();
  EXPECT_FALSE(before.ready());
  line.reactor.accept();
  EXPECT_TRUE(line.client->connected());
  auto after = line.client->when_connected();
  EXPECT_EQ(before.take_result()->value(), line.factory->last);
  EXPECT_EQ(after.take_result()->value(), line.factory->last);
}

TEST(ReconnectingClient, HandsEverythingOnToTheProtocol) {
  Line line;
  line.client->start();
  line.reactor.accept();
  auto& relay = *line.reactor.attempts.back().protocol;
  relay.data_received("hello");
  relay.pause_writing();
  relay.resume_writing();
  relay.eof_received();
  EXPECT_EQ(relay.buffered(), nullptr);
  line.reactor.lose();
  EXPECT_EQ(line.factory->log, "made hello pause resume eof lost:weft::ConnectionDone ");
}

TEST(ReconnectingClient, FreesTheProtocolOfALostConnection) {
  Line line;
  line.client->start();
  line.reactor.accept();
  const std::weak_ptr<Hearing> protocol = line.factory->last;
  const std::weak_ptr<FakeTransport> transport = line.reactor.attempts.back().transport;
  line.reactor.lose();
  line.factory->last.reset();
  line.reactor.attempts.clear();
  EXPECT_TRUE(protocol.expired());
  EXPECT_TRUE(transport.expired());
}

TEST(ReconnectingClient, ConnectsAgainAfterTheConnectionWasLost) {
  Line line;
  line.client->start();
  line.reactor.accept();
  line.reactor.lose();
  EXPECT_FALSE(line.client->connected());
  EXPECT_TRUE(line.client->running());
  auto next = line.client->when_connected();
  line.reactor.advance(999ms);
  EXPECT_EQ(line.attempts(), 1U);
  line.reactor.advance(1ms);
  EXPECT_EQ(line.attempts(), 2U);
  line.reactor.accept();
  EXPECT_EQ(end_of(next), "done");
}

TEST(ReconnectingClient, ConnectsAgainEvenWhenConnectionLostThrows) {
  Line line;
  line.client->start();
  line.reactor.accept();
  line.factory->last->throws = true;
  EXPECT_THROW(line.reactor.lose(), std::runtime_error);
  line.reactor.advance(1s);
  EXPECT_EQ(line.attempts(), 2U);
}

TEST(ReconnectingClient, WaitsLongerAfterEachFailureUpToTheLimit) {
  Line line;
  line.client->start();
  Duration expected = 1s;
  for (int failures = 0; failures < 20; ++failures) {
    const auto before = line.attempts();
    line.reactor.refuse();
    line.reactor.advance(expected - 1ms);
    ASSERT_EQ(line.attempts(), before) << failures;
    line.reactor.advance(2ms);
    ASSERT_EQ(line.attempts(), before + 1) << failures;
    expected = std::min<Duration>(60s, expected * 3 / 2);
  }
  EXPECT_EQ(expected, 60s);
}

TEST(ReconnectingClient, WaitsWithoutEndWhereTheLongestPauseIsTheLongestThereIs) {
  auto options = steady();
  options.first_delay = options.max_delay = Duration::max();
  options.jitter = 1;
  Line line(options);
  line.client->start();
  line.reactor.refuse();
  EXPECT_EQ(line.reactor.pending_calls(), 1U);
  line.reactor.advance(1h);
  EXPECT_EQ(line.attempts(), 1U);
}

TEST(ReconnectingClient, BeginsAnewWithShortPausesOnceConnected) {
  Line line;
  line.client->start();
  for (int i = 0; i < 5; ++i) {
    line.reactor.refuse();
    line.reactor.advance(60s);
  }
  line.reactor.accept();
  line.reactor.lose();
  line.reactor.advance(1s);
  EXPECT_EQ(line.attempts(), 7U);
}

TEST(ReconnectingClient, SpreadsItsAttemptsByARepeatableJitter) {
  auto options = steady();
  options.jitter = 0.5;
  options.seed = 42;
  std::vector<Duration> waits;
  for (int i = 0; i < 2; ++i) {
    Line line(options);
    line.client->start();
    line.reactor.refuse();
    while (line.attempts() == 1)
      line.reactor.advance(1ms);
    waits.push_back(line.reactor.now().time_since_epoch());
  }
  EXPECT_EQ(waits[0], waits[1]);
  EXPECT_GT(waits[0], 1s);
  EXPECT_LE(waits[0], 1501ms);
}

TEST(ReconnectingClient, GivesUpAfterAsManyFailuresAsItWasTold) {
  auto options = steady();
  options.max_attempts = 2;
  Line line(options);
  line.client->start();
  auto waiting = line.client->when_connected();
  line.reactor.refuse();
  line.reactor.advance(1s);
  EXPECT_FALSE(waiting.ready());
  line.reactor.refuse();
  EXPECT_EQ(end_of(waiting), "weft::ConnectionRefused");
  EXPECT_FALSE(line.client->running());
  auto later = line.client->when_connected();
  EXPECT_EQ(end_of(later), "weft::ConnectionRefused");
  EXPECT_EQ(line.factory->stops, 1);
  line.client->start();
  EXPECT_EQ(line.attempts(), 3U);
}

TEST(ReconnectingClient, RefusesToStartTwice) {
  Line line;
  line.client->start();
  EXPECT_THROW(line.client->start(), AlreadyRunningError);
  line.reactor.accept();
  EXPECT_THROW(line.client->start(), AlreadyRunningError);
  line.reactor.lose();
  EXPECT_THROW(line.client->start(), AlreadyRunningError);
}

TEST(ReconnectingClient, StaysStoppedWhenTheFactoryDoesNotStart) {
  Line line;
  line.factory->fails = true;
  EXPECT_THROW(line.client->start(), std::runtime_error);
  EXPECT_FALSE(line.client->running());
  EXPECT_EQ(line.attempts(), 0U);
}

TEST(ReconnectingClient, StartsAndStopsItsFactoryOnceHoweverOftenItConnects) {
  Line line;
  line.client->start();
  for (int i = 0; i < 3; ++i) {
    line.reactor.accept();
    line.reactor.lose();
    line.reactor.advance(1s);
  }
  EXPECT_EQ(line.factory->starts, 1);
  EXPECT_EQ(line.factory->stops, 0);
  auto stopped = line.client->stop();
  EXPECT_EQ(line.factory->stops, 1);
}

TEST(ReconnectingClient, StopCancelsTheAttempt) {
  Line line;
  line.client->start();
  auto waiting = line.client->when_connected();
  auto stopped = line.client->stop();
  EXPECT_TRUE(line.reactor.cancelled);
  EXPECT_EQ(end_of(stopped), "done");
  EXPECT_EQ(end_of(waiting), "weft::CancelledError");
}

TEST(ReconnectingClient, StopEndsTheWaitForTheNextAttempt) {
  Line line;
  line.client->start();
  line.reactor.refuse();
  auto stopped = line.client->stop();
  EXPECT_EQ(end_of(stopped), "done");
  line.reactor.advance(1h);
  EXPECT_EQ(line.attempts(), 1U);
  EXPECT_EQ(line.reactor.pending_calls(), 0U);
}

TEST(ReconnectingClient, StopLosesTheConnectionAndWaitsForItsEnd) {
  Line line;
  line.client->start();
  line.reactor.accept();
  auto stopped = line.client->stop();
  auto again = line.client->stop();
  EXPECT_TRUE(line.reactor.attempts.back().transport->losing);
  EXPECT_EQ(end_of(stopped), "pending");
  line.reactor.lose();
  EXPECT_EQ(end_of(stopped), "done");
  EXPECT_EQ(end_of(again), "done");
  line.reactor.advance(1h);
  EXPECT_EQ(line.attempts(), 1U);
}

TEST(ReconnectingClient, StartDuringStopConnectsOnceTheOldConnectionIsGone) {
  Line line;
  line.client->start();
  line.reactor.accept();
  auto stopped = line.client->stop();
  line.client->start();
  EXPECT_TRUE(line.client->running());
  EXPECT_THROW(line.client->start(), AlreadyRunningError);
  EXPECT_EQ(line.attempts(), 1U);
  line.reactor.lose();
  EXPECT_EQ(end_of(stopped), "done");
  EXPECT_EQ(line.attempts(), 2U);
}

TEST(ReconnectingClient, CountsARefusalByTheFactoryAsAFailure) {
  Line line;
  line.client->start();
  line.reactor.attempts.back().promise->errback(make_failure<NoProtocol>("Refused."));
  line.reactor.advance(1s);
  EXPECT_EQ(line.attempts(), 2U);
}

TEST(ReconnectingClient, DestroyedStopsByItself) {
  Line line;
  line.client->start();
  line.reactor.accept();
  line.client.reset();
  EXPECT_TRUE(line.reactor.attempts.back().transport->losing);
  line.reactor.lose();
  line.reactor.advance(1h);
  EXPECT_EQ(line.attempts(), 1U);
  EXPECT_EQ(line.factory->stops, 1);
}

TEST(ReconnectingClient, StopsBeforeItsReactorStopsWhichWaits) {
  Line line;
  line.client->start();
  line.reactor.accept();
  auto stopped = line.reactor.shut_down();
  EXPECT_TRUE(line.reactor.attempts.back().transport->losing);
  EXPECT_FALSE(stopped.ready());
  line.reactor.lose();
  EXPECT_EQ(end_of(stopped), "done");
  EXPECT_EQ(line.reactor.pending_calls(), 0U);
}

TEST(ReconnectingClient, LeavesItsReactorAloneOnceItIsStopped) {
  Line line;
  line.client->start();
  EXPECT_TRUE(line.reactor.trigger);
  auto stopped = line.client->stop();
  EXPECT_FALSE(line.reactor.trigger);
}

TEST(ReconnectingClient, RefusesOptionsThatCannotBe) {
  ConnectingReactor reactor;
  const auto factory = std::make_shared<HearingFactory>();
  for (int wrong = 0; wrong < 4; ++wrong) {
    ReconnectOptions options;
    if (wrong == 0) options.first_delay = -1s;
    if (wrong == 1) options.max_delay = -1s;
    if (wrong == 2) options.factor = 0.5;
    if (wrong == 3) options.jitter = -0.1;
    EXPECT_THROW(ReconnectingClient(reactor, "h", 1, factory, options), InvalidArgument);
  }
}

}  // namespace
}  // namespace weft
