#include "../../framework/allocation_counter_test.hpp"
#include "../../framework/transport.hpp"
#include "../../testing/accumulating_protocol.hpp"
#include "../../testing/conformance/reactor_fixture.hpp"
#include "../../testing/log_capture.hpp"
#include "../make_reactor.hpp"
#include "counted_calls_test.hpp"

#include <gtest/gtest.h>

#ifdef __linux__
#include "plain_peer_test.hpp"

#include <sys/eventfd.h>
#include <unistd.h>
#endif

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

class Echo final : public Protocol {
  void data_received(BytesView data) override { transport().write(data); }
};

// Sends the next message when the last has come back.
class Pinging final : public Protocol {
 public:
  void connection_made() override { transport().write(message); }
  void data_received(BytesView) override {
    ++rounds;
    transport().write(message);
  }
  static constexpr const char* message =
      "sixty-four bytes are the usual size of a message in a race";
  int rounds = 0;
};

class OnTheWire : public ::testing::TestWithParam<std::string> {
 protected:
  // Connects `client` to `server`.
  void connect(const std::shared_ptr<Protocol>& client, const std::shared_ptr<Protocol>& server) {
    auto port =
        reactor_->listen_tcp(0, factory_from([server] { return server; }), testing::on_loopback());
    auto connecting = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                            factory_from([client] { return client; }));
    ASSERT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return connecting.ready(); }));
    // The port stays open until the server's end is there.
    ASSERT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return port.connections() == 1; }));
    port.stop();
  }
  void ping(const Pinging& client, int until) {
    const auto limit = reactor_->now() + std::chrono::seconds(10);
    while (client.rounds < until && reactor_->now() < limit)
      reactor_->run_once(std::chrono::seconds(1));
    ASSERT_GE(client.rounds, until);
  }
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
};

TEST_P(OnTheWire, AllocatesNothingForAMessageOnceItRuns) {
  const auto client = std::make_shared<Pinging>();
  connect(client, std::make_shared<Echo>());
  ping(*client, 100);
  const AllocationCounter counter;
  ping(*client, 1'100);
  EXPECT_EQ(counter.count(), 0);
}

// More operations than io_uring's ring has places, beside a port and a connection that wait all the
// time.
TEST_P(OnTheWire, MixesNothingUpInTheLongRun) {
  const testing::LogCapture log;
  const auto idle = std::make_shared<AccumulatingProtocol>();
  const auto idle_server = std::make_shared<AccumulatingProtocol>();
  connect(idle, idle_server);
  auto port = reactor_->listen_tcp(0, factory_for<Echo>(), testing::on_loopback());
  const auto client = std::make_shared<Pinging>();
  connect(client, std::make_shared<Echo>());
  ping(*client, GetParam() == "io_uring" ? 15'000 : 1'000);
  for (int i = 0; i < 200; ++i) {
    const auto brief = std::make_shared<AccumulatingProtocol>();
    brief->on_made = [](AccumulatingProtocol& self) { self.way().write("echo"); };
    auto connecting = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                            factory_from([brief] { return brief; }));
    ASSERT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return brief->data == "echo"; }));
    brief->way().abort_connection();
  }
  idle_server->way().write("still here");
  ASSERT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return idle->data == "still here"; }));
  EXPECT_EQ(log.lines(), std::vector<std::string>());
}

#ifdef __linux__

TEST_P(OnTheWire, SendsWhatOneCallbackWroteInOneCall) {
  const auto client = std::make_shared<AccumulatingProtocol>();
  const auto server = std::make_shared<AccumulatingProtocol>();
  server->on_data = [](AccumulatingProtocol& self, BytesView) {
    for (int i = 0; i < 16; ++i)
      self.way().write("line\r\n");
  };
  connect(client, server);
  client->way().write("x");
  // What the client writes is sent when the loop comes round, and counts too.
  sends = 0;
  ASSERT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return client->data.size() == 96; }));
  EXPECT_EQ(sends, 2);
}

TEST_P(OnTheWire, ReceivesAMessageInOneCallOnEpoll) {
  if (GetParam() != "epoll") GTEST_SKIP() << "Asio reads on the other reactors";
  const auto client = std::make_shared<Pinging>();
  connect(client, std::make_shared<Echo>());
  ping(*client, 10);
  const int before = client->rounds;
  sends = 0;
  receives = 0;
  ping(*client, 1'010);
  const int messages = 2 * (client->rounds - before);
  EXPECT_NEAR(receives, messages, 2);
  EXPECT_NEAR(sends, messages, 2);
}

// A client that closes first: the connection is put into the set, read from twice and taken out.
TEST_P(OnTheWire, ServesABriefConnectionWithoutACallInVainOnEpoll) {
  if (GetParam() != "epoll") GTEST_SKIP() << "Asio accepts on the other reactors";
  const auto server = std::make_shared<AccumulatingProtocol>();
  server->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
  auto port =
      reactor_->listen_tcp(0, factory_from([server] { return server; }), testing::on_loopback());
  accepts = sends = receives = looks = shutdowns = poller_changes = 0;
  {
    const PlainPeer client(port.address().port());
    client.write("x");
    ASSERT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return server->data == "x"; }));
    ASSERT_TRUE(client.read_byte());
  }
  ASSERT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return server->lost(); }));
  EXPECT_EQ(accepts, 1);
  EXPECT_EQ(receives, 2);
  EXPECT_EQ(looks, 0);
  EXPECT_EQ(shutdowns, 0);
  EXPECT_EQ(poller_changes, 2);
}

// What it answered may be under way still, which one look tells.
TEST_P(OnTheWire, ClosesAfterItsAnswerWithOneLookOnEpoll) {
  if (GetParam() != "epoll") GTEST_SKIP() << "Asio looks on the other reactors";
  const auto client = std::make_shared<AccumulatingProtocol>();
  const auto server = std::make_shared<AccumulatingProtocol>();
  server->on_data = [](AccumulatingProtocol& self, BytesView data) {
    self.way().write(data);
    self.way().lose_connection();
  };
  connect(client, server);
  client->way().write("x");
  looks = 0;
  ASSERT_TRUE(
      testing::spin_reactor_until(*reactor_, [&] { return client->lost() && server->lost(); }));
  EXPECT_EQ(client->data, "x");
  // A second one only where the answer has been acknowledged already.
  EXPECT_GE(looks, 1);
  EXPECT_LE(looks, 2);
}

// Who comes alone is taken by one call, and those that wait together by as many as they are, with
// one more that finds nobody.
TEST_P(OnTheWire, TakesABurstOfConnectionsInTwoRoundsOnEpoll) {
  if (GetParam() != "epoll") GTEST_SKIP() << "Asio accepts on the other reactors";
  constexpr std::size_t many = 20;
  auto port = reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), testing::on_loopback());
  // The system connects them, with nobody in the loop.
  std::vector<std::unique_ptr<PlainPeer>> clients;
  for (std::size_t i = 0; i < many; ++i)
    clients.push_back(std::make_unique<PlainPeer>(port.address().port()));
  accepts = 0;
  for (int round = 0; round < 2; ++round)
    reactor_->run_once(std::chrono::seconds(1));
  EXPECT_EQ(port.connections(), many);
  EXPECT_EQ(accepts, static_cast<int>(many) + 1);
}

// The loop comes back to a port late where it has much else to tell of.
TEST_P(OnTheWire, TakesABurstAtOnceWhereManyOthersAreReadyOnEpoll) {
  if (GetParam() != "epoll") GTEST_SKIP() << "Asio accepts on the other reactors";
  constexpr std::size_t many = 20;
  constexpr int others = 300;
  auto port = reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), testing::on_loopback());
  std::vector<int> ready;
  std::vector<Watch> watches;
  int told = 0;
  for (int i = 0; i < others; ++i) {
    ready.push_back(::eventfd(1, EFD_CLOEXEC));
    watches.push_back(reactor_->watch(ready.back(), Interest::readable, [&] { ++told; }));
  }
  std::vector<std::unique_ptr<PlainPeer>> clients;
  for (std::size_t i = 0; i < many; ++i)
    clients.push_back(std::make_unique<PlainPeer>(port.address().port()));
  EXPECT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return port.connections() == many; }));
  // One round of all others, and the rest of a batch.
  EXPECT_LE(told, 2 * others);
  watches.clear();
  for (const int descriptor : ready)
    ::close(descriptor);
}

#endif

INSTANTIATE_TEST_SUITE_P(Each, OnTheWire, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
