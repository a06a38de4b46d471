// How every reactor connects.
#pragma once

#include "reactor_suite.hpp"

namespace weft::testing {

TEST_P(ReactorConformance, FiresTheConnectAfterConnectionMadeAndNeverInsideTheCall) {  // 108
  const auto port = listen(server_);
  auto connecting = connect(port, client_);
  EXPECT_FALSE(connecting.ready());
  bool made_first = false;
  auto told = std::move(connecting).add_callback([&](const std::shared_ptr<Protocol>& protocol) {
    made_first = client_->made() && protocol == client_;
  });
  ASSERT_TRUE(spin_until([&] { return told.ready(); }));
  EXPECT_TRUE(made_first);
}

TEST_P(ReactorConformance, SaysThatNobodyListens) {  // 100
  auto port = listen(server_);
  const auto target = port.address();
  port.stop();
  spin();
  auto connecting =
      reactor_->connect_tcp(target.host(), target.port(), factory_for<AccumulatingProtocol>());
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  const auto failure = failure_result_of<ConnectionRefused>(std::move(connecting));
  EXPECT_NE(failure.message().find(target.text()), std::string::npos);
}

TEST_P(ReactorConformance, GivesUpAfterItsTime) {  // 101
  const auto port = listen(server_);
  auto connecting =
      reactor_->connect_tcp("127.0.0.1", port.address().port(), factory_for<AccumulatingProtocol>(),
                            ConnectOptions(Duration::zero()));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  static_cast<void>(failure_result_of<ConnectTimeout>(std::move(connecting)));
}

TEST_P(ReactorConformance, MayBeCancelledAtEachStage) {  // 103, 104
  const auto port = listen(server_);
  for (int rounds = 0; rounds < 3; ++rounds) {
    auto connecting = connect(port, std::make_shared<AccumulatingProtocol>());
    for (int i = 0; i < rounds && !connecting.ready(); ++i) {
      reactor_->run_once(Duration::zero());
    }
    if (connecting.ready()) break;
    connecting.cancel();
    static_cast<void>(failure_result_of<ConnectingCancelled>(std::move(connecting)));
    spin();
  }
}

TEST_P(ReactorConformance, FailsTheConnectWhoseFactoryRefuses) {  // 106
  const auto port = listen(server_);
  auto refused = connect(port, nullptr);
  ASSERT_TRUE(spin_until([&] { return refused.ready(); }));
  static_cast<void>(failure_result_of<NoProtocol>(std::move(refused)));
}

TEST_P(ReactorConformance, FailsTheConnectWhoseConnectionMadeThrows) {  // 107
  const LogCapture log;
  const auto port = listen(server_);
  client_->on_made = [](auto&) { throw std::runtime_error("in connection_made"); };
  auto thrown = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return thrown.ready() && client_->lost(); }));
  static_cast<void>(failure_result_of<std::runtime_error>(std::move(thrown)));
}

TEST_P(ReactorConformance, ConnectsFromTheAddressThatIsAskedFor) {  // 105
  const auto port = listen(server_);
  ConnectOptions options;
  options.bind_address = Address::ipv4({127, 0, 0, 1}, 0);
  auto connecting = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                          factory_from([this] { return client_; }), options);
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(client_->way().host().host(), "127.0.0.1");
  options.bind_address = Address::ipv4({192, 0, 2, 1}, 0);
  auto elsewhere = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                         factory_for<AccumulatingProtocol>(), options);
  ASSERT_TRUE(spin_until([&] { return elsewhere.ready(); }));
  static_cast<void>(failure_result_of<BindError>(std::move(elsewhere)));
}

TEST_P(ReactorConformance, TriesTheNextAddressWhenOneIsDead) {  // 110
  class TwoAddresses final : public Resolver {
   public:
    explicit TwoAddresses(Port dead) : dead_(dead) {}
    Deferred<std::vector<Address>> resolve(std::string, Port port) override {
      return succeed(std::vector<Address>{Address::ipv4({127, 0, 0, 1}, dead_),
                                          Address::ipv4({127, 0, 0, 1}, port)});
    }

   private:
    Port dead_;
  };
  auto gone = listen(server_);
  const auto dead = gone.address().port();
  const auto port = listen(server_);
  gone.stop();
  spin();
  reactor_->set_resolver(std::make_shared<TwoAddresses>(dead));
  auto connecting = reactor_->connect_tcp("a.name", port.address().port(),
                                          factory_from([this] { return client_; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(success_result_of(std::move(connecting)), client_);
}

TEST_P(ReactorConformance,
       FailsWhenTheNameHasNoAddressAndForgetsALookupThatNeverEnds) {  // 114, 116
  class Silent final : public Resolver {
   public:
    explicit Silent(bool* cancelled) : cancelled_(cancelled) {}
    Deferred<std::vector<Address>> resolve(std::string host, Port) override {
      if (host == "empty") return succeed(std::vector<Address>());
      promises_.emplace_back([this] { *cancelled_ = true; });
      return promises_.back().deferred();
    }

   private:
    bool* cancelled_;
    std::vector<Promise<std::vector<Address>>> promises_;
  };
  bool cancelled = false;
  reactor_->set_resolver(std::make_shared<Silent>(&cancelled));
  auto empty = reactor_->connect_tcp("empty", 1, factory_for<AccumulatingProtocol>());
  ASSERT_TRUE(spin_until([&] { return empty.ready(); }));
  static_cast<void>(failure_result_of<ResolveError>(std::move(empty)));
  auto silent = reactor_->connect_tcp("silent", 1, factory_for<AccumulatingProtocol>(),
                                      ConnectOptions(std::chrono::milliseconds(5)));
  ASSERT_TRUE(spin_until([&] { return silent.ready(); }));
  static_cast<void>(failure_result_of<ConnectTimeout>(std::move(silent)));
  EXPECT_TRUE(cancelled);
}

TEST_P(ReactorConformance, KnowsTheOptionsOfTcp) {  // 31
  const auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  auto* const tcp = client_->way().tcp();
  ASSERT_NE(tcp, nullptr);
  EXPECT_TRUE(tcp->no_delay());
  tcp->set_no_delay(false);
  EXPECT_FALSE(tcp->no_delay());
  tcp->set_keep_alive(true);
  EXPECT_TRUE(tcp->keep_alive());
}

TEST_P(ReactorConformance, ListensOnIpv6WhereThereIsOne) {  // 86
  ListenOptions options;
  options.interface = "::1";
  ListeningPort port;
  try {
    port = reactor_->listen_tcp(0, factory_from([this] { return server_; }), options);
  } catch (const ListenError&) {
    GTEST_SKIP() << "this machine has no IPv6";
  }
  auto connecting =
      reactor_->connect_tcp("::1", port.address().port(), factory_from([this] { return client_; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(server_->way().peer().family(), Address::Family::ipv6);
}

TEST_P(ReactorConformance, AsksNoResolverForANumericHost) {  // 115
  class Refusing final : public Resolver {
    Deferred<std::vector<Address>> resolve(std::string, Port) override {
      ADD_FAILURE() << "a number was looked up";
      return fail<std::vector<Address>>(Failure(ResolveError("no")));
    }
  };
  reactor_->set_resolver(std::make_shared<Refusing>());
  EXPECT_THROW(reactor_->set_resolver(nullptr), InvalidArgument);
  const auto port = listen(server_);
  const auto connecting = connect(port, client_);
  EXPECT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
}

TEST_P(ReactorConformance, FailsWithWhatTheResolverFailsWithOrThrows) {  // 116
  class Failing final : public Resolver {
    Deferred<std::vector<Address>> resolve(std::string host, Port) override {
      if (host == "throws") throw std::runtime_error("in resolve");
      return fail<std::vector<Address>>(Failure(ResolveError("no such name")));
    }
  };
  reactor_->set_resolver(std::make_shared<Failing>());
  const LogCapture log;
  auto failing = reactor_->connect_tcp("fails", 1, factory_for<AccumulatingProtocol>());
  auto throwing = reactor_->connect_tcp("throws", 1, factory_for<AccumulatingProtocol>());
  ASSERT_TRUE(spin_until([&] { return failing.ready() && throwing.ready(); }));
  static_cast<void>(failure_result_of<ResolveError>(std::move(failing)));
  static_cast<void>(failure_result_of<std::runtime_error>(std::move(throwing)));
}

TEST_P(ReactorConformance, CountsTheFactoryOfAConnectUntilTheConnectionIsGone) {  // 92
  const auto factory = std::make_shared<CountingFactory>();
  const auto port = listen(server_);
  auto connecting = reactor_->connect_tcp("127.0.0.1", port.address().port(), factory);
  EXPECT_EQ(factory->started, 1);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(factory->stopped, 0);
  server_->way().lose_connection();
  EXPECT_TRUE(spin_until([&] { return factory->stopped == 1; }));
}

TEST_P(ReactorConformance, LetsGoOfTheFactoryOfAConnectThatFails) {
  auto port = listen(server_);
  const auto target = port.address();
  port.stop();
  spin();
  const auto factory = std::make_shared<CountingFactory>();
  auto connecting = reactor_->connect_tcp(target.host(), target.port(), factory);
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  static_cast<void>(failure_result_of<ConnectionRefused>(std::move(connecting)));
  EXPECT_EQ(factory->started, 1);
  EXPECT_EQ(factory->stopped, 1);
  EXPECT_EQ(factory->built, 0);
}

TEST_P(ReactorConformance, RefusesToConnectWithoutAFactory) {
  EXPECT_THROW(static_cast<void>(reactor_->connect_tcp("127.0.0.1", 1, nullptr)), InvalidArgument);
}

TEST_P(ReactorConformance, MayBeDestroyedWhileItConnects) {  // 109
  const auto port = listen(server_);
  auto connecting = connect(port, client_);
  reactor_.reset();
  EXPECT_TRUE(connecting.ready());
  const auto failure = failure_result_of<>(std::move(connecting));
  EXPECT_FALSE(failure.message().empty());
  EXPECT_EQ(client_->made(), client_->lost());
  // The time limit of the connect went with the reactor.
  census().abandoned_timers = timers_before_;
}

TEST_P(ReactorConformance, MayConnectInsideTheCallbackOfAConnect) {  // 104
  const auto port = listen(server_);
  const auto second = std::make_shared<AccumulatingProtocol>();
  bool done = false;
  auto chain = connect(port, client_).add_callback([&](const std::shared_ptr<Protocol>&) {
    server_ = std::make_shared<AccumulatingProtocol>();
    auto other = reactor_->listen_tcp(0, factory_from([this] { return server_; }), on_loopback());
    return connect(other, second).add_callback([&](const std::shared_ptr<Protocol>&) {
      done = true;
    });
  });
  EXPECT_TRUE(spin_until([&] { return done && chain.ready() && server_->made(); }));
  EXPECT_TRUE(second->made());
}

}  // namespace weft::testing
