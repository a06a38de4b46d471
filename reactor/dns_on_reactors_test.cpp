#include "../framework/census.hpp"
#include "../framework/error.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/results.hpp"
#include "../transports/dns_resolver.hpp"
#include "dns_server_test.hpp"
#include "make_reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DnsOnReactors : public ::testing::TestWithParam<std::string> {
 protected:
  DnsOnReactors() {
    options_.servers = {server_->address()};
    options_.search_domains.emplace();
    options_.ndots = 1;
    options_.hosts_path.clear();
  }
  ~DnsOnReactors() override {
    resolver_.reset();
    server_.reset();
    reactor_.reset();
    EXPECT_EQ(census().watches.load(), watches_before_);
  }
  DnsResolver& resolver() {
    if (resolver_ == nullptr) {
      resolver_ = std::make_shared<DnsResolver>(*reactor_, options_);
      reactor_->set_resolver(resolver_);
    }
    return *resolver_;
  }
  template <class T>
  Deferred<T> ended(Deferred<T> lookup) {
    EXPECT_TRUE(spin_reactor_until(*reactor_, [&] { return lookup.ready(); }));
    return lookup;
  }

  std::int64_t watches_before_ = census().watches.load();
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::unique_ptr<DnsServer> server_ =
      std::make_unique<DnsServer>(*reactor_, DnsServer::Runs::by_itself);
  DnsOptions options_;
  std::shared_ptr<DnsResolver> resolver_;
};

TEST_P(DnsOnReactors, AskByUdpAndAgainWithNewSockets) {
  for (const char* const name : {"a.test", "b.test", "c.test"}) {
    server_->has(name, type_a, 60, a_data("192.0.2.1"));
    const auto records = success_result_of(ended(resolver().addresses(name, ipv4)));
    EXPECT_THAT(hosts_of(records), ElementsAre("192.0.2.1"));
  }
  EXPECT_EQ(server_->over_tcp, 0);
}

TEST_P(DnsOnReactors, AskByTcpForWhatDoesNotFit) {
  for (int i = 0; i < 1000; ++i)
    server_->has("a.test", type_a, 60, a_data("192.0.2." + std::to_string(i % 256)));
  server_->on("a.test", type_a).truncated = true;
  EXPECT_EQ(success_result_of(ended(resolver().addresses("a.test", ipv4))).size(), 1000);
  EXPECT_EQ(server_->over_tcp, 1);
}

TEST_P(DnsOnReactors, AnswerManyQuestionsAtATime) {
  std::vector<Deferred<std::vector<AddressRecord>>> lookups;
  for (int i = 0; i < 50; ++i) {
    const auto name = "a" + std::to_string(i) + ".test";
    server_->has(name, type_a, 60, a_data("192.0.2." + std::to_string(i)));
    lookups.push_back(resolver().addresses(name, ipv4));
  }
  for (std::size_t i = 0; i < lookups.size(); ++i) {
    EXPECT_THAT(hosts_of(success_result_of(ended(std::move(lookups[i])))),
                ElementsAre("192.0.2." + std::to_string(i)));
  }
}

TEST_P(DnsOnReactors, GiveUpOnASilentServer) {
  server_->otherwise.silent = true;
  options_.try_timeout = 10ms;
  const auto began = reactor_->now();
  auto lookup = ended(resolver().addresses("a.test", ipv4));
  EXPECT_GE(reactor_->now() - began, 20ms);
  static_cast<void>(failure_result_of<ResolveTimeout>(std::move(lookup)));
}

TEST_P(DnsOnReactors, ForgetALookupThatIsCancelled) {
  server_->otherwise.silent = true;
  auto lookup = resolver().addresses("a.test", ipv4);
  ASSERT_TRUE(spin_reactor_until(*reactor_, [&] { return !server_->asked.empty(); }));
  lookup.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(lookup)));
}

TEST_P(DnsOnReactors, FailLookupsWhenTheReactorEnds) {
  server_->otherwise.silent = true;
  auto lookup = resolver().addresses("a.test", ipv4);
  ASSERT_TRUE(spin_reactor_until(*reactor_, [&] { return !server_->asked.empty(); }));
  reactor_->call_later(0s, [this] { reactor_->stop(); });
  reactor_->run();
  ASSERT_TRUE(lookup.ready());
  EXPECT_THAT(failure_result_of<ResolveError>(std::move(lookup)).message(),
              HasSubstr("its reactor has ended"));
  // It may run once more, and so may look-ups.
  server_->has("b.test", type_a, 60, a_data("192.0.2.1"));
  EXPECT_EQ(success_result_of(ended(resolver().addresses("b.test", ipv4))).size(), 1);
}

TEST_P(DnsOnReactors, MayBeDestroyedWhileTheyLookUp) {
  server_->otherwise.silent = true;
  auto lookup = resolver().addresses("a.test", ipv4);
  ASSERT_TRUE(spin_reactor_until(*reactor_, [&] { return !server_->asked.empty(); }));
  resolver_.reset();
  server_.reset();
  reactor_.reset();
  static_cast<void>(failure_result_of<ResolveError>(std::move(lookup)));
}

TEST_P(DnsOnReactors, ConnectToANameWhoseFirstFamilyIsDead) {
  const auto server = std::make_shared<AccumulatingProtocol>();
  auto port = reactor_->listen_tcp(0, factory_from([server] { return server; }), on_loopback());
  server_->has("a.test", type_a, 60, a_data("127.0.0.1"));
  server_->has("a.test", type_aaaa, 60, a_data("::1"));
  static_cast<void>(resolver());
  auto connecting = ended(
      reactor_->connect_tcp("a.test", port.address().port(), factory_for<AccumulatingProtocol>()));
  const auto client = success_result_of(std::move(connecting));
  EXPECT_TRUE(spin_reactor_until(*reactor_, [&] { return server->made(); }));
  EXPECT_THAT(server_->asked, ElementsAre("28 a.test", "1 a.test"));
}

TEST_P(DnsOnReactors, TellOfAllAddressesThatRefuse) {
  Port dead = 0;
  {
    auto port = reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), on_loopback());
    dead = port.address().port();
    port.stop();
  }
  server_->has("a.test", type_a, 60, a_data("127.0.0.1"));
  server_->has("a.test", type_a, 60, a_data("127.0.0.2"));
  static_cast<void>(resolver());
  auto connecting =
      ended(reactor_->connect_tcp("a.test", dead, factory_for<AccumulatingProtocol>()));
  const auto message = failure_result_of<ConnectionRefused>(std::move(connecting)).message();
  for (const char* const host : {"127.0.0.1", "127.0.0.2"})
    EXPECT_THAT(message, HasSubstr(std::string(host) + ":" + std::to_string(dead)));
}

TEST_P(DnsOnReactors, ConnectFromOurAddressToThoseOfItsFamilyOnly) {
  auto port = reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), on_loopback());
  server_->has("a.test", type_a, 60, a_data("127.0.0.1"));
  server_->has("a.test", type_aaaa, 60, a_data("::1"));
  static_cast<void>(resolver());
  ConnectOptions options;
  options.bind_address = Address::ipv4({127, 0, 0, 3}, 0);
  const auto client = std::make_shared<AccumulatingProtocol>();
  static_cast<void>(success_result_of(ended(reactor_->connect_tcp(
      "a.test", port.address().port(), factory_from([client] { return client; }), options))));
  EXPECT_EQ(client->way().host().host(), "127.0.0.3");
  client->way().abort_connection();
}

TEST_P(DnsOnReactors, MayBeCancelledInEachStageOfAConnect) {
  auto port = reactor_->listen_tcp(0, factory_for<AccumulatingProtocol>(), on_loopback());
  server_->has("a.test", type_a, 0, a_data("127.0.0.1"));
  server_->has("a.test", type_aaaa, 0, a_data("::1"));
  static_cast<void>(resolver());
  for (int rounds = 0; rounds < 12; ++rounds) {
    auto connecting =
        reactor_->connect_tcp("a.test", port.address().port(), factory_for<AccumulatingProtocol>());
    for (int i = 0; i < rounds && !connecting.ready(); ++i)
      reactor_->run_once(1ms);
    const bool over = connecting.ready();
    connecting.cancel();
    if (!over) static_cast<void>(failure_result_of<ConnectingCancelled>(std::move(connecting)));
  }
}

TEST_P(DnsOnReactors, LookLocalhostUpByThemselves) {
  const auto addresses = success_result_of(ended(reactor_->resolver().resolve("localhost", 80)));
  ASSERT_FALSE(addresses.empty());
  EXPECT_TRUE(std::all_of(addresses.begin(), addresses.end(), [](const Address& address) {
    return address.host() == "127.0.0.1" || address.host() == "::1";
  }));
}

INSTANTIATE_TEST_SUITE_P(Each, DnsOnReactors, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft::testing
