#include "../framework/datagram.hpp"
#include "../framework/error.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <cstdint>
#include <cstring>
#include <memory>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <span>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace weft {
namespace {

using testing::spin_reactor_until;

class Listener final : public DatagramProtocol {
 public:
  std::vector<std::string> heard;
  std::vector<std::string> cut;

  void datagram_received(BytesView data, const Address&) override {
    heard.emplace_back(data.text());
  }
  void datagram_truncated(BytesView beginning, const Address&) override {
    cut.emplace_back(beginning.text());
  }
};

std::uint16_t checksum(std::span<const std::uint16_t> words) {
  std::uint32_t sum = 0;
  for (const auto word : words)
    sum += word;
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

// What routers say about datagrams that were sent, which the system tells with a later call.
class DatagramErrors : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (raw_ < 0) GTEST_SKIP() << "only those who may open raw sockets can speak for a router";
    client_port_->connect(server_port_->host());
  }
  ~DatagramErrors() override {
    if (raw_ >= 0) ::close(raw_);
  }
  std::shared_ptr<DatagramTransport> open(const std::shared_ptr<Listener>& protocol) {
    DatagramOptions options;
    options.interface = "127.0.0.1";
    return reactor_->listen_udp(0, protocol, options);
  }
  // A router says that what the client sent to the server was too long, and not to be cut. The
  // length that it names is as good as any, so that this machine's other tests go on as before.
  void say_too_long() const {
    struct Message {
      icmphdr icmp;
      iphdr ip;
      udphdr udp;
    } message{};
    message.icmp.type = ICMP_DEST_UNREACH;
    message.icmp.code = ICMP_FRAG_NEEDED;
    message.icmp.un.frag.mtu = htons(65'535);
    message.ip.version = 4;
    message.ip.ihl = 5;
    message.ip.ttl = 64;
    message.ip.protocol = IPPROTO_UDP;
    message.ip.saddr = message.ip.daddr = htonl(INADDR_LOOPBACK);
    message.udp.source = htons(client_port_->host().port());
    message.udp.dest = htons(server_port_->host().port());
    std::uint16_t words[sizeof message / 2];
    std::memcpy(words, &message, sizeof message);
    message.icmp.checksum = checksum(words);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::sendto(raw_, &message, sizeof message, 0, reinterpret_cast<sockaddr*>(&here),
                       sizeof here),
              static_cast<ssize_t>(sizeof message));
  }

  int raw_ = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<Listener> server_ = std::make_shared<Listener>();
  std::shared_ptr<Listener> client_ = std::make_shared<Listener>();
  std::shared_ptr<DatagramTransport> server_port_ = open(server_);
  std::shared_ptr<DatagramTransport> client_port_ = open(client_);
};

TEST_P(DatagramErrors, ThatOneWasTooLongIsNoDatagram) {
  say_too_long();
  server_port_->send("hello", client_port_->host());
  ASSERT_TRUE(spin_reactor_until(*reactor_, [&] { return !client_->heard.empty(); }));
  EXPECT_EQ(client_->heard, std::vector<std::string>{"hello"});
  EXPECT_TRUE(client_->cut.empty());
  EXPECT_EQ(client_port_->counters().received, 1U);
}

TEST_P(DatagramErrors, ThatOneWasTooLongDoNotStopTheNext) {
  say_too_long();
  EXPECT_NO_THROW(client_port_->send("tiny"));
  EXPECT_EQ(client_port_->counters().sent, 1U);
  EXPECT_TRUE(spin_reactor_until(*reactor_, [&] { return !server_->heard.empty(); }));
}

INSTANTIATE_TEST_SUITE_P(Each, DatagramErrors, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
