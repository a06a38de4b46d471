#include "fake_resolver.hpp"

#include "../framework/error.hpp"
#include "accumulating_protocol.hpp"
#include "manual_clock.hpp"
#include "memory_reactor.hpp"
#include "results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using Answer = FakeResolver::Answer;

const auto six = *Address::parse("::1", 0);
const auto four = *Address::parse("127.0.0.1", 0);

class FakeResolverTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  FakeResolver resolver_{clock_};
};

TEST_F(FakeResolverTest, GivesItsAnswersWithTheirPortWhenTheClockSaysSo) {
  resolver_.add("a.name", Answer({four}, 10ms));
  auto lookup = resolver_.resolve("a.name", 80);
  clock_.advance(10ms - 1ns);
  EXPECT_TRUE(has_no_result(lookup));
  clock_.advance(1ns);
  EXPECT_THAT(success_result_of(std::move(lookup)), ElementsAre(*Address::parse("127.0.0.1", 80)));
}

TEST_F(FakeResolverTest, FailsAsItWasToldAndKnowsNoOtherNames) {
  resolver_.add("a.name", Answer(Failure(ResolveTimeout("Nobody answered."))));
  static_cast<void>(failure_result_of<ResolveTimeout>(resolver_.resolve("a.name", 80)));
  static_cast<void>(failure_result_of<NameNotFound>(resolver_.resolve("b.name", 80)));
  EXPECT_THAT(resolver_.questions(), ElementsAre("a.name", "b.name"));
}

TEST_F(FakeResolverTest, CountsWhatIsCancelledAndLeavesNoTimer) {
  resolver_.add("a.name", Answer({four}, 10ms));
  auto lookup = resolver_.resolve("a.name", 80);
  lookup.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(lookup)));
  EXPECT_EQ(resolver_.cancelled(), 1);
  EXPECT_EQ(clock_.pending_calls(), 0);
}

TEST_F(FakeResolverTest, GivesBothFamiliesInOneToWhoWantsThemTogether) {
  resolver_.add_families("a.name", Answer({six}, 20ms), Answer({four}, 10ms));
  auto lookup = resolver_.resolve("a.name", 80);
  clock_.advance(20ms);
  EXPECT_EQ(success_result_of(std::move(lookup)).size(), 2);
}

// ---- what it is for: a connect to a name, on a clock by hand

class ConnectToANameTest : public ::testing::Test {
 protected:
  ConnectToANameTest() { reactor_.set_resolver(resolver_); }
  Deferred<std::shared_ptr<Protocol>> connect(const ConnectOptions& options = {}) {
    return reactor_.connect_tcp("a.name", 80, factory_from([this] { return client_; }), options);
  }
  ListeningPort listen(const std::string& interface) {
    ListenOptions options;
    options.interface = interface;
    return reactor_.listen_tcp(80, factory_for<AccumulatingProtocol>(), options);
  }

  MemoryReactor reactor_;
  std::shared_ptr<FakeResolver> resolver_ = std::make_shared<FakeResolver>(reactor_);
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
};

// [eyeballs]
TEST_F(ConnectToANameTest, ReachesIpv4AQuarterOfASecondAfterASilentIpv6) {
  const auto port = listen("127.0.0.1");
  reactor_.add_silent_host("::1");
  resolver_->add_families("a.name", Answer({six}), Answer({four}));
  auto connecting = connect();
  reactor_.advance(250ms - 1ns);
  EXPECT_TRUE(has_no_result(connecting));
  reactor_.advance(1ns);
  EXPECT_EQ(success_result_of(std::move(connecting)), client_);
  EXPECT_EQ(client_->way().peer().host(), "127.0.0.1");
}
// [eyeballs]

TEST_F(ConnectToANameTest, TellsOfEachAddressThatRefused) {
  resolver_->add("a.name", Answer({six, four}));
  auto connecting = connect();
  reactor_.settle();
  const auto message = failure_result_of<ConnectionRefused>(std::move(connecting)).message();
  EXPECT_NE(message.find("[::1]:80"), std::string::npos);
  EXPECT_NE(message.find("127.0.0.1:80"), std::string::npos);
}

TEST_F(ConnectToANameTest, GivesUpOnSilentAddressesAfterItsTime) {
  for (const char* const host : {"::1", "127.0.0.1"})
    reactor_.add_silent_host(host);
  EXPECT_THROW(reactor_.add_silent_host("a.name"), InvalidArgument);
  resolver_->add("a.name", Answer({six, four}));
  auto connecting = connect(ConnectOptions(5s));
  reactor_.advance(5s);
  static_cast<void>(failure_result_of<ConnectTimeout>(std::move(connecting)));
  EXPECT_EQ(reactor_.pending_calls(), 0);
}

TEST_F(ConnectToANameTest, MayBeCancelledAtEachStage) {
  reactor_.add_silent_host("::1");
  resolver_->add_families("a.name", Answer({six}, 100ms), Answer({four}, 10ms));
  for (const auto stage : {0ms, 10ms, 60ms, 100ms, 310ms}) {
    auto connecting = connect();
    reactor_.advance(stage);
    if (connecting.ready()) break;
    connecting.cancel();
    static_cast<void>(failure_result_of<ConnectingCancelled>(std::move(connecting)));
    EXPECT_EQ(reactor_.pending_calls(), 0);
  }
}

TEST_F(ConnectToANameTest, GoesFromOurAddressToThoseOfItsFamilyOnly) {
  const auto port = listen("127.0.0.1");
  resolver_->add("a.name", Answer({six, four}));
  ConnectOptions options;
  options.bind_address = four;
  auto connecting = connect(options);
  reactor_.settle();
  static_cast<void>(success_result_of(std::move(connecting)));
  options.bind_address = six;
  resolver_->add("a.name", Answer({four}));
  auto refused = connect(options);
  reactor_.settle();
  static_cast<void>(failure_result_of<BindError>(std::move(refused)));
}

}  // namespace
}  // namespace weft::testing
