#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#ifdef __linux__
#include "../transports/detail/port_sharing.hpp"
#endif

namespace weft::testing {
namespace {

// A port, and a client in a loop of its own: it comes while the port's loop does nothing, and what
// that has asked the system for brings it when the port is paused already.
class PausedPorts : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    run_server();
    const auto connecting = clients_->connect_tcp("127.0.0.1", port_.address().port(),
                                                  factory_from([this] { return client_; }));
    ASSERT_TRUE(spin_reactor_until(*clients_, [&] { return connecting.ready(); }));
    port_.pause_accepting();
    run_server();
    EXPECT_FALSE(server_->made());
  }
  void run_server() {
    for (int round = 0; round < 5; ++round)
      servers_->run_once(std::chrono::milliseconds(1));
  }
  [[nodiscard]] bool client_is_lost() {
    return spin_reactor_until(*clients_, [&] {
      if (servers_ != nullptr) servers_->run_once(Duration::zero());
      return client_->lost();
    });
  }

  std::unique_ptr<Reactor> servers_ = make_reactor(GetParam());
  std::unique_ptr<Reactor> clients_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
  ListeningPort port_ =
      servers_->listen_tcp(0, factory_from([this] { return server_; }), on_loopback());
};

TEST_P(PausedPorts, KeepWhoCameJustBeforeThePauseUntilTheyAcceptAgain) {
  port_.resume_accepting();
  EXPECT_FALSE(server_->made());
  ASSERT_TRUE(spin_reactor_until(*servers_, [&] { return server_->made(); }));
  EXPECT_EQ(server_->way().peer(), client_->way().host());
}

TEST_P(PausedPorts, CloseWhoCameJustBeforeThePauseWhenTheyStop) {
  port_.stop();
  port_.resume_accepting();
  EXPECT_TRUE(client_is_lost());
  EXPECT_FALSE(server_->made());
}

TEST_P(PausedPorts, CloseWhoCameJustBeforeThePauseWhenTheirReactorEnds) {
  servers_.reset();
  EXPECT_TRUE(client_is_lost());
  EXPECT_FALSE(server_->made());
}

#ifdef __linux__

// What a ReactorPool has in the reactors that do not accept for themselves.
class TakingPorts : public ::testing::TestWithParam<std::string> {};

TEST_P(TakingPorts, DoNotTryToListenForThemselvesWhenTheyResume) {
  const LogCapture log;
  const auto reactor = make_reactor(GetParam());
  auto* const sharing = dynamic_cast<weft::detail::PortSharing*>(reactor.get());
  ASSERT_NE(sharing, nullptr);
  for (const auto& host :
       {Address::ipv4({127, 0, 0, 1}, 80), Address::unix_socket("/tmp/socket")}) {
    const auto port = sharing->taking_port(host, factory_for<AccumulatingProtocol>());
    port->pause_accepting();
    port->resume_accepting();
    for (int round = 0; round < 5; ++round)
      reactor->run_once(Duration::zero());
    EXPECT_TRUE(port->accepting());
    port->stop();
  }
  EXPECT_TRUE(log.lines().empty());
}

INSTANTIATE_TEST_SUITE_P(Reactors, TakingPorts, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

#endif

INSTANTIATE_TEST_SUITE_P(Reactors, PausedPorts, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft::testing
