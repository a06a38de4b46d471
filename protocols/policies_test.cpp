#include "../framework/context.hpp"
#include "../framework/protocol_wrapper.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/io_pump.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/string_transport.hpp"
#include "connection_limit.hpp"
#include "idle_timeout.hpp"
#include "throttle.hpp"
#include "traffic_log.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::AccumulatingProtocol;
using testing::StringTransport;

std::shared_ptr<Factory> always(const std::shared_ptr<Protocol>& protocol) {
  return factory_from([protocol] { return protocol; });
}

// ---- idle timeout

class IdleTimeoutTest : public ::testing::Test {
 protected:
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<Factory> factory_ = idle_timeout(always(protocol_), 10s);
  std::shared_ptr<StringTransport> transport_ = testing::connect(*factory_);
};

TEST_F(IdleTimeoutTest, AbortsAConnectionOnWhichNothingHappens) {
  transport_->manual_clock().advance(10s - 1ns);
  EXPECT_FALSE(protocol_->lost());
  transport_->manual_clock().advance(1ns);
  EXPECT_TRUE(protocol_->lost_with<IdleTimeout>());
  EXPECT_TRUE(transport_->aborted());
}

TEST_F(IdleTimeoutTest, CountsFromTheLastByteOfEitherDirection) {
  for (int round = 0; round < 5; ++round) {
    transport_->manual_clock().advance(9s);
    transport_->deliver("in");
    transport_->manual_clock().advance(9s);
    protocol_->way().write("out");
    transport_->settle();
  }
  EXPECT_FALSE(protocol_->lost());
  transport_->manual_clock().advance(10s);
  EXPECT_TRUE(protocol_->lost_with<IdleTimeout>());
}

TEST_F(IdleTimeoutTest, CountsEveryWayOfWriting) {
  const BytesView pieces[] = {"a", "b"};
  transport_->manual_clock().advance(9s);
  protocol_->way().write(Bytes(std::string("shared")));
  transport_->manual_clock().advance(9s);
  protocol_->way().write_sequence(pieces);
  transport_->manual_clock().advance(9s);
  EXPECT_FALSE(protocol_->lost());
  EXPECT_EQ(transport_->value(), "sharedab");
}

TEST_F(IdleTimeoutTest, LeavesNoTimerBehind) {
  protocol_->way().lose_connection();
  transport_->settle();
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
  EXPECT_EQ(transport_->manual_clock().pending_calls(), 0U);
}

TEST(IdleTimeoutPolicy, RefusesNoTimeAtAll) {
  EXPECT_THROW(static_cast<void>(idle_timeout(factory_for<AccumulatingProtocol>(), 0s)),
               InvalidArgument);
}

// ---- limits

class ConnectionLimitTest : public ::testing::Test {
 protected:
  static Address from(const char* host) { return *Address::parse(host, 1000); }
  std::shared_ptr<StringTransport> connect(ConnectionLimitFactory& factory, const char* host) {
    auto protocol = factory.build_protocol(from(host));
    return protocol != nullptr ? testing::connect(std::move(protocol)) : nullptr;
  }
};

TEST_F(ConnectionLimitTest, RefusesThoseBeyondTheLimitUntilOneIsLost) {
  const testing::LogCapture log;
  ConnectionLimitFactory factory(factory_for<AccumulatingProtocol>(), ConnectionLimits(2));
  auto first = connect(factory, "192.0.2.1");
  const auto second = connect(factory, "192.0.2.2");
  EXPECT_EQ(connect(factory, "192.0.2.3"), nullptr);
  EXPECT_EQ(connect(factory, "192.0.2.3"), nullptr);
  EXPECT_EQ(factory.connections(), 2U);
  EXPECT_EQ(factory.refused(), 2U);
  EXPECT_TRUE(log.contains("192.0.2.3"));
  first->break_with(Failure(ConnectionReset("gone")));
  EXPECT_EQ(factory.connections(), 1U);
  EXPECT_NE(connect(factory, "192.0.2.3"), nullptr);
}

TEST_F(ConnectionLimitTest, CountsEachPeerByItself) {
  const testing::LogCapture log;
  ConnectionLimitFactory factory(factory_for<AccumulatingProtocol>(), ConnectionLimits(0, 1));
  const auto first = connect(factory, "192.0.2.1");
  EXPECT_EQ(connect(factory, "192.0.2.1"), nullptr);
  EXPECT_NE(connect(factory, "192.0.2.2"), nullptr);
  first->break_with(Failure(ConnectionReset("gone")));
  EXPECT_NE(connect(factory, "192.0.2.1"), nullptr);
}

TEST_F(ConnectionLimitTest, GivesThePlaceBackWhenTheFactoryRefusesOrThrows) {
  int asked = 0;
  ConnectionLimitFactory factory(factory_from([&asked]() -> std::shared_ptr<Protocol> {
                                   if (++asked == 1) return nullptr;
                                   if (asked == 2) throw std::runtime_error("not now");
                                   return std::make_shared<AccumulatingProtocol>();
                                 }),
                                 ConnectionLimits(1));
  EXPECT_EQ(connect(factory, "192.0.2.1"), nullptr);
  EXPECT_THROW(connect(factory, "192.0.2.1"), std::runtime_error);
  EXPECT_NE(connect(factory, "192.0.2.1"), nullptr);
  EXPECT_EQ(factory.connections(), 0U);
}

TEST_F(ConnectionLimitTest, HoldsForAPort) {
  const testing::LogCapture log;
  testing::MemoryReactor reactor;
  const auto factory = std::make_shared<ConnectionLimitFactory>(factory_for<AccumulatingProtocol>(),
                                                                ConnectionLimits(1));
  auto port = reactor.listen_tcp(80, factory);
  const auto first = reactor.connect_to(80);
  const auto second = reactor.connect_to(80);
  reactor.settle();
  EXPECT_TRUE(first->connected());
  EXPECT_FALSE(second->connected());
  EXPECT_EQ(port.connections(), 1U);
}

// ---- throttle

class ThrottleTest : public ::testing::Test {
 protected:
  std::shared_ptr<StringTransport> connect(ThrottleLimits limits) {
    factory_ = throttle(always(protocol_), limits);
    return testing::connect(*factory_);
  }
  std::shared_ptr<Factory> factory_;
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
};

TEST_F(ThrottleTest, WritesSoManyBytesASecondInTheLongRun) {
  const auto transport = connect(ThrottleLimits(Bandwidth(0, 1000)));
  protocol_->way().write(std::string(50'000, 'x'));
  transport->settle();
  EXPECT_LE(transport->value().size(), 100U);
  transport->manual_clock().advance(10s);
  EXPECT_NEAR(static_cast<double>(transport->value().size()), 10'000, 200);
  transport->manual_clock().advance(40s);
  EXPECT_EQ(transport->value().size(), 50'000U);
}

TEST_F(ThrottleTest, ReadsSoManyBytesASecondInTheLongRun) {
  const auto transport = connect(ThrottleLimits(Bandwidth(1000, 0)));
  std::size_t sent = 0;
  for (int tick = 0; tick < 1000; ++tick) {
    if (sent - protocol_->data.size() < 500) {
      transport->deliver(std::string(500, 'x'));
      sent += 500;
    }
    transport->manual_clock().advance(10ms);
  }
  EXPECT_NEAR(static_cast<double>(protocol_->data.size()), 10'000, 1000);
}

TEST_F(ThrottleTest, TellsTheWriterWhenTooMuchWaits) {
  const auto transport = connect(ThrottleLimits(Bandwidth(0, 1000)));
  protocol_->way().set_write_buffer_limits(2000, 1000);
  protocol_->way().write(std::string(3000, 'x'));
  transport->settle();
  EXPECT_GE(protocol_->way().write_buffer_size(), 2900U);
  EXPECT_EQ(protocol_->events.back(), "pause");
  transport->manual_clock().advance(3s);
  EXPECT_EQ(protocol_->events.back(), "resume");
}

TEST_F(ThrottleTest, DeliversEverythingBeforeItCloses) {
  const auto transport = connect(ThrottleLimits(Bandwidth(0, 1000)));
  protocol_->way().write(std::string(5000, 'x'));
  protocol_->way().lose_connection();
  transport->settle();
  EXPECT_FALSE(transport->disconnecting());
  transport->manual_clock().advance(6s);
  EXPECT_EQ(transport->value().size(), 5000U);
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
  EXPECT_EQ(transport->manual_clock().pending_calls(), 0U);
}

TEST_F(ThrottleTest, GivesUpWhenTheCloseTakesTooLong) {
  const auto transport = connect(ThrottleLimits(Bandwidth(0, 1000)));
  protocol_->way().write(std::string(50'000, 'x'));
  protocol_->way().lose_connection(2s);
  transport->manual_clock().advance(3s);
  EXPECT_TRUE(protocol_->lost_with<LingerTimeout>());
  EXPECT_TRUE(transport->aborted());
}

TEST_F(ThrottleTest, SharesWhatAllMayUseTogether) {
  testing::MemoryReactor reactor;
  const auto factory = throttle(factory_from([] {
                                  auto protocol = std::make_shared<AccumulatingProtocol>();
                                  protocol->on_made = [](AccumulatingProtocol& self) {
                                    self.way().write(std::string(50'000, 'x'));
                                  };
                                  return protocol;
                                }),
                                ThrottleLimits(Bandwidth(), Bandwidth(0, 1000)));
  auto port = reactor.listen_tcp(80, factory);
  const auto first = reactor.connect_to(80);
  const auto second = reactor.connect_to(80);
  reactor.advance(20s);
  const auto one = static_cast<double>(first->value().size());
  const auto other = static_cast<double>(second->value().size());
  EXPECT_NEAR(one + other, 20'000, 400);
  EXPECT_GT(one, 5'000);
  EXPECT_GT(other, 5'000);
}

TEST_F(ThrottleTest, LetsNobodyWaitForAnotherWhereEachHasItsOwn) {
  testing::MemoryReactor reactor;
  const auto factory = throttle(factory_from([] {
                                  auto protocol = std::make_shared<AccumulatingProtocol>();
                                  protocol->on_made = [](AccumulatingProtocol& self) {
                                    self.way().write(std::string(50'000, 'x'));
                                  };
                                  return protocol;
                                }),
                                ThrottleLimits(Bandwidth(0, 1000), Bandwidth(0, 100'000)));
  auto port = reactor.listen_tcp(80, factory);
  std::vector<std::shared_ptr<StringTransport>> peers;
  for (int i = 0; i < 5; ++i)
    peers.push_back(reactor.connect_to(80));
  reactor.advance(10s);
  for (const auto& peer : peers) {
    EXPECT_NEAR(static_cast<double>(peer->value().size()), 10'000, 300);
  }
}

TEST_F(ThrottleTest, FailsLikeTheProtocolThatItWraps) {
  const testing::LogCapture log;
  const auto transport = connect(ThrottleLimits(Bandwidth(100, 100)));
  protocol_->on_data = [](AccumulatingProtocol&, BytesView) { throw std::runtime_error("inside"); };
  transport->deliver("x");
  EXPECT_TRUE(transport->aborted());
  EXPECT_TRUE(protocol_->lost_with<std::runtime_error>());
  EXPECT_EQ(transport->manual_clock().pending_calls(), 0U);
}

TEST_F(ThrottleTest, PassesResetsAndEndsOn) {
  auto transport = connect(ThrottleLimits(Bandwidth(100, 100)));
  protocol_->on_eof = [](AccumulatingProtocol&) {};
  transport->deliver("x");
  transport->deliver_end();
  EXPECT_EQ(protocol_->events, (std::vector<std::string>{"made", "data", "eof"}));
  transport->break_with(Failure(ConnectionReset("gone")));
  EXPECT_TRUE(protocol_->lost_with<ConnectionReset>());
}

TEST_F(ThrottleTest, SlowsAWholeConversationDownAndLosesNothingOfIt) {
  const std::string text(20'000, 'x');
  for (const std::uint32_t seed : {1U, 2U}) {
    const auto client = std::make_shared<AccumulatingProtocol>();
    const auto server = std::make_shared<AccumulatingProtocol>();
    client->on_made = [&](AccumulatingProtocol& self) {
      self.way().write(text);
      self.way().lose_write_connection();
    };
    server->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
    const auto factory = throttle(always(server), ThrottleLimits(Bandwidth(5000, 5000)));
    testing::IoPump pump(client, factory->build_protocol(Address()),
                         testing::Delivery::random_pieces(seed));
    for (int second = 0; second < 12 && !client->lost(); ++second) {
      for (int tick = 0; tick < 20; ++tick) {
        pump.flush();
        pump.clock().advance(50ms);
      }
    }
    EXPECT_EQ(client->data.size(), text.size());
    EXPECT_TRUE(client->lost());
    EXPECT_TRUE(server->lost_with<ConnectionDone>());
  }
}

// ---- the context of a connection, in all of its layers

const ContextVar<int> session("session", 0);
const ContextVar<int> upper("upper", 0);

// Below a policy: sets a variable, and passes on what comes by `pass`.
class Marking final : public ProtocolWrapper {
 public:
  using Pass = std::function<void(UniqueFunction<void()>)>;
  Marking(std::shared_ptr<Protocol> protocol, std::vector<int>& seen, Pass pass)
      : ProtocolWrapper(std::move(protocol)), seen_(seen), pass_(std::move(pass)) {}
  void connection_made() override {
    session.set(7);
    ProtocolWrapper::connection_made();
    seen_.push_back(upper.get());
  }
  void data_received(BytesView data) override {
    pass_([this, &data] { ProtocolWrapper::data_received(data); });
    seen_.push_back(upper.get());
  }
  void connection_lost(const Failure& reason) override {
    seen_.push_back(session.get());
    ProtocolWrapper::connection_lost(reason);
    seen_.push_back(session.get());
  }

 private:
  std::vector<int>& seen_;
  Pass pass_;
};

class LayersTest : public ::testing::Test {
 protected:
  LayersTest() {
    protocol_->on_made = [this](AccumulatingProtocol&) { note(); };
    protocol_->on_data = [this](AccumulatingProtocol&, BytesView) { note(); };
    protocol_->on_lost = [this](AccumulatingProtocol&) { note(); };
  }
  void TearDown() override { EXPECT_TRUE(Context::current().empty()); }
  void note() {
    above_.push_back(session.get());
    above_.push_back(upper.get());
    upper.set(upper.get() + 1);
  }
  std::shared_ptr<Factory> layers(Marking::Pass pass = [](UniqueFunction<void()> f) { f(); }) {
    const auto throttled = throttle(always(protocol_), ThrottleLimits(Bandwidth(100'000, 100'000)));
    return factory_from([=, this] {
      return std::make_shared<Marking>(throttled->build_protocol(Address()), below_, pass);
    });
  }
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
  // The upper's variable, and the session when it is lost.
  std::vector<int> below_;
  // Pairs of both.
  std::vector<int> above_;
};

TEST_F(LayersTest, ShareOneContextWithNothingSetBefore) {
  const auto transport = testing::connect(*layers());
  transport->deliver("x");
  transport->deliver("y");
  protocol_->way().abort_connection();
  transport->settle();
  EXPECT_EQ(above_, (std::vector{7, 0, 7, 1, 7, 2, 7, 3}));
  EXPECT_EQ(below_, (std::vector{1, 2, 3, 7, 7}));
}

TEST_F(LayersTest, ShareItWhereOneCallsTheOtherFromAContextOfItsOwn) {
  const auto transport = testing::connect(*layers([](UniqueFunction<void()> pass_on) {
    const auto other = session.scoped(1);
    Promise<int> promise;
    auto stage = promise.deferred().add_callback([&](int) {
      session.set(2);
      pass_on();
    });
    promise.callback(0);
  }));
  transport->deliver("x");
  transport->deliver("y");
  transport->break_with(Failure(ConnectionReset("gone")));
  EXPECT_EQ(above_, (std::vector{7, 0, 1, 1, 1, 2, 7, 3}));
  EXPECT_EQ(below_, (std::vector{1, 2, 3, 7, 7}));
}

TEST_F(LayersTest, KeepItUntilTheLowestHasHeardOfTheLoss) {
  testing::MemoryReactor reactor;
  auto port = reactor.listen_tcp(80, layers());
  const auto peer = reactor.connect_to(80);
  // The end of a loop is told to the upper layers first.
  reactor.call_later(1s, [&] { reactor.stop(); });
  reactor.run();
  EXPECT_EQ(above_, (std::vector{7, 0, 7, 1}));
  EXPECT_EQ(below_, (std::vector{1, 7, 7}));
}

// ---- traffic log

TEST(TrafficLog, ShowsWhatComesAndGoes) {
  std::vector<std::string> lines;
  TrafficLogOptions options;
  options.max_shown_bytes = 8;
  options.sink = [&lines](const std::string& line) { lines.push_back(line); };
  const auto protocol = std::make_shared<AccumulatingProtocol>();
  const auto factory = traffic_log(always(protocol), std::move(options));
  const auto transport = testing::connect(*factory);
  transport->deliver(std::string_view("a\"\r\n\0\xff", 6));
  protocol->way().write("0123456789");
  protocol->way().lose_write_connection();
  transport->settle();
  transport->deliver_end();
  const auto peer = transport->peer().text();
  EXPECT_EQ(lines.at(0), peer + " connected");
  EXPECT_EQ(lines.at(1), peer + " < 6 bytes \"a\\\"\\r\\n\\x00\\xff\"");
  EXPECT_EQ(lines.at(2), peer + " > 10 bytes \"01234567...\"");
  EXPECT_EQ(lines.at(3), peer + " > end");
  EXPECT_EQ(lines.at(4), peer + " < end");
  EXPECT_TRUE(lines.back().find("lost: ") != std::string::npos);
}

TEST(TrafficLog, ShowsEveryWayOfWriting) {
  std::vector<std::string> lines;
  TrafficLogOptions options;
  options.max_shown_bytes = 0;
  options.sink = [&lines](const std::string& line) { lines.push_back(line); };
  const auto protocol = std::make_shared<AccumulatingProtocol>();
  const auto factory = traffic_log(always(protocol), std::move(options));
  const auto transport = testing::connect(*factory);
  const auto peer = transport->peer().text();
  const BytesView pieces[] = {"a", "bc"};
  protocol->way().write(Bytes(std::string("shared")));
  protocol->way().write_sequence(pieces);
  EXPECT_EQ(transport->value(), "sharedabc");
  EXPECT_EQ(lines, (std::vector<std::string>{peer + " connected", peer + " > 6 bytes",
                                             peer + " > 1 bytes", peer + " > 2 bytes"}));
}

TEST(TrafficLog, GoesToTheLog) {
  const testing::LogCapture log;
  const auto factory = traffic_log(factory_for<AccumulatingProtocol>());
  const auto transport = testing::connect(*factory);
  transport->deliver("hello");
  EXPECT_TRUE(log.contains("< 5 bytes \"hello\""));
}

}  // namespace
}  // namespace weft
