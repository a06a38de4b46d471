#include "memory_reactor.hpp"

#include "../framework/error.hpp"
#include "../framework/looping_call.hpp"
#include "accumulating_protocol.hpp"
#include "results.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;

class Echo final : public Protocol {
 public:
  void data_received(BytesView data) override { transport().write(data); }
};

class MemoryReactorTest : public ::testing::Test {
 protected:
  ListeningPort listen(Port port, const char* interface = "127.0.0.1") {
    ListenOptions options;
    options.interface = interface;
    return reactor_.listen_tcp(port, factory_for<Echo>(), options);
  }
  Deferred<std::shared_ptr<Protocol>> connect(const std::string& host, Port port) {
    return reactor_.connect_tcp(host, port, factory_from([this] { return client_; }));
  }

  MemoryReactor reactor_;
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
};

TEST_F(MemoryReactorTest, RunsAServerAndItsClientWithoutASocket) {
  const auto port = listen(0);
  auto connecting = connect("localhost", port.address().port());
  reactor_.settle();
  EXPECT_EQ(success_result_of(std::move(connecting)), client_);
  client_->way().write("hello");
  reactor_.settle();
  EXPECT_EQ(client_->data, "hello");
  EXPECT_EQ(client_->way().peer(), port.address());
}

TEST_F(MemoryReactorTest, RemembersWhereItListens) {
  auto first = listen(80);
  const auto second = listen(81);
  EXPECT_EQ(reactor_.ports(), (std::vector{first.address(), second.address()}));
  EXPECT_THROW(listen(80), AddressInUse);
  EXPECT_THROW(listen(80, ""), AddressInUse);
  EXPECT_NO_THROW(static_cast<void>(listen(80, "127.0.0.2")));
  first.stop();
  EXPECT_EQ(reactor_.ports().front(), second.address());
  EXPECT_NO_THROW(static_cast<void>(listen(80)));
}

TEST_F(MemoryReactorTest, LetsTheTestPlayThePeerOfAServer) {
  const auto port = listen(80);
  const auto peer = reactor_.connect_to(80, Address::ipv4({203, 0, 113, 9}, 1234));
  peer->deliver("ping");
  EXPECT_EQ(peer->value(), "ping");
  EXPECT_EQ(peer->peer().text(), "203.0.113.9:1234");
  EXPECT_EQ(port.connections(), 1U);
  EXPECT_THROW(static_cast<void>(reactor_.connect_to(81)), ConnectionRefused);
}

TEST_F(MemoryReactorTest, KeepsWhoComesToAPausedPortInOrder) {
  std::vector<std::uint16_t> order;
  auto port = reactor_.listen_tcp(80, factory_from([&](const Address& peer) {
                                    order.push_back(peer.port());
                                    return std::make_shared<Echo>();
                                  }));
  port.pause_accepting();
  const auto first = reactor_.connect_to(80, Address::ipv4({192, 0, 2, 1}, 1));
  const auto second = reactor_.connect_to(80, Address::ipv4({192, 0, 2, 1}, 2));
  EXPECT_TRUE(order.empty());
  port.resume_accepting();
  const auto third = reactor_.connect_to(80, Address::ipv4({192, 0, 2, 1}, 3));
  EXPECT_EQ(order, (std::vector<std::uint16_t>{1, 2, 3}));
  port.pause_accepting();
  const auto fourth = reactor_.connect_to(80);
  port.stop();
  EXPECT_TRUE(fourth->aborted());
  EXPECT_TRUE(third->connected());
}

TEST_F(MemoryReactorTest, LetsTheTestPlayTheServerOfAClient) {
  reactor_.set_connects(MemoryReactor::Connects::by_hand);
  client_->on_made = [](AccumulatingProtocol& self) { self.way().write("GET"); };
  auto connecting = connect("example.org", 443);
  reactor_.advance(1s);
  ASSERT_EQ(reactor_.connects().size(), 1U);
  const auto asked = reactor_.connects().front();
  EXPECT_EQ(asked.host(), "example.org");
  EXPECT_EQ(asked.port(), 443);
  EXPECT_FALSE(connecting.ready());
  const auto peer = asked.succeed();
  EXPECT_EQ(success_result_of(std::move(connecting)), client_);
  EXPECT_EQ(peer->value(), "GET");
  peer->deliver("200");
  EXPECT_EQ(client_->data, "200");
  EXPECT_TRUE(reactor_.connects().empty());
  EXPECT_THROW(asked.fail(Failure(ConnectionRefused("late"))), std::logic_error);
}

TEST_F(MemoryReactorTest, FailsAConnectAsTheTestSays) {
  reactor_.set_connects(MemoryReactor::Connects::by_hand);
  auto connecting = connect("example.org", 443);
  reactor_.connects().front().fail(Failure(NoRoute("The cable is cut.")));
  static_cast<void>(failure_result_of<NoRoute>(std::move(connecting)));
}

TEST_F(MemoryReactorTest, LetsAConnectTimeOutOnItsClock) {
  reactor_.set_connects(MemoryReactor::Connects::by_hand);
  auto connecting = connect("example.org", 443);
  reactor_.advance(30s - 1ns);
  EXPECT_FALSE(connecting.ready());
  reactor_.advance(1ns);
  static_cast<void>(failure_result_of<ConnectTimeout>(std::move(connecting)));
  EXPECT_TRUE(reactor_.connects().empty());
}

TEST_F(MemoryReactorTest, ForgetsAConnectThatIsCancelled) {
  reactor_.set_connects(MemoryReactor::Connects::by_hand);
  auto connecting = connect("example.org", 443);
  connecting.cancel();
  static_cast<void>(failure_result_of<ConnectingCancelled>(std::move(connecting)));
  EXPECT_TRUE(reactor_.connects().empty());
}

TEST_F(MemoryReactorTest, KnowsTheNamesThatItWasTold) {
  const auto port = listen(80);
  reactor_.add_name("here.example", {Address::ipv4({127, 0, 0, 1}, 0)});
  auto known = connect("here.example", 80);
  auto unknown = connect("there.example", 80);
  reactor_.settle();
  EXPECT_EQ(success_result_of(std::move(known)), client_);
  static_cast<void>(failure_result_of<ResolveError>(std::move(unknown)));
}

TEST_F(MemoryReactorTest, SeesEachDeadlineWhenTimeIsAdvanced) {
  std::vector<Duration> seen;
  const auto begin = reactor_.now();
  LoopingCall tick(reactor_, [&] { seen.push_back(reactor_.now() - begin); });
  auto running = tick.start(1s, FirstTick::after_interval);
  reactor_.advance(3s);
  EXPECT_EQ(seen, (std::vector<Duration>{1s, 2s, 3s}));
  tick.stop();
}

TEST_F(MemoryReactorTest, RunsThroughHoursInNoTime) {
  const auto begin = reactor_.now();
  reactor_.call_later(5h, [this] { reactor_.stop(); });
  reactor_.run();
  EXPECT_GE(reactor_.now() - begin, 5h);
}

TEST_F(MemoryReactorTest, TellsItsConnectionsWhenItStops) {
  const auto port = listen(80);
  auto connecting = connect("127.0.0.1", 80);
  reactor_.call_later(1s, [this] { reactor_.stop(); });
  reactor_.run();
  EXPECT_TRUE(client_->lost());
  EXPECT_FALSE(port.listening());
}

TEST_F(MemoryReactorTest, CallsWhoWatchesADescriptor) {
  int calls = 0;
  auto watch = reactor_.watch(7, Interest::readable, [&] { ++calls; });
  EXPECT_THROW(static_cast<void>(reactor_.watch(7, Interest::readable, [] {})),
               AlreadyWatchedError);
  EXPECT_TRUE(reactor_.make_ready(7, Interest::readable));
  EXPECT_FALSE(reactor_.make_ready(7, Interest::writable));
  watch.cancel();
  EXPECT_FALSE(reactor_.make_ready(7, Interest::readable));
  EXPECT_EQ(calls, 1);
}

TEST_F(MemoryReactorTest, AdvancesNoRealTime) {
  MemoryReactor real(MemoryReactor::Time::real);
  EXPECT_THROW(real.advance(1s), InvalidArgument);
  EXPECT_THROW(reactor_.advance(-1s), InvalidArgument);
}

}  // namespace
}  // namespace weft::testing
