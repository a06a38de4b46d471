#include "memory_datagrams.hpp"

#include "../framework/error.hpp"
#include "memory_reactor.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

class Listener final : public DatagramProtocol {
 public:
  std::vector<std::string> heard;
  bool refused = false;
  bool stopped = false;

  void datagram_received(BytesView data, const Address& sender) override {
    heard.emplace_back(data.text());
    if (data == "ping") transport().send("pong", sender);
  }
  void connection_refused() override { refused = true; }
  void stop_protocol() override { stopped = true; }
};

class MemoryDatagramsTest : public ::testing::Test {
 protected:
  std::shared_ptr<DatagramTransport> open(const std::shared_ptr<Listener>& protocol, Port port = 0,
                                          const char* interface = "127.0.0.1") {
    DatagramOptions options;
    options.interface = interface;
    return reactor_.listen_udp(port, protocol, options);
  }

  MemoryReactor reactor_;
  std::shared_ptr<Listener> server_ = std::make_shared<Listener>();
  std::shared_ptr<Listener> client_ = std::make_shared<Listener>();
};

TEST_F(MemoryDatagramsTest, GoBetweenThePortsOfAReactor) {
  const auto server = open(server_);
  const auto client = open(client_);
  client->send("ping", server->host());
  EXPECT_TRUE(server_->heard.empty());
  reactor_.settle();
  EXPECT_EQ(server_->heard, std::vector<std::string>{"ping"});
  EXPECT_EQ(client_->heard, std::vector<std::string>{"pong"});
}

TEST_F(MemoryDatagramsTest, ReachAPortThatIsOpenEverywhereFromBothFamilies) {
  const auto server = reactor_.listen_udp(53, server_);
  const auto old = open(client_);
  const auto modern = open(std::make_shared<Listener>(), 0, "::1");
  old->send("ping", Address::ipv4({127, 0, 0, 1}, 53));
  modern->send("6", *Address::parse("::1", 53));
  reactor_.settle();
  EXPECT_EQ(server_->heard, (std::vector<std::string>{"ping", "6"}));
  EXPECT_EQ(client_->heard, std::vector<std::string>{"pong"});
}

TEST_F(MemoryDatagramsTest, HaveEachPortOnce) {
  const auto server = open(server_, 53);
  EXPECT_THROW(open(client_, 53), AddressInUse);
  EXPECT_THROW(open(client_, 53, ""), AddressInUse);
  EXPECT_THROW(open(client_, 0, "192.0.2.1"), ListenError);
  EXPECT_EQ(reactor_.datagrams().ports(), std::vector{server->host()});
  server->abort_connection();
  EXPECT_NO_THROW(open(client_, 53));
}

TEST_F(MemoryDatagramsTest, GetAFreePortThatNobodyHas) {
  const auto first = open(std::make_shared<Listener>());
  const auto server = open(server_, static_cast<Port>(first->host().port() + 1));
  const auto everywhere = open(std::make_shared<Listener>(), 0, "");
  const auto client = open(client_);
  std::set<Port> ports;
  for (const auto& address : reactor_.datagrams().ports())
    ports.insert(address.port());
  EXPECT_EQ(ports.size(), 4U);
}

TEST_F(MemoryDatagramsTest, GetFreePortsAgainWhenAllHaveBeenGivenOnce) {
  const auto server = open(server_);
  for (int i = 0; i < 20'000; ++i) {
    const auto port = open(client_);
    ASSERT_GE(port->host().port(), server->host().port());
    ASSERT_NE(port->host(), server->host());
    port->abort_connection();
    reactor_.settle();
  }
}

TEST_F(MemoryDatagramsTest, TellAConnectedPortThatNobodyIsThere) {
  const auto client = open(client_);
  client->connect(Address::ipv4({127, 0, 0, 1}, 9));
  client->send("anybody?");
  reactor_.settle();
  EXPECT_TRUE(client_->refused);
}

TEST_F(MemoryDatagramsTest, ForTheRestOfTheWorldAreTheTests) {
  const auto server = open(server_, 53, "");
  const auto elsewhere = Address::ipv4({192, 0, 2, 1}, 4711);
  EXPECT_TRUE(reactor_.datagrams().deliver("ping", elsewhere, Address::ipv4({127, 0, 0, 1}, 53)));
  EXPECT_FALSE(reactor_.datagrams().deliver("ping", elsewhere, Address::ipv4({127, 0, 0, 1}, 54)));
  reactor_.settle();
  ASSERT_EQ(reactor_.datagrams().sent_elsewhere().size(), 1U);
  EXPECT_EQ(reactor_.datagrams().sent_elsewhere()[0].data, "pong");
  EXPECT_EQ(reactor_.datagrams().sent_elsewhere()[0].to, elsewhere);
}

TEST_F(MemoryDatagramsTest, GetLostWhereTheTestSaysSo) {
  const auto server = open(server_);
  const auto client = open(client_);
  reactor_.datagrams().set_loss([](const SentDatagram& each) { return each.data == "two"; });
  for (const char* const text : {"one", "two", "three"})
    client->send(text, server->host());
  reactor_.settle();
  EXPECT_EQ(server_->heard, (std::vector<std::string>{"one", "three"}));
}

TEST_F(MemoryDatagramsTest, OvertakeEachOtherWhereTheTestSaysSo) {
  const auto server = open(server_);
  const auto client = open(client_);
  reactor_.datagrams().set_reversed(true);
  for (const char* const text : {"one", "two", "three"})
    client->send(text, server->host());
  reactor_.settle();
  EXPECT_EQ(server_->heard, (std::vector<std::string>{"three", "two", "one"}));
}

TEST_F(MemoryDatagramsTest, ReachAllWhoAreInAGroup) {
  const auto group = Address::ipv4({239, 0, 0, 1}, 53);
  const auto server = open(server_, 53, "0.0.0.0");
  const auto client = open(client_);
  client->send("before", group);
  reactor_.settle();
  server->udp()->join_group(group);
  client->send("after", group);
  reactor_.settle();
  EXPECT_EQ(server_->heard, std::vector<std::string>{"after"});
}

TEST_F(MemoryDatagramsTest, WaitWhileTheirProtocolHasPaused) {
  const auto server = open(server_);
  const auto client = open(client_);
  server->pause_producing();
  client->send("one", server->host());
  reactor_.settle();
  EXPECT_TRUE(server_->heard.empty());
  server->resume_producing();
  reactor_.settle();
  EXPECT_EQ(server_->heard, std::vector<std::string>{"one"});
}

TEST(MemoryDatagrams, EndWithTheirReactor) {
  auto reactor = std::make_unique<MemoryReactor>();
  const auto protocol = std::make_shared<Listener>();
  const auto port = reactor->listen_udp(0, protocol);
  reactor.reset();
  EXPECT_TRUE(protocol->stopped);
  EXPECT_FALSE(port->open());
}

}  // namespace
}  // namespace weft::testing
