// How every reactor listens.
#pragma once

#include "reactor_suite.hpp"

namespace weft::testing {

TEST_P(ReactorConformance, TellsThePortThatTheSystemChose) {  // 83
  const auto port = listen(server_);
  EXPECT_NE(port.address().port(), 0);
  EXPECT_TRUE(port.listening());
}

TEST_P(ReactorConformance, RefusesATakenPortAndABadInterface) {  // 84, 85
  const auto port = listen(server_);
  EXPECT_THROW(reactor_->listen_tcp(port.address().port(), factory_for<AccumulatingProtocol>(),
                                    on_loopback()),
               AddressInUse);
  ListenOptions options;
  options.interface = "no address";
  EXPECT_THROW(reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), options), ListenError);
  options.interface = "192.0.2.1";
  EXPECT_THROW(reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), options), ListenError);
  EXPECT_THROW(reactor_->listen_tcp(0, nullptr, on_loopback()), InvalidArgument);
}

TEST_P(ReactorConformance, StartsAndStopsAFactoryWithItsFirstAndLastUse) {  // 87, 89, 92
  const auto factory = std::make_shared<CountingFactory>();
  auto first = reactor_->listen_tcp(0, factory, on_loopback());
  auto second = reactor_->listen_tcp(0, factory, on_loopback());
  first.stop();
  first.stop();
  EXPECT_EQ(factory->stopped, 0);
  auto stopped = second.stopped();
  second.stop();
  ASSERT_TRUE(spin_until([&] { return stopped.ready(); }));
  EXPECT_EQ(factory->started, 1);
  EXPECT_EQ(factory->stopped, 1);
}

TEST_P(ReactorConformance, ClosesAPeerThatTheFactoryRefusesOrThrowsAt) {  // 93
  const LogCapture log;
  for (const bool throws : {false, true}) {
    auto client = std::make_shared<AccumulatingProtocol>();
    auto port = reactor_->listen_tcp(0, factory_from([throws]() -> std::shared_ptr<Protocol> {
                                       if (throws) throw std::runtime_error("in build_protocol");
                                       return nullptr;
                                     }),
                                     on_loopback());
    const auto connecting = connect(port, client);
    ASSERT_TRUE(spin_until([&] { return client->lost() && connecting.ready(); }));
    port.stop();
  }
  EXPECT_TRUE(spin_until([&] { return log.contains("in build_protocol"); }));
}

TEST_P(ReactorConformance, MayLoseThePortsLastHandleInStopFactory) {
  class Forgetful final : public Factory {
   public:
    std::shared_ptr<Protocol> build_protocol(const Address&) override { return nullptr; }
    void stop_factory() override { port.reset(); }
    std::optional<ListeningPort> port;
  };
  for (const bool closes : {false, true}) {
    const auto factory = std::make_shared<Forgetful>();
    factory->port = reactor_->listen_tcp(0, factory, on_loopback());
    spin();
    if (closes) {
      const auto drained = factory->port->close_connections(std::chrono::seconds(1));
      EXPECT_TRUE(spin_until([&] { return drained.ready(); }));
    } else {
      factory->port->stop();
    }
    EXPECT_FALSE(factory->port);
    spin();
  }
}

TEST_P(ReactorConformance, MayStopAPortInsideBuildProtocol) {  // 88
  ListeningPort port;
  port = reactor_->listen_tcp(0, factory_from([&] {
                                port.stop();
                                return server_;
                              }),
                              on_loopback());
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return server_->made() && connecting.ready(); }));
  EXPECT_FALSE(port.listening());
  client_->way().write("alive");
  EXPECT_TRUE(spin_until([&] { return server_->data == "alive"; }));
}

TEST_P(ReactorConformance, AcceptsAHundredThatWait) {  // 94
  const auto factory = std::make_shared<CountingFactory>();
  const auto port = reactor_->listen_tcp(0, factory, on_loopback());
  std::vector<Deferred<std::shared_ptr<Protocol>>> connecting;
  for (int i = 0; i < 100; ++i) {
    connecting.push_back(connect(port, std::make_shared<AccumulatingProtocol>()));
  }
  EXPECT_TRUE(spin_until([&] { return factory->built == 100; }));
  EXPECT_TRUE(spin_until([&] {
    return std::all_of(connecting.begin(), connecting.end(),
                       [](auto& each) { return each.ready(); });
  }));
}

TEST_P(ReactorConformance, KeepsConnectionsWhenThePortStops) {  // 98
  auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  port.stop();
  client_->way().write("still here");
  EXPECT_TRUE(spin_until([&] { return server_->data == "still here"; }));
}

TEST_P(ReactorConformance, DrainsWhenItsConnectionsAreGoneAndThenForces) {  // 99
  auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(port.connections(), 1U);
  client_->way().pause_producing();
  server_->way().write(std::string(20'000'000, 'x'));
  const auto drained = port.close_connections(std::chrono::milliseconds(20));
  EXPECT_FALSE(drained.ready());
  ASSERT_TRUE(spin_until([&] { return drained.ready(); }));
  EXPECT_TRUE(server_->lost_with<LingerTimeout>());
  EXPECT_EQ(port.connections(), 0U);
}

TEST_P(ReactorConformance, ListensAgainOnThePortThatItStopped) {  // 90
  auto port = listen(server_);
  const auto address = port.address();
  port.stop();
  spin();
  auto again =
      reactor_->listen_tcp(address.port(), factory_from([this] { return server_; }), on_loopback());
  EXPECT_EQ(again.address(), address);
  const auto connecting = connect(again, client_);
  EXPECT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
}

TEST_P(ReactorConformance, LogsAStopFactoryThatThrows) {  // 91
  class Throwing final : public CountingFactory {
    void stop_factory() override { throw std::runtime_error("in stop_factory"); }
  };
  const LogCapture log;
  auto port = reactor_->listen_tcp(0, std::make_shared<Throwing>(), on_loopback());
  auto stopped = port.stopped();
  port.stop();
  EXPECT_TRUE(spin_until([&] { return stopped.ready(); }));
  EXPECT_TRUE(log.contains("in stop_factory"));
}

TEST_P(ReactorConformance, RefusesAPortWhoseStartFactoryThrows) {
  class Throwing final : public CountingFactory {
    void start_factory() override { throw std::runtime_error("in start_factory"); }
  };
  EXPECT_THROW(reactor_->listen_tcp(0, std::make_shared<Throwing>(), on_loopback()),
               std::runtime_error);
}

TEST_P(ReactorConformance, SurvivesAPeerThatIsGoneBeforeItIsAccepted) {  // 96
  const auto port = listen(server_);
  client_->on_made = [](AccumulatingProtocol& self) { self.way().abort_connection(); };
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && client_->lost(); }));
  spin();
  EXPECT_EQ(server_->made(), server_->lost());
  const auto second = std::make_shared<AccumulatingProtocol>();
  server_ = std::make_shared<AccumulatingProtocol>();
  auto other = listen(server_);
  const auto again = connect(other, second);
  EXPECT_TRUE(spin_until([&] { return again.ready() && server_->made(); }));
}

TEST_P(ReactorConformance, GivesTheFactoryThePeersAddress) {  // 97
  Address told;
  const auto port = reactor_->listen_tcp(0, factory_from([&](const Address& peer) {
                                           told = peer;
                                           return server_;
                                         }),
                                         on_loopback());
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(told, server_->way().peer());
  EXPECT_EQ(told, client_->way().host());
}

TEST_P(ReactorConformance, ListensOnAllInterfacesWhenNoneIsNamed) {
  const auto port = reactor_->listen_tcp(0, factory_from([this] { return server_; }));
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(server_->way().peer().family(), Address::Family::ipv4);
}

TEST_P(ReactorConformance, SharesAPortWhereBothAskForIt) {
#ifdef _WIN32
  GTEST_SKIP() << "Windows has no SO_REUSEPORT";
#endif
  auto options = on_loopback();
  options.reuse_port = true;
  auto first = reactor_->listen_tcp(0, factory_from([this] { return server_; }), options);
  auto second = reactor_->listen_tcp(first.address().port(),
                                     factory_from([this] { return server_; }), options);
  EXPECT_EQ(first.address(), second.address());
}

TEST_P(ReactorConformance, DrainsAtOnceWhereNothingIsOpen) {  // 99
  auto port = listen(server_);
  const auto drained = port.close_connections(std::chrono::seconds(1));
  EXPECT_TRUE(spin_until([&] { return drained.ready(); }));
  EXPECT_TRUE(port.drained().ready());
  EXPECT_TRUE(port.stopped().ready());
}

}  // namespace weft::testing
