#include "../transports/dns_resolver.hpp"

#include "../framework/census.hpp"
#include "../framework/error.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/results.hpp"
#include "dns_server_test.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <poll.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto ipv6 = Address::Family::ipv6;

// A file that lives as long as this.
class TestFile {
 public:
  explicit TestFile(const std::string& text) {
    char name[] = "/tmp/weft-dns-test-XXXXXX";
    ::close(::mkstemp(name));
    path = name;
    std::ofstream(path) << text;
  }
  ~TestFile() { std::remove(path.c_str()); }
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;
  std::string path;
};

// The clock is the test's; descriptors are real, and looked at when the test says so.
class PolledReactor final : public MemoryReactor {
 public:
  Watch watch(Descriptor descriptor, Interest interest, Callback callback,
              CallPlace where) override {
    watched_.insert({descriptor, interest});
    return MemoryReactor::watch(descriptor, interest, std::move(callback), where);
  }
  /// Calls those whose descriptors are ready; false when there is none.
  bool poll_once() {
    bool any = false;
    for (const auto& [descriptor, interest] : std::set(watched_)) {
      const short wanted = interest == Interest::readable ? POLLIN : POLLOUT;
      pollfd one{static_cast<int>(descriptor), wanted, 0};
      if (::poll(&one, 1, 0) > 0 && (one.revents & POLLNVAL) == 0) {
        any |= make_ready(descriptor, interest);
      }
    }
    return any;
  }

 private:
  std::set<std::pair<Descriptor, Interest>> watched_;
};

class DnsResolverTest : public ::testing::Test {
 protected:
  DnsResolverTest() {
    options_.servers = {server_.address()};
    options_.search_domains.emplace();
    options_.ndots = 1;
    options_.hosts_path.clear();
    options_.try_timeout = 2s;
    options_.tries = 2;
  }
  ~DnsResolverTest() override {
    resolver_.reset();
    EXPECT_EQ(census().watches.load(), watches_before_);
    EXPECT_EQ(reactor_.pending_calls(), 0);
  }

  DnsResolver& resolver() {
    if (resolver_ == nullptr) resolver_ = std::make_unique<DnsResolver>(reactor_, options_);
    return *resolver_;
  }
  Deferred<std::vector<AddressRecord>> look_up(const std::string& name = "a.test") {
    return resolver().addresses(name, ipv4);
  }
  static void cancel(Deferred<std::vector<AddressRecord>> lookup) {
    lookup.cancel();
    static_cast<void>(failure_result_of<CancelledError>(std::move(lookup)));
  }
  // Lets everything happen that can happen without time: on loopback what was sent has come.
  void settle() {
    bool moved = true;
    while (moved) {
      reactor_.settle();
      moved = server_.serve() + other_.serve() > 0;
      moved |= reactor_.poll_once();
    }
  }
  template <class T>
  T answered(Deferred<T> lookup) {
    settle();
    return success_result_of(std::move(lookup));
  }
  template <class E, class T>
  std::string refused(Deferred<T> lookup) {
    settle();
    return failure_result_of<E>(std::move(lookup)).message();
  }
  template <class T>
  bool takes_exactly(Deferred<T>& lookup, Duration time) {
    settle();
    reactor_.advance(time - 1ns);
    settle();
    if (lookup.ready()) return false;
    reactor_.advance(1ns);
    return lookup.ready();
  }

  std::int64_t watches_before_ = census().watches.load();
  PolledReactor reactor_;
  DnsServer server_{reactor_, DnsServer::Runs::by_hand};
  DnsServer other_{reactor_, DnsServer::Runs::by_hand};
  DnsOptions options_;
  std::unique_ptr<DnsResolver> resolver_;
};

// ---- records

TEST_F(DnsResolverTest, GivesTheAddressesOfEachFamilyWithTheirTtl) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  server_.has("a.test", type_a, 60, a_data("192.0.2.2"));
  server_.has("a.test", type_aaaa, 30, a_data("2001:db8::1"));
  const auto four = answered(resolver().addresses("a.test", ipv4));
  EXPECT_THAT(hosts_of(four), ElementsAre("192.0.2.1", "192.0.2.2"));
  EXPECT_EQ(four[0].ttl, 60s);
  const auto six = answered(resolver().addresses("A.Test.", ipv6));
  EXPECT_THAT(hosts_of(six), ElementsAre("2001:db8::1"));
}

TEST_F(DnsResolverTest, FollowsAliasesAndKeepsThemForTheShortestTtl) {
  auto& reply = server_.on("a.test", type_a);
  reply.answers = {{"a.test", type_cname, 5, DnsWriter().name("B.test").bytes},
                   {"stranger.test", type_a, 60, a_data("192.0.2.66")},
                   {"b.test", type_a, 60, a_data("192.0.2.1")}};
  EXPECT_THAT(hosts_of(answered(look_up())), ElementsAre("192.0.2.1"));
  reactor_.advance(5s);
  answered(look_up());
  EXPECT_EQ(server_.asked.size(), 2);
}

TEST_F(DnsResolverTest, GivesServicesByPriorityAndByChanceWithinOne) {
  const auto service = [&](unsigned priority, unsigned weight, const std::string& target) {
    server_.has("_x._tcp.test", type_srv, 60,
                DnsWriter().u16(priority).u16(weight).u16(80).name(target).bytes);
  };
  service(20, 0, "last.test");
  service(10, 10, "light.test");
  service(10, 90, "heavy.test");
  const auto order = [&](std::uint32_t drawn) {
    options_.random = [drawn](std::uint32_t most) { return std::min(drawn, most); };
    resolver_.reset();
    std::vector<std::string> targets;
    for (const auto& record : answered(resolver().srv("_x._tcp.test")))
      targets.push_back(record.target);
    return targets;
  };
  EXPECT_THAT(order(10), ElementsAre("light.test", "heavy.test", "last.test"));
  EXPECT_THAT(order(11), ElementsAre("heavy.test", "light.test", "last.test"));
}

TEST_F(DnsResolverTest, SaysThatAServiceIsNotOffered) {
  server_.has("_x._tcp.test", type_srv, 60, DnsWriter().u16(0).u16(0).u16(0).name(".").bytes);
  EXPECT_THAT(refused<NameNotFound>(resolver().srv("_x._tcp.test")), HasSubstr("not offered"));
}

TEST_F(DnsResolverTest, GivesMailExchangersBestFirst) {
  server_.has("test", type_mx, 60, DnsWriter().u16(20).name("second.test").bytes);
  server_.has("test", type_mx, 60, DnsWriter().u16(10).name("first.test").bytes);
  const auto exchangers = answered(resolver().mx("test"));
  ASSERT_EQ(exchangers.size(), 2);
  EXPECT_EQ(exchangers[0], (MxRecord{10, "first.test", 60s}));
  EXPECT_EQ(exchangers[1].exchange, "second.test");
}

TEST_F(DnsResolverTest, GivesTheStringsOfTexts) {
  server_.has("a.test", type_txt, 60, DnsWriter().text("v=spf1").text(" -all").bytes);
  server_.has("a.test", type_txt, 60, DnsWriter().text("").bytes);
  const auto texts = answered(resolver().txt("a.test"));
  ASSERT_EQ(texts.size(), 2);
  EXPECT_THAT(texts[0].strings, ElementsAre("v=spf1", " -all"));
  EXPECT_EQ(texts[0].text(), "v=spf1 -all");
  EXPECT_EQ(texts[1].text(), "");
}

TEST_F(DnsResolverTest, GivesTheNamesOfAddresses) {
  server_.has("1.2.0.192.in-addr.arpa", type_ptr, 60, DnsWriter().name("a.test").bytes);
  server_.has("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", type_ptr,
              60, DnsWriter().name("b.test").bytes);
  EXPECT_EQ(answered(resolver().ptr(*Address::parse("192.0.2.1", 80)))[0].name, "a.test");
  EXPECT_EQ(answered(resolver().ptr(*Address::parse("2001:db8::1", 80)))[0].name, "b.test");
  EXPECT_THROW(static_cast<void>(resolver().ptr(Address::unix_socket("/x"))), InvalidArgument);
}

// ---- resolving

TEST_F(DnsResolverTest, ResolvesToIpv6FirstAndThenIpv4) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  server_.has("a.test", type_aaaa, 60, a_data("2001:db8::1"));
  EXPECT_THAT(answered(resolver().resolve("a.test", 80)),
              ElementsAre(*Address::parse("2001:db8::1", 80), *Address::parse("192.0.2.1", 80)));
}

TEST_F(DnsResolverTest, ResolvesToOneFamilyWhenTheOtherFails) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  server_.on("a.test", type_aaaa).code = 2;
  EXPECT_THAT(answered(resolver().resolve("a.test", 80)),
              ElementsAre(*Address::parse("192.0.2.1", 80)));
}

TEST_F(DnsResolverTest, FailsToResolveForTheMoreTellingReason) {
  server_.on("a.test", type_a);
  server_.on("a.test", type_aaaa).code = 2;
  EXPECT_THAT(refused<ResolveError>(resolver().resolve("a.test", 80)), HasSubstr("SERVFAIL"));
  static_cast<void>(refused<NameNotFound>(resolver().resolve("unknown.test", 80)));
}

TEST_F(DnsResolverTest, TellsTheFamiliesApart) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  server_.on("a.test", type_aaaa).silent = true;
  auto families = resolver().resolve_families("a.test", 80);
  EXPECT_THAT(answered(std::move(families->ipv4)), ElementsAre(*Address::parse("192.0.2.1", 80)));
  EXPECT_FALSE(families->ipv6.ready());
  families->ipv6.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(families->ipv6)));
}

TEST_F(DnsResolverTest, TakesNumbersAsTheyAre) {
  EXPECT_THAT(success_result_of(resolver().resolve("192.0.2.1", 80)),
              ElementsAre(*Address::parse("192.0.2.1", 80)));
  EXPECT_THAT(hosts_of(success_result_of(resolver().addresses("::1", ipv6))), ElementsAre("::1"));
  static_cast<void>(failure_result_of<NameNotFound>(resolver().addresses("::1", ipv4)));
  EXPECT_THROW(static_cast<void>(resolver().addresses("::1", Address::Family::none)),
               InvalidArgument);
}

TEST_F(DnsResolverTest, AsksNobodyForLocalhostAndInvalid) {
  EXPECT_THAT(hosts_of(success_result_of(look_up("localhost"))), ElementsAre("127.0.0.1"));
  EXPECT_THAT(hosts_of(success_result_of(resolver().addresses("db.LocalHost.", ipv6))),
              ElementsAre("::1"));
  static_cast<void>(failure_result_of<NameNotFound>(look_up("nobody.invalid")));
  EXPECT_THAT(server_.asked, IsEmpty());
}

TEST_F(DnsResolverTest, RefusesWhatIsNoName) {
  for (const auto& name :
       {std::string(), std::string("a..test"), std::string(".test"), std::string(64, 'a') + ".test",
        std::string("b\xc3\xbc"
                    "cher.test"),
        std::string("a b"), std::string("a\\b"), std::string("a\0b", 3)}) {
    auto lookup = look_up(name);
    ASSERT_TRUE(lookup.ready()) << name;
    EXPECT_THAT(failure_result_of<ResolveError>(std::move(lookup)).message(),
                HasSubstr("cannot be looked up"));
  }
  std::string longest;
  for (int i = 0; i < 4; ++i)
    longest += std::string(61, 'a') + ".";
  auto too_long = look_up(longest + "testing");
  EXPECT_TRUE(too_long.ready());
  static_cast<void>(failure_result_of<ResolveError>(std::move(too_long)));
  static_cast<void>(refused<NameNotFound>(look_up(longest + "test")));
}

// ---- the hosts file

TEST_F(DnsResolverTest, ReadsTheHostsFileBeforeItAsksAndWhenItChanges) {
  TestFile hosts("# comment\n192.0.2.7 Printer.test printer # the old one\n\nnonsense x\n");
  options_.hosts_path = hosts.path;
  EXPECT_THAT(hosts_of(success_result_of(look_up("PRINTER"))), ElementsAre("192.0.2.7"));
  static_cast<void>(failure_result_of<NameNotFound>(resolver().addresses("printer", ipv6)));
  EXPECT_EQ(success_result_of(resolver().ptr(*Address::parse("192.0.2.7", 0)))[0].name,
            "Printer.test");
  EXPECT_THAT(server_.asked, IsEmpty());
  std::ofstream(hosts.path) << "192.0.2.77 printer\n2001:db8::7 printer\n";
  EXPECT_THAT(hosts_of(success_result_of(look_up("printer"))), ElementsAre("192.0.2.77"));
  EXPECT_THAT(hosts_of(success_result_of(resolver().addresses("printer", ipv6))),
              ElementsAre("2001:db8::7"));
}

TEST_F(DnsResolverTest, KnowsThisMachineWithoutANetworkAndWithoutAHostsFile) {
  const TestFile nowhere("nameserver 127.0.0.1\n");
  DnsOptions offline;
  offline.resolv_conf_path = nowhere.path;
  offline.hosts_path = "/nonexistent";
  DnsResolver resolver(reactor_, offline);
  EXPECT_THAT(hosts_of(success_result_of(resolver.addresses("localhost", ipv4))),
              ElementsAre("127.0.0.1"));
}

// ---- search domains

TEST_F(DnsResolverTest, SearchesForANameWithFewDots) {
  options_.search_domains = {"x.test", "Y.test."};
  server_.has("db.y.test", type_a, 60, a_data("192.0.2.1"));
  EXPECT_THAT(hosts_of(answered(look_up("db"))), ElementsAre("192.0.2.1"));
  EXPECT_THAT(server_.asked, ElementsAre("1 db.x.test", "1 db.y.test"));
}

TEST_F(DnsResolverTest, AsksForANameWithManyDotsAsItIsFirst) {
  options_.search_domains = {"x.test"};
  options_.ndots = 2;
  static_cast<void>(refused<NameNotFound>(look_up("a.b")));
  static_cast<void>(refused<NameNotFound>(look_up("a.b.c")));
  EXPECT_THAT(server_.asked, ElementsAre("1 a.b.x.test", "1 a.b", "1 a.b.c", "1 a.b.c.x.test"));
}

TEST_F(DnsResolverTest, SearchesForNothingBehindADotAtTheEnd) {
  options_.search_domains = {"x.test"};
  static_cast<void>(refused<NameNotFound>(look_up("db.")));
  EXPECT_THAT(server_.asked, ElementsAre("1 db"));
}

TEST_F(DnsResolverTest, EndsTheSearchAtANameThatIsThereWithoutAnAddress) {
  options_.search_domains = {"x.test", "y.test"};
  server_.on("db.x.test", type_a);
  static_cast<void>(refused<NameNotFound>(look_up("db")));
  EXPECT_THAT(server_.asked, ElementsAre("1 db.x.test"));
}

TEST_F(DnsResolverTest, ReadsServersAndSearchDomainsFromAFile) {
  const TestFile file("nameserver 127.0.0.1\nsearch x.test y.test\noptions ndots:3\n");
  options_.resolv_conf_path = file.path;
  options_.search_domains.reset();
  options_.ndots.reset();
  server_.has("a.b.x.test", type_a, 60, a_data("192.0.2.1"));
  EXPECT_THAT(hosts_of(answered(look_up("a.b"))), ElementsAre("192.0.2.1"));
  EXPECT_THAT(server_.asked, ElementsAre("1 a.b.x.test"));
}

// ---- time

TEST_F(DnsResolverTest, LosesExactlyTheConfiguredTimeToASilentServer) {
  server_.otherwise.silent = true;
  auto lookup = look_up();
  EXPECT_TRUE(takes_exactly(lookup, 4s));
  const auto message = failure_result_of<ResolveTimeout>(std::move(lookup)).message();
  EXPECT_THAT(message, HasSubstr("a.test"));
  EXPECT_THAT(message, HasSubstr(server_.address().text()));
  EXPECT_THAT(message, HasSubstr("2 s each of 2 times"));
}

TEST_F(DnsResolverTest, TakesNoLongerThanItsLimitHoweverManyServersAreSilent) {
  server_.otherwise.silent = other_.otherwise.silent = true;
  options_.servers.push_back(other_.address());
  options_.time_limit = 5s;
  auto lookup = look_up();
  EXPECT_TRUE(takes_exactly(lookup, 5s));
  EXPECT_THAT(failure_result_of<ResolveTimeout>(std::move(lookup)).message(), HasSubstr("5 s"));
  EXPECT_EQ(server_.asked.size(), 2);
  EXPECT_EQ(other_.asked.size(), 1);
}

TEST_F(DnsResolverTest, BoundsTheWholeSearchByOneLimit) {
  server_.otherwise.silent = true;
  options_.search_domains = {"x.test", "y.test"};
  options_.time_limit = 3s;
  auto lookup = look_up("db");
  EXPECT_TRUE(takes_exactly(lookup, 3s));
  static_cast<void>(failure_result_of<ResolveTimeout>(std::move(lookup)));
}

TEST_F(DnsResolverTest, AsksTheNextServerWhenTheFirstHasHadItsTime) {
  server_.otherwise.silent = true;
  options_.servers.push_back(other_.address());
  other_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  auto lookup = look_up();
  settle();
  reactor_.advance(2s - 1ns);
  EXPECT_EQ(other_.serve(), 0);
  reactor_.advance(1ns);
  EXPECT_THAT(hosts_of(answered(std::move(lookup))), ElementsAre("192.0.2.1"));
}

TEST_F(DnsResolverTest, AsksAgainWhenAnAnswerIsLost) {
  server_.on("a.test", type_a).silent = true;
  auto lookup = look_up();
  settle();
  server_.on("a.test", type_a).silent = false;
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  reactor_.advance(2s);
  EXPECT_THAT(hosts_of(answered(std::move(lookup))), ElementsAre("192.0.2.1"));
  EXPECT_EQ(server_.asked.size(), 2);
}

TEST_F(DnsResolverTest, TakesALateAnswerAsLongAsItWaits) {
  server_.on("a.test", type_a).silent = true;
  auto lookup = look_up();
  settle();
  reactor_.advance(3s);
  settle();
  server_.on("a.test", type_a).silent = false;
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  server_.answer_late();
  EXPECT_THAT(hosts_of(answered(std::move(lookup))), ElementsAre("192.0.2.1"));
}

TEST_F(DnsResolverTest, IgnoresAnAnswerThatComesTwiceOrTooLate) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  auto lookup = look_up();
  settle();
  server_.send_last();
  EXPECT_EQ(answered(std::move(lookup)).size(), 1);
  server_.on("b.test", type_a).silent = true;
  auto late = look_up("b.test");
  EXPECT_TRUE(takes_exactly(late, 4s));
  static_cast<void>(failure_result_of<ResolveTimeout>(std::move(late)));
  server_.on("b.test", type_a).silent = false;
  server_.answer_late();
  settle();
}

// ---- servers that fail

TEST_F(DnsResolverTest, AsksTheNextServerAtOnceWhenOneCannotAnswer) {
  options_.servers.push_back(other_.address());
  other_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  for (const unsigned code : {1U, 2U, 4U, 5U, 9U}) {
    resolver_.reset();
    server_.on("a.test", type_a).code = code;
    EXPECT_THAT(hosts_of(answered(look_up())), ElementsAre("192.0.2.1"));
  }
}

TEST_F(DnsResolverTest, SaysWhatEachServerComplainedOf) {
  options_.servers.push_back(other_.address());
  server_.otherwise.code = 2;
  other_.otherwise.code = 5;
  const auto message = refused<ResolveError>(look_up());
  EXPECT_THAT(message, HasSubstr(server_.address().text() + " could not find out (SERVFAIL)"));
  EXPECT_THAT(message, HasSubstr(other_.address().text() + " refused to answer (REFUSED)"));
  EXPECT_EQ(server_.asked.size() + other_.asked.size(), 2);
}

TEST_F(DnsResolverTest, GivesUpAtOnceWhenNobodyIsThere) {
  {
    const DnsServer gone(reactor_, DnsServer::Runs::by_hand);
    options_.servers = {gone.address()};
  }
  EXPECT_THAT(refused<ResolveError>(look_up()), HasSubstr("cannot be reached"));
}

TEST_F(DnsResolverTest, SaysThatAnAnswerMakesNoSense) {
  auto& reply = server_.on("a.test", type_a);
  reply.answers = {{"a.test", type_a, 60, "123"}};
  EXPECT_THAT(refused<ResolveError>(look_up()), HasSubstr("what is no answer of DNS"));
  reply.answers = {{"a.test", type_a, 60, a_data("192.0.2.1")}};
  reply.instead = "";
  EXPECT_THAT(refused<ResolveError>(look_up()), HasSubstr("what is no answer of DNS"));
}

TEST_F(DnsResolverTest, BeginsWithAnotherServerEachTimeWhenItRotates) {
  options_.servers.push_back(other_.address());
  options_.rotate = true;
  for (const char* const name : {"a.test", "b.test", "c.test"})
    static_cast<void>(refused<NameNotFound>(look_up(name)));
  EXPECT_THAT(server_.asked, ElementsAre("1 a.test", "1 c.test"));
  EXPECT_THAT(other_.asked, ElementsAre("1 b.test"));
}

TEST_F(DnsResolverTest, TellsANameThatDoesNotExistFromOneWithoutTheRecord) {
  server_.on("a.test", type_a);
  EXPECT_THAT(refused<NameNotFound>(look_up("a.test")), HasSubstr("has no A record"));
  const auto message = refused<NameNotFound>(look_up("b.test"));
  EXPECT_THAT(message, HasSubstr("\"b.test\" does not exist"));
  EXPECT_THAT(message, HasSubstr(server_.address().text()));
}

// ---- the cache

TEST_F(DnsResolverTest, KeepsAnAnswerForItsTtlAndSaysWhatIsLeftOfIt) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  answered(look_up());
  reactor_.advance(59s);
  EXPECT_EQ(success_result_of(look_up())[0].ttl, 1s);
  EXPECT_EQ(server_.asked.size(), 1);
  reactor_.advance(1s);
  EXPECT_EQ(answered(look_up())[0].ttl, 60s);
  EXPECT_EQ(server_.asked.size(), 2);
}

TEST_F(DnsResolverTest, KeepsNoAnswerLongerThanItsLimit) {
  options_.max_ttl = 10s;
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  answered(look_up());
  reactor_.advance(10s);
  answered(look_up());
  EXPECT_EQ(server_.asked.size(), 2);
}

TEST_F(DnsResolverTest, KeepsTheNewsThatThereIsNothingAsTheZoneSays) {
  options_.max_negative_ttl = 20s;
  server_.otherwise.authorities = {{"test", type_soa, 60, soa_data(10)}};
  server_.on("b.test", type_a).authorities = {{"test", type_soa, 60, soa_data(40)}};
  for (const char* const name : {"a.test", "b.test"}) {
    static_cast<void>(refused<NameNotFound>(look_up(name)));
    static_cast<void>(failure_result_of<NameNotFound>(look_up(name)));
  }
  EXPECT_EQ(server_.asked.size(), 2);
  reactor_.advance(10s);
  static_cast<void>(refused<NameNotFound>(look_up("a.test")));
  static_cast<void>(failure_result_of<NameNotFound>(look_up("b.test")));
  EXPECT_EQ(server_.asked.size(), 3);
  reactor_.advance(10s);
  static_cast<void>(refused<NameNotFound>(look_up("b.test")));
  EXPECT_EQ(server_.asked.size(), 4);
}

TEST_F(DnsResolverTest, KeepsNothingThatNobodySaidHowLongToKeep) {
  static_cast<void>(refused<NameNotFound>(look_up()));
  static_cast<void>(refused<NameNotFound>(look_up()));
  EXPECT_EQ(server_.asked.size(), 2);
  server_.has("b.test", type_a, 0, a_data("192.0.2.1"));
  answered(look_up("b.test"));
  answered(look_up("b.test"));
  EXPECT_EQ(server_.asked.size(), 4);
}

TEST_F(DnsResolverTest, KeepsNothingWithoutACacheAndForgetsOnDemand) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  answered(look_up());
  resolver().clear_cache();
  answered(look_up());
  EXPECT_EQ(server_.asked.size(), 2);
  options_.max_cached_answers = 0;
  resolver_.reset();
  answered(look_up());
  answered(look_up());
  EXPECT_EQ(server_.asked.size(), 4);
}

// ---- several at a time, and cancelling

TEST_F(DnsResolverTest, SendsTheSameQuestionOnce) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  auto first = look_up();
  auto second = look_up();
  settle();
  EXPECT_EQ(success_result_of(std::move(first)), success_result_of(std::move(second)));
  EXPECT_THAT(server_.asked, ElementsAre("1 a.test"));
}

TEST_F(DnsResolverTest, CancelsOneOfTwoWhoAskTheSame) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  auto first = look_up();
  auto second = look_up();
  first.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(first)));
  EXPECT_EQ(answered(std::move(second)).size(), 1);
}

TEST_F(DnsResolverTest, LeavesNothingOpenWhenAllAreCancelled) {
  server_.otherwise.silent = true;
  std::vector<Deferred<std::vector<AddressRecord>>> lookups;
  for (const char* const name : {"a.test", "b.test"})
    lookups.push_back(look_up(name));
  settle();
  EXPECT_GT(census().watches.load(), watches_before_);
  for (auto& lookup : lookups) {
    lookup.cancel();
    static_cast<void>(failure_result_of<CancelledError>(std::move(lookup)));
  }
  EXPECT_EQ(census().watches.load(), watches_before_);
  EXPECT_EQ(reactor_.pending_calls(), 0);
}

// ---- ports: who would forge an answer has to guess where it is waited for

TEST_F(DnsResolverTest, AsksAgainFromAnotherPort) {
  server_.otherwise.silent = true;
  auto lookup = look_up();
  settle();
  reactor_.advance(2s);
  settle();
  ASSERT_EQ(server_.asked_from.size(), 2);
  EXPECT_NE(server_.asked_from[0], server_.asked_from[1]);
  cancel(std::move(lookup));
}

TEST_F(DnsResolverTest, AsksFromAnotherPortOnceAQuestionIsLeftBehind) {
  server_.otherwise.silent = true;
  auto left = look_up("a.test");
  auto held = look_up("b.test");
  settle();
  cancel(std::move(left));
  server_.has("c.test", type_a, 60, a_data("192.0.2.3"));
  EXPECT_EQ(answered(look_up("c.test")).size(), 1);
  ASSERT_EQ(server_.asked_from.size(), 3);
  EXPECT_NE(server_.asked_from[0], server_.asked_from[2]);
  // Who asked from the first port is still answered there.
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  server_.answer_late();
  server_.has("b.test", type_a, 60, a_data("192.0.2.2"));
  server_.answer_late();
  EXPECT_THAT(hosts_of(answered(std::move(held))), ElementsAre("192.0.2.2"));
}

TEST_F(DnsResolverTest, AsksFewQuestionsFromOnePortHoweverManyOverlap) {
  server_.otherwise.silent = true;
  std::vector<Deferred<std::vector<AddressRecord>>> lookups;
  for (int i = 0; i < 100; ++i)
    lookups.push_back(look_up("n" + std::to_string(i) + ".test"));
  settle();
  ASSERT_EQ(server_.asked_from.size(), 100);
  for (const auto port : server_.asked_from) {
    EXPECT_LE(std::count(server_.asked_from.begin(), server_.asked_from.end(), port), 16);
  }
  for (auto& lookup : lookups)
    cancel(std::move(lookup));
}

TEST_F(DnsResolverTest, KeepsNothingOfQuestionsLeftBehindWhileOthersWait) {
  server_.otherwise.silent = true;
  options_.servers.push_back(other_.address());
  other_.has("first.test", type_a, 60, a_data("192.0.2.1"));
  auto waiting = look_up("first.test");
  for (int i = 0; i < 50; ++i) {
    const auto name = "n" + std::to_string(i) + ".test";
    other_.has(name, type_a, 60, a_data("192.0.2.1"));
    // Each is begun before the last one ends, which the second server answers.
    auto next = look_up(name);
    settle();
    reactor_.advance(1s);
    settle();
    EXPECT_EQ(waiting.ready(), i > 0);
    waiting = std::move(next);
    EXPECT_LE(census().watches.load(), watches_before_ + 4);
  }
  EXPECT_GT(std::set(server_.asked_from.begin(), server_.asked_from.end()).size(), 20);
  cancel(std::move(waiting));
}

TEST_F(DnsResolverTest, MayBeAskedAndDestroyedInTheCallbackOfALookup) {
  server_.has("a.test", type_a, 60, a_data("192.0.2.1"));
  auto again = look_up().add_callback([this](const auto&) { return look_up("b.test"); });
  settle();
  static_cast<void>(failure_result_of<NameNotFound>(std::move(again)));
  auto last = look_up("c.test").add_both([this](const auto&) { resolver_.reset(); });
  settle();
  EXPECT_TRUE(last.ready());
}

TEST_F(DnsResolverTest, FailsWhatWaitsWhenItIsDestroyed) {
  server_.otherwise.silent = true;
  auto lookup = look_up();
  settle();
  resolver_.reset();
  EXPECT_THAT(failure_result_of<ResolveError>(std::move(lookup)).message(),
              HasSubstr("its resolver is gone"));
}

TEST_F(DnsResolverTest, RefusesOptionsThatMakeNoSense) {
  const auto refuses = [&](auto change) {
    auto options = options_;
    change(options);
    EXPECT_THROW(DnsResolver(reactor_, options), InvalidArgument);
  };
  refuses([](DnsOptions& options) { options.tries = 0; });
  refuses([](DnsOptions& options) { options.try_timeout = 0s; });
  refuses([](DnsOptions& options) { options.time_limit = -1s; });
  refuses([](DnsOptions& options) { options.ndots = -1; });
  refuses([](DnsOptions& options) { options.servers = {Address::unix_socket("/x")}; });
}

}  // namespace
}  // namespace weft::testing
