#include "proxy_protocol.hpp"

#include "../framework/error.hpp"
#include "../framework/transport_upgrade.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/string_transport.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::AccumulatingProtocol;
using testing::StringTransport;

const Address proxy = Address::parse("127.0.0.1", 4000).value();
const Address client = Address::parse("192.0.2.7", 51234).value();
const Address front = Address::parse("198.51.100.1", 443).value();
const ProxyHeader header{client, front, {{ProxyField::alpn, "h2"}}};

class BehindProxy : public ::testing::Test {
 protected:
  ~BehindProxy() override { disconnect(); }
  void disconnect() {
    if (transport_ == nullptr) return;
    transport_->abort_connection();
    transport_->settle();
  }
  // A connection from the proxy, or from somebody else.
  std::shared_ptr<StringTransport> connect(const Address& peer = proxy) {
    const auto factory = behind_proxy(factory_from([this](const Address& told) {
                                        built_for_ = told;
                                        return refuses_ ? nullptr : inner_;
                                      }),
                                      options_);
    auto protocol = factory->build_protocol(peer);
    if (protocol == nullptr) return nullptr;
    disconnect();
    transport_ = std::make_shared<StringTransport>();
    transport_->set_peer(peer);
    transport_->establish(std::move(protocol));
    transport_->settle();
    return transport_;
  }

  testing::LogCapture log_;
  BehindProxyOptions options_;
  Address built_for_;
  bool refuses_ = false;
  std::shared_ptr<AccumulatingProtocol> inner_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<StringTransport> transport_;
};

TEST_F(BehindProxy, BuildsTheProtocolForTheClientThatTheProxyNames) {
  connect()->deliver(header.version_2());
  EXPECT_EQ(built_for_, client);
  EXPECT_EQ(inner_->way().peer(), client);
  EXPECT_EQ(inner_->way().host(), front);
  ASSERT_NE(inner_->way().proxied(), nullptr);
  EXPECT_EQ(*inner_->way().proxied(), header);
}

TEST_F(BehindProxy, DeliversWhatComesBehindTheHeaderHoweverItIsCut) {
  const auto bytes = header.version_2() + "hello";
  for (std::size_t size = 1; size <= bytes.size(); ++size) {
    inner_ = std::make_shared<AccumulatingProtocol>();
    const auto transport = connect();
    for (std::size_t from = 0; from < bytes.size(); from += size)
      transport->deliver(bytes.substr(from, size));
    EXPECT_EQ(inner_->data, "hello") << size;
    EXPECT_EQ(inner_->events, (std::vector<std::string>{"made", "data"})) << size;
    inner_->way().write("answer");
    EXPECT_EQ(transport->value(), "answer") << size;
  }
}

TEST_F(BehindProxy, TellsTheConnectionsOwnEndsWhereTheProxyTalksForItself) {
  connect()->deliver(ProxyHeader().version_1());
  EXPECT_EQ(built_for_, proxy);
  EXPECT_EQ(inner_->way().peer(), proxy);
  EXPECT_NE(inner_->way().proxied(), nullptr);
}

TEST_F(BehindProxy, AbortsAConnectionWhoseHeaderIsBadBeforeItsProtocolIsBuilt) {
  const auto transport = connect();
  transport->deliver("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(transport->aborted());
  EXPECT_FALSE(inner_->made());
  EXPECT_TRUE(log_.contains("127.0.0.1:4000"));
}

TEST_F(BehindProxy, AbortsAConnectionWhoseHeaderIsLate) {
  const auto transport = connect();
  transport->deliver("PROXY TCP4 ");
  transport->manual_clock().advance(4900ms);
  EXPECT_FALSE(transport->aborted());
  transport->manual_clock().advance(200ms);
  EXPECT_TRUE(transport->aborted());
  EXPECT_FALSE(inner_->made());
}

TEST_F(BehindProxy, WaitsForNothingOnceTheHeaderIsThere) {
  const auto transport = connect();
  transport->deliver(header.version_1());
  transport->manual_clock().advance(1h);
  EXPECT_FALSE(transport->aborted());
}

TEST_F(BehindProxy, RefusesWhoIsNoProxy) {
  EXPECT_EQ(connect(client), nullptr);
  EXPECT_TRUE(log_.contains(client.text()));
}

TEST_F(BehindProxy, AdmitsOthersAsTheyAreWhereThatIsAsked) {
  options_.admit_others = true;
  connect(client)->deliver("PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n");
  EXPECT_EQ(built_for_, client);
  EXPECT_EQ(inner_->data, "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\r\n");
}

TEST_F(BehindProxy, TrustsUnixSocketsUnlessToldOtherwise) {
  EXPECT_NE(connect(Address::unix_socket("")), nullptr);
  options_.trust_unix_sockets = false;
  EXPECT_EQ(connect(Address::unix_socket("")), nullptr);
}

TEST_F(BehindProxy, ClosesAConnectionThatTheFactoryRefuses) {
  refuses_ = true;
  const auto transport = connect();
  transport->deliver(header.version_1() + "hello");
  EXPECT_TRUE(transport->disconnecting());
  EXPECT_FALSE(transport->aborted());
}

TEST_F(BehindProxy, ClosesWhenAPeerLeavesBeforeItsHeader) {
  const auto transport = connect();
  transport->deliver("PROXY");
  transport->deliver_end();
  EXPECT_FALSE(transport->connected());
  EXPECT_FALSE(inner_->made());
}

TEST_F(BehindProxy, HoldsBackWhatCameWithTheHeaderWhileTheProtocolPauses) {
  inner_->on_made = [](auto& self) { self.way().pause_producing(); };
  const auto transport = connect();
  transport->deliver(header.version_1() + "one ");
  transport->deliver("two");
  transport->deliver_end();
  EXPECT_EQ(inner_->data, "");
  inner_->way().resume_producing();
  EXPECT_EQ(inner_->data, "") << "inside the call";
  transport->settle();
  EXPECT_EQ(inner_->data, "one two");
  EXPECT_EQ(inner_->events.back(), "lost");
}

// What takes the protocol's place when TLS begins, in short.
class Below final : public Protocol {
 public:
  void data_received(BytesView data) override { heard += data.text(); }
  std::string heard;
};

TEST_F(BehindProxy, GivesWhatItHoldsBackToWhoTakesTheProtocolsPlace) {
  inner_->on_made = [](auto& self) { self.way().pause_producing(); };
  const auto transport = connect();
  transport->deliver(header.version_1() + "one ");
  transport->deliver("two");
  auto* const upgrade = dynamic_cast<TransportUpgrade*>(&inner_->way());
  ASSERT_NE(upgrade, nullptr);
  auto use = upgrade->give_up_use();
  ASSERT_TRUE(use);
  EXPECT_EQ(use->pauses, 1u);
  const auto below = std::make_shared<Below>();
  const auto before = upgrade->exchange_protocol(below);
  EXPECT_EQ(before, inner_);
  transport->settle();
  EXPECT_EQ(below->heard, "one two");
  EXPECT_EQ(inner_->data, "");
}

TEST_F(BehindProxy, DropsWhatCameWithTheHeaderWhenTheProtocolCloses) {
  inner_->on_made = [](auto& self) { self.way().lose_connection(); };
  connect()->deliver(header.version_1() + "hello");
  EXPECT_EQ(inner_->data, "");
  EXPECT_TRUE(inner_->lost_with<ConnectionDone>());
}

TEST_F(BehindProxy, AbortsTheConnectionWhoseHeldBackDataTheProtocolCannotTake) {
  inner_->on_made = [](auto& self) { self.way().pause_producing(); };
  inner_->on_data = [](auto&, BytesView) { throw std::runtime_error("in data_received"); };
  const auto transport = connect();
  transport->deliver(header.version_1() + "hello");
  inner_->way().resume_producing();
  transport->settle();
  EXPECT_TRUE(inner_->lost_with<std::runtime_error>());
}

TEST(Announcing, SendsTheHeaderBeforeAnythingElse) {
  const auto inner = std::make_shared<AccumulatingProtocol>();
  inner->on_made = [](auto& self) { self.way().write("hello"); };
  const auto factory = announcing(factory_from([&] { return inner; }), ProxyVersion::v2, header);
  const auto transport = testing::connect(*factory);
  EXPECT_EQ(transport->value(), header.version_2() + "hello");
}

TEST(Announcing, TellsTheConnectionsOwnEndsUnlessItIsGivenOthers) {
  const auto inner = std::make_shared<AccumulatingProtocol>();
  const auto factory = announcing(factory_from([&] { return inner; }), ProxyVersion::v1);
  const auto transport = std::make_shared<StringTransport>();
  transport->set_host(client);
  transport->set_peer(front);
  transport->establish(factory->build_protocol(front));
  EXPECT_EQ(transport->value(), "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n");
  transport->abort_connection();
  transport->settle();
}

}  // namespace
}  // namespace weft
