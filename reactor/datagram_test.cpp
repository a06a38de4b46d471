#include "../framework/datagram.hpp"

#include "../framework/error.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using testing::LogCapture;
using testing::spin_reactor_until;

// Remembers what it is told.
class Recorder : public DatagramProtocol {
 public:
  std::vector<std::pair<std::string, Address>> datagrams;
  std::vector<std::string> events;
  std::function<void(Recorder&)> on_start;
  std::function<void(Recorder&)> on_datagram;

  [[nodiscard]] DatagramTransport& port() const { return transport(); }
  [[nodiscard]] bool has(const std::string& event) const {
    return std::find(events.begin(), events.end(), event) != events.end();
  }

  void start_protocol() override {
    events.emplace_back("start");
    if (on_start) on_start(*this);
  }
  void datagram_received(BytesView data, const Address& sender) override {
    datagrams.emplace_back(data.text(), sender);
    if (on_datagram) on_datagram(*this);
  }
  void datagram_truncated(BytesView beginning, const Address&) override {
    events.push_back("truncated " + std::string(beginning.text()));
  }
  void connection_refused() override { events.emplace_back("refused"); }
  void pause_writing() override { events.emplace_back("pause"); }
  void resume_writing() override { events.emplace_back("resume"); }
  void stop_protocol() override { events.emplace_back("stop"); }
};

class Datagrams : public ::testing::TestWithParam<std::string> {
 protected:
  static DatagramOptions on(const std::string& interface) {
    DatagramOptions options;
    options.interface = interface;
    return options;
  }
  std::shared_ptr<DatagramTransport> open(const std::shared_ptr<Recorder>& protocol,
                                          const DatagramOptions& options = on("127.0.0.1")) {
    return reactor_->listen_udp(0, protocol, options);
  }
  bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }
  void close(const std::shared_ptr<DatagramTransport>& port) {
    auto stopped = port->stopped();
    port->lose_connection();
    ASSERT_TRUE(spin_until([&] { return stopped.ready(); }));
  }
  // One datagram there and its answer back.
  void expect_echo(const DatagramOptions& here, const Address& server_host) {
    server_->on_datagram = [](Recorder& self) {
      self.port().send(self.datagrams.back().first, self.datagrams.back().second);
    };
    const auto server = open(server_, here);
    const auto client = open(client_, here);
    client->send("hello", *Address::parse(server_host.host(), server->host().port()));
    ASSERT_TRUE(spin_until([&] { return !client_->datagrams.empty(); }));
    EXPECT_EQ(client_->datagrams.front().first, "hello");
    EXPECT_EQ(client_->datagrams.front().second.port(), server->host().port());
    EXPECT_EQ(server_->datagrams.front().second.port(), client->host().port());
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<Recorder> server_ = std::make_shared<Recorder>();
  std::shared_ptr<Recorder> client_ = std::make_shared<Recorder>();
};

// ---- there and back

TEST_P(Datagrams, AreAnsweredOverIpv4) {
  expect_echo(on("127.0.0.1"), Address::ipv4({127, 0, 0, 1}, 0));
}

TEST_P(Datagrams, AreAnsweredOverIpv6) {
  expect_echo(on("::1"), *Address::parse("::1", 0));
}

TEST_P(Datagrams, OfBothFamiliesComeToAPortThatIsOpenEverywhere) {
  const auto server = open(server_, {});
  const auto port = server->host().port();
  const auto old = open(client_, on("127.0.0.1"));
  const auto modern = open(std::make_shared<Recorder>(), on("::1"));
  old->send("4", Address::ipv4({127, 0, 0, 1}, port));
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
  EXPECT_EQ(server_->datagrams[0].second, old->host());
  server->send("back", old->host());
  modern->send("6", *Address::parse("::1", port));
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 2; }));
  EXPECT_EQ(server_->datagrams[1].second, modern->host());
  EXPECT_TRUE(spin_until([&] { return client_->datagrams.size() == 1; }));
}

TEST_P(Datagrams, KeepTheirBoundsAndTheEmptyOneIsOne) {
  const auto server = open(server_);
  const auto client = open(client_);
  for (const char* const text : {"one", "", "three"})
    client->send(text, server->host());
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 3; }));
  EXPECT_EQ(server_->datagrams[0].first, "one");
  EXPECT_EQ(server_->datagrams[1].first, "");
  EXPECT_EQ(server_->datagrams[2].first, "three");
  EXPECT_EQ(client->counters().sent, 3U);
  EXPECT_EQ(server->counters().received, 3U);
}

TEST_P(Datagrams, MayBeAsLongAsUdpAllows) {
  const auto server = open(server_);
  const auto client = open(client_);
  const std::string longest(65'507, 'x');
  client->send(longest, server->host());
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
  EXPECT_EQ(server_->datagrams[0].first, longest);
}

TEST_P(Datagrams, ThatAreTooLongAreRefusedAtTheCaller) {
  const auto client = open(client_);
  EXPECT_THROW(client->send(std::string(65'508, 'x'), client->host()), MessageTooLong);
  EXPECT_EQ(client->counters().sent, 0U);
  EXPECT_TRUE(client->open());
}

TEST_P(Datagrams, ThatAreCutAreToldSo) {
  auto options = on("127.0.0.1");
  options.max_datagram_bytes = 4;
  const auto server = open(server_, options);
  const auto client = open(client_);
  for (const char* const text : {"four", "fives", "much longer"})
    client->send(text, server->host());
  client->send("end", server->host());
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 2; }));
  EXPECT_EQ(server_->datagrams[0].first, "four");
  EXPECT_EQ(server_->events,
            (std::vector<std::string>{"start", "truncated five", "truncated much"}));
  EXPECT_EQ(server->counters().truncated, 2U);
  EXPECT_EQ(server->counters().received, 4U);
}

TEST_P(Datagrams, OfAllWhoSendAreReceivedHoweverManyCome) {
  const auto server = open(server_);
  const auto client = open(client_);
  for (int sent = 0; sent < 1'000; sent += 100) {
    for (int i = 0; i < 100; ++i)
      client->send(std::to_string(sent + i), server->host());
    ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == sent + 100U; }));
  }
  EXPECT_EQ(server_->datagrams.back().first, "999");
}

// ---- callbacks

TEST_P(Datagrams, AreReceivedBetweenStartAndStop) {
  const auto server = open(server_);
  EXPECT_EQ(server_->events, std::vector<std::string>{"start"});
  close(server);
  EXPECT_EQ(server_->events, (std::vector<std::string>{"start", "stop"}));
  EXPECT_FALSE(server->open());
}

TEST_P(Datagrams, GoOnAfterACallbackThatThrew) {
  const LogCapture log;
  server_->on_datagram = [](Recorder& self) {
    if (self.datagrams.size() == 1) throw std::runtime_error("no good");
  };
  const auto server = open(server_);
  const auto client = open(client_);
  client->send("one", server->host());
  client->send("two", server->host());
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 2; }));
  EXPECT_TRUE(log.contains("no good"));
  EXPECT_TRUE(log.contains(server->host().text()));
  EXPECT_TRUE(server->open());
}

TEST_P(Datagrams, EndWhenThePortIsStoppedInDatagramReceived) {
  server_->on_datagram = [](Recorder& self) {
    self.port().lose_connection();
    EXPECT_FALSE(self.has("stop"));
  };
  const auto server = open(server_);
  const auto client = open(client_);
  client->send("one", server->host());
  client->send("two", server->host());
  ASSERT_TRUE(spin_until([&] { return server_->has("stop"); }));
  EXPECT_EQ(server_->datagrams.size(), 1U);
}

TEST_P(Datagrams, MayLetGoOfThePortInDatagramReceived) {
  auto server = open(server_);
  const auto to = server->host();
  bool dropped = false;
  server_->on_datagram = [&](Recorder& self) {
    server.reset();
    server_.reset();
    self.port().abort_connection();
    dropped = true;
  };
  const auto client = open(client_);
  client->send("one", to);
  EXPECT_TRUE(spin_until([&] { return dropped; }));
}

TEST_P(Datagrams, WhosePortDoesNotStartAreTheCallersTrouble) {
  server_->on_start = [](Recorder&) { throw std::runtime_error("not today"); };
  EXPECT_THROW(open(server_), std::runtime_error);
  EXPECT_EQ(server_->events, std::vector<std::string>{"start"});
  EXPECT_THROW(open(nullptr), InvalidArgument);
}

TEST_P(Datagrams, MayBeSentFromStartProtocol) {
  const auto server = open(server_);
  client_->on_start = [&](Recorder& self) { self.port().send("early", server->host()); };
  const auto client = open(client_);
  EXPECT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
}

TEST_P(Datagrams, ReachAProtocolThatIsGivenAPortAgain) {
  auto server = open(server_);
  const auto first = server->host();
  close(server);
  server = reactor_->listen_udp(first.port(), server_, on("127.0.0.1"));
  const auto client = open(client_);
  client->send("again", first);
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
  EXPECT_EQ(server_->events, (std::vector<std::string>{"start", "stop", "start"}));
}

TEST_P(Datagrams, HaveOnePortForEachProtocolAtATime) {
  const auto server = open(server_);
  EXPECT_THROW(open(server_), InvalidArgument);
  EXPECT_TRUE(server->open());
}

TEST_P(Datagrams, EndWithTheirReactor) {
  const auto server = open(server_);
  reactor_.reset();
  EXPECT_EQ(server_->events, (std::vector<std::string>{"start", "stop"}));
  server->send("into the void", Address::ipv4({127, 0, 0, 1}, 9));
  server->lose_connection();
  EXPECT_EQ(server->counters().dropped, 1U);
  EXPECT_TRUE(server->stopped().ready());
}

TEST_P(Datagrams, EndWithTheRunOfTheirReactor) {
  const auto server = open(server_);
  reactor_->call_later(Duration::zero(), [this] { reactor_->stop(); });
  reactor_->run();
  EXPECT_TRUE(server_->has("stop"));
}

TEST_P(Datagrams, StayWithTheSystemWhilePaused) {
  const auto server = open(server_);
  const auto client = open(client_);
  server->pause_producing();
  server->pause_producing();
  client->send("one", server->host());
  // Those of the same loop that are not paused have had their turn by then.
  client->send("mark", client->host());
  ASSERT_TRUE(spin_until([&] { return client_->datagrams.size() == 1; }));
  server->resume_producing();
  EXPECT_TRUE(server_->datagrams.empty());
  server->resume_producing();
  EXPECT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
}

TEST_P(Datagrams, ComeNoMoreOnceACallbackHasPaused) {
  server_->on_datagram = [](Recorder& self) { self.port().pause_producing(); };
  const auto server = open(server_);
  const auto client = open(client_);
  client->send("one", server->host());
  client->send("two", server->host());
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
  client->send("mark", client->host());
  ASSERT_TRUE(spin_until([&] { return client_->datagrams.size() == 1; }));
  EXPECT_EQ(server_->datagrams.size(), 1U);
  server->resume_producing();
  EXPECT_TRUE(spin_until([&] { return server_->datagrams.size() == 2; }));
}

// ---- connected

// A port that nobody has any more.
Address nobody(Reactor& reactor) {
  DatagramOptions options;
  options.interface = "127.0.0.1";
  const auto port = reactor.listen_udp(0, std::make_shared<Recorder>(), options);
  auto stopped = port->stopped();
  port->lose_connection();
  EXPECT_TRUE(spin_reactor_until(reactor, [&] { return stopped.ready(); }));
  return port->host();
}

TEST_P(Datagrams, OfAConnectedPortGoToItsPeerAndComeFromNobodyElse) {
  const auto server = open(server_);
  const auto client = open(client_);
  const auto stranger = open(std::make_shared<Recorder>());
  stranger->send("before", client->host());
  client->connect(server->host());
  EXPECT_EQ(client->peer(), server->host());
  stranger->send("after", client->host());
  server->send("from the server", client->host());
  client->send("to the server");
  client->send("by name", server->host());
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 2; }));
  ASSERT_TRUE(spin_until([&] { return !client_->datagrams.empty(); }));
  EXPECT_EQ(client_->datagrams.size(), 1U);
  EXPECT_EQ(client_->datagrams[0].first, "from the server");
}

TEST_P(Datagrams, OfStrangersThatAreCutAreNotToldOnceAPortIsConnected) {
  auto options = on("127.0.0.1");
  options.max_datagram_bytes = 4;
  const auto server = open(server_);
  const auto client = open(client_, options);
  open(std::make_shared<Recorder>())->send("before", client->host());
  client->connect(server->host());
  server->send("from", client->host());
  ASSERT_TRUE(spin_until([&] { return !client_->datagrams.empty(); }));
  EXPECT_EQ(client_->events, std::vector<std::string>{"start"});
  EXPECT_EQ(client->counters().received, 1U);
}

TEST_P(Datagrams, OfAConnectedPortGoToNobodyElse) {
  const auto server = open(server_);
  const auto client = open(client_);
  EXPECT_THROW(client->send("to whom?"), NotConnectedError);
  client->connect(server->host());
  EXPECT_THROW(client->send("elsewhere", client->host()), InvalidArgument);
  EXPECT_THROW(client->connect(server->host()), AlreadyCalledError);
}

TEST_P(Datagrams, TellAConnectedPortThatNobodyIsThere) {
#ifdef _WIN32
  GTEST_SKIP() << "Wine forgets the refusal when it is asked what is ready";
#endif
  const auto client = open(client_);
  client->connect(nobody(*reactor_));
  // Some systems say so only to the next one that is sent.
  EXPECT_TRUE(spin_until([&] {
    client->send("anybody?");
    return client_->has("refused");
  }));
  EXPECT_TRUE(client->open());
}

TEST_P(Datagrams, TellAPortThatIsNotConnectedNothingOfTheKind) {
  const auto client = open(client_);
  client->send("anybody?", nobody(*reactor_));
  client->send("mark", client->host());
  ASSERT_TRUE(spin_until([&] { return client_->datagrams.size() == 1; }));
  EXPECT_FALSE(client_->has("refused"));
}

// ---- misuse

TEST_P(Datagrams, AreRefusedForAnAddressOfAnotherFamily) {
  const auto old = open(client_, on("127.0.0.1"));
  EXPECT_THROW(old->send("x", *Address::parse("::1", 9)), InvalidArgument);
  EXPECT_THROW(old->send("x", Address::unix_socket("/tmp/x")), InvalidArgument);
  EXPECT_THROW(old->send("x", Address()), InvalidArgument);
  EXPECT_THROW(old->send("x", Address::ipv4({127, 0, 0, 1}, 0)), InvalidArgument);
  EXPECT_THROW(old->connect(*Address::parse("::1", 9)), InvalidArgument);
  const auto modern = open(server_, on("::1"));
  EXPECT_THROW(modern->send("x", Address::ipv4({127, 0, 0, 1}, 9)), InvalidArgument);
  auto only = on("::");
  only.ipv6_only = true;
  const auto strict = open(std::make_shared<Recorder>(), only);
  EXPECT_THROW(strict->send("x", Address::ipv4({127, 0, 0, 1}, 9)), InvalidArgument);
}

TEST_P(Datagrams, CannotHaveAPortThatIsTaken) {
  const auto server = open(server_);
  EXPECT_THROW(reactor_->listen_udp(server->host().port(), client_, on("127.0.0.1")), AddressInUse);
  EXPECT_THROW(open(client_, on("localhost")), ListenError);
}

TEST_P(Datagrams, CannotHaveAnAddressOfAnotherMachine) {
#ifdef _WIN32
  GTEST_SKIP() << "Wine opens such a port everywhere";
#endif
  EXPECT_THROW(open(client_, on("192.0.2.1")), ListenError);
}

TEST_P(Datagrams, ShareAPortWhereBothSaySo) {
  auto options = on("127.0.0.1");
  options.reuse_address = true;
  const auto server = open(server_, options);
  EXPECT_NO_THROW(reactor_->listen_udp(server->host().port(), client_, options));
}

TEST_P(Datagrams, HaveALengthThatMakesSense) {
  auto options = on("127.0.0.1");
  options.max_datagram_bytes = 0;
  EXPECT_THROW(open(server_, options), InvalidArgument);
  options.max_datagram_bytes = 256 * 1024;
  EXPECT_THROW(open(server_, options), InvalidArgument);
}

TEST_P(Datagrams, AreBroadcastOnlyWhereThatIsAllowed) {
  const auto client = open(client_, on("0.0.0.0"));
  const auto everybody = Address::ipv4({255, 255, 255, 255}, 9);
  EXPECT_THROW(client->send("x", everybody), InvalidArgument);
  client->udp()->set_broadcast(true);
  EXPECT_NO_THROW(client->send("x", everybody));
  auto options = on("0.0.0.0");
  options.broadcast = true;
  EXPECT_NO_THROW(open(server_, options)->send("x", everybody));
}

TEST_P(Datagrams, OfThisMachineAreBroadcastToThisMachine) {
  const auto server = open(server_, on("0.0.0.0"));
  const auto client = open(client_, on("127.0.0.1"));
  client->udp()->set_broadcast(true);
  client->send("all", Address::ipv4({127, 255, 255, 255}, server->host().port()));
  EXPECT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
}

TEST_P(Datagrams, PassAsManyRoutersAsTheyMay) {
  for (const char* const interface : {"127.0.0.1", "::1"}) {
    const auto port = open(std::make_shared<Recorder>(), on(interface));
    EXPECT_NO_THROW(port->udp()->set_hop_limit(3));
    EXPECT_NO_THROW(port->udp()->set_multicast_ttl(0));
    EXPECT_THROW(port->udp()->set_hop_limit(0), InvalidArgument);
    EXPECT_THROW(port->udp()->set_multicast_ttl(256), InvalidArgument);
  }
}

// ---- multicast

class Multicast : public Datagrams {
 protected:
  // Has both joined and the client sending there, by `interface` or the system's choice; false
  // where this machine has no way. Nothing leaves the machine.
  bool meet(const std::string& everywhere, const Address& group, const Address& interface) {
    server_port_ = open(server_ = std::make_shared<Recorder>(), on(everywhere));
    client_port_ = open(client_ = std::make_shared<Recorder>(), on(everywhere));
    try {
      server_port_->udp()->join_group(group, interface);
      if (interface.family() != Address::Family::none) {
        client_port_->udp()->set_multicast_interface(interface);
      }
      client_port_->udp()->set_multicast_ttl(0);
      client_port_->connect(*Address::parse(group.host(), server_port_->host().port()));
      return true;
    } catch (const InvalidArgument&) {
      return false;
    } catch (const NoRoute&) {
      return false;
    }
  }
  void expect_multicast(const std::string& everywhere, const Address& group,
                        const Address& loopback) {
    if (!meet(everywhere, group, loopback) && !meet(everywhere, group, {})) {
      GTEST_SKIP() << "this machine has no interface for multicast";
    }
    client_port_->send("to the group");
    ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
    EXPECT_EQ(server_->datagrams[0].first, "to the group");
  }

  std::shared_ptr<DatagramTransport> server_port_;
  std::shared_ptr<DatagramTransport> client_port_;
};

const auto ipv4_group = Address::ipv4({239, 255, 71, 13}, 0);
const auto ipv4_loopback = Address::ipv4({127, 0, 0, 1}, 0);

TEST_P(Multicast, ReachesWhoeverHasJoinedOverIpv4) {
  expect_multicast("0.0.0.0", ipv4_group, ipv4_loopback);
}

TEST_P(Multicast, ReachesWhoeverHasJoinedOverIpv6) {
  // The loopback interface is the first.
  expect_multicast("::", *Address::parse("ff05::7113", 0), *Address::parse("::%1", 0));
}

// The loopback interface gives back what is sent by it whatever one says, so this is another one.
TEST_P(Multicast, DoesNotComeBackToThisMachineWhereThatIsNotWanted) {
  if (!meet("0.0.0.0", ipv4_group, {})) {
    GTEST_SKIP() << "this machine has no interface for multicast but loopback";
  }
  client_port_->udp()->set_multicast_loopback(false);
  client_port_->send("to nobody here");
  client_port_->udp()->set_multicast_loopback(true);
  client_port_->send("to somebody");
  ASSERT_TRUE(spin_until([&] { return !server_->datagrams.empty(); }));
  EXPECT_EQ(server_->datagrams[0].first, "to somebody");
}

TEST_P(Multicast, IsLeftOnce) {
  const auto port = open(server_, on("0.0.0.0"));
  port->udp()->join_group(ipv4_group, ipv4_loopback);
  port->udp()->leave_group(ipv4_group, ipv4_loopback);
  EXPECT_THROW(port->udp()->leave_group(ipv4_group, ipv4_loopback), InvalidArgument);
}

TEST_P(Multicast, IsJoinedByAnIpv6PortForIpv4Too) {
  const auto server = open(server_, {});
  const auto client = open(client_, on("127.0.0.1"));
  server->udp()->join_group(ipv4_group, ipv4_loopback);
  client->udp()->set_multicast_interface(ipv4_loopback);
  client->send("to the group", *Address::parse(ipv4_group.host(), server->host().port()));
  EXPECT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
}

TEST_P(Multicast, HasGroupsThatAreGroups) {
  const auto server = open(server_);
  EXPECT_THROW(server->udp()->join_group(Address::ipv4({127, 0, 0, 1}, 0)), InvalidArgument);
  EXPECT_THROW(server->udp()->join_group(Address()), InvalidArgument);
  EXPECT_THROW(server->udp()->join_group(*Address::parse("ff02::1", 0)), InvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(Each, Datagrams, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });
INSTANTIATE_TEST_SUITE_P(Each, Multicast, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
