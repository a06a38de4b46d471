#include "happy_eyeballs.hpp"

#include "../testing/fake_resolver.hpp"
#include "../testing/manual_clock.hpp"
#include "error.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using Answer = testing::FakeResolver::Answer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const auto six = *Address::parse("2001:db8::1", 80);
const auto six_b = *Address::parse("2001:db8::2", 80);
const auto six_c = *Address::parse("2001:db8::3", 80);
const auto four = *Address::parse("192.0.2.1", 80);
const auto four_b = *Address::parse("192.0.2.2", 80);

std::vector<Address> two_of_each() {
  return {six, six_b, four, four_b};
}

Failure refused(const Address& address) {
  return Failure(ConnectionRefused("Connecting to " + address.text() + " failed: nobody.", address,
                                   std::make_error_code(std::errc::connection_refused)));
}
Failure no_route(const Address& address) {
  return Failure(NoRoute("Connecting to " + address.text() + " failed: no route.", address));
}

// Attempts whose fate is the test's; those to `dead` addresses fail inside the call.
class FakeAttempts final : public HappyEyeballs::Attempts {
 public:
  void start_attempt(std::size_t attempt, const Address& address) override {
    ASSERT_EQ(attempt, started.size());
    started.push_back(address);
    if (throws) throw std::runtime_error("in start_attempt");
    for (const auto& each : dead) {
      if (each == address) race->failed(attempt, refused(address));
    }
    if (alive == address) race->succeeded(attempt);
  }
  void abandon_attempt(std::size_t attempt) noexcept override { abandoned.push_back(attempt); }
  void race_won(std::size_t attempt) override { winner = attempt; }
  void race_lost(Failure reason) override { lost = std::move(reason); }

  std::shared_ptr<HappyEyeballs> race;
  std::vector<Address> dead;
  std::optional<Address> alive;
  bool throws = false;
  std::vector<Address> started;
  std::vector<std::size_t> abandoned;
  std::optional<std::size_t> winner;
  std::optional<Failure> lost;
};

class HappyEyeballsTest : public ::testing::Test {
 protected:
  void race(std::vector<Address> addresses) {
    make();
    attempts_.race->start(std::move(addresses));
  }
  void race_name() {
    make();
    attempts_.race->start(resolver_, "a.name", 80);
  }
  void make() { attempts_.race = HappyEyeballs::make(clock_, attempts_, "a.name:80", options_); }
  HappyEyeballs& running() { return *attempts_.race; }

  testing::ManualClock clock_;
  testing::FakeResolver resolver_{clock_};
  HappyEyeballsOptions options_;
  FakeAttempts attempts_;
};

// ---- the order and the pace of attempts

TEST_F(HappyEyeballsTest, TakesTheFamiliesInTurnsEachAfterTheAttemptDelay) {
  race(two_of_each());
  EXPECT_THAT(attempts_.started, ElementsAre(six));
  clock_.advance(250ms - 1ns);
  EXPECT_THAT(attempts_.started, ElementsAre(six));
  clock_.advance(1ns);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four));
  clock_.advance(500ms);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four, six_b, four_b));
}

TEST_F(HappyEyeballsTest, BeginsWithTheFamilyThatTheResolverPutsFirst) {
  race({four, four_b, six});
  clock_.advance(500ms);
  EXPECT_THAT(attempts_.started, ElementsAre(four, six, four_b));
}

TEST_F(HappyEyeballsTest, GoesOnWithOneFamilyWhereTheOtherHasNoMore) {
  race({six, six_b, six_c, four});
  clock_.advance(750ms);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four, six_b, six_c));
}

TEST_F(HappyEyeballsTest, TriesTheNextAtOnceWhenAnAttemptFails) {
  race(two_of_each());
  clock_.advance(100ms);
  running().failed(0, refused(six));
  EXPECT_THAT(attempts_.started, ElementsAre(six, four));
  // And gives that one its full time.
  clock_.advance(250ms - 1ns);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four));
  clock_.advance(1ns);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four, six_b));
}

TEST_F(HappyEyeballsTest, PassesOverThoseThatFailInsideTheCall) {
  attempts_.dead = {six, four};
  race(two_of_each());
  EXPECT_THAT(attempts_.started, ElementsAre(six, four, six_b));
  EXPECT_FALSE(attempts_.lost);
}

TEST_F(HappyEyeballsTest, KeepsEarlierAttemptsWhileLaterOnesRun) {
  race({six, four});
  clock_.advance(250ms);
  running().failed(1, refused(four));
  EXPECT_FALSE(attempts_.lost);
  running().succeeded(0);
  EXPECT_EQ(attempts_.winner, 0);
}

TEST_F(HappyEyeballsTest, PicksTheWorkingFamilyWithinTheDelayAndOneRoundTrip) {
  constexpr auto round_trip = 40ms;
  race({six, four});
  const auto began = clock_.now();
  std::optional<TimePoint> connected;
  // IPv6 is silent, and IPv4 answers.
  while (!attempts_.winner && clock_.now() < began + 10s) {
    const auto known = attempts_.started.size();
    clock_.advance(1ms);
    if (attempts_.started.size() > known) {
      clock_.call_later(round_trip, [&] {
        connected = clock_.now();
        running().succeeded(1);
      });
    }
  }
  ASSERT_EQ(attempts_.winner, 1);
  EXPECT_EQ(*connected - began, 250ms + round_trip);
  EXPECT_THAT(attempts_.abandoned, ElementsAre(0));
}

// ---- outcomes

TEST_F(HappyEyeballsTest, AbandonsTheOthersWhenOneWinsAndStartsNoMore) {
  race(two_of_each());
  clock_.advance(500ms);
  running().succeeded(1);
  EXPECT_EQ(attempts_.winner, 1);
  EXPECT_THAT(attempts_.abandoned, ElementsAre(0, 2));
  EXPECT_EQ(clock_.pending_calls(), 0);
  clock_.advance(10s);
  EXPECT_EQ(attempts_.started.size(), 3);
}

TEST_F(HappyEyeballsTest, MayBeWonInsideTheCallThatStartsAnAttempt) {
  attempts_.alive = six;
  race(two_of_each());
  EXPECT_EQ(attempts_.winner, 0);
  EXPECT_EQ(clock_.pending_calls(), 0);
}

TEST_F(HappyEyeballsTest, IgnoresWhatIsSaidLate) {
  race({six, four});
  clock_.advance(250ms);
  running().succeeded(1);
  running().succeeded(0);
  running().failed(0, refused(six));
  EXPECT_EQ(attempts_.winner, 1);
  EXPECT_FALSE(attempts_.lost);
}

TEST_F(HappyEyeballsTest, TellsTheMostTellingFailureWithAllOfThem) {
  attempts_.dead = {six_b};
  race({six, four, six_b});
  running().failed(0, no_route(six));
  running().failed(1, no_route(four));
  ASSERT_TRUE(attempts_.lost);
  const auto* const error = attempts_.lost->check<ConnectionRefused>();
  ASSERT_NE(error, nullptr);
  EXPECT_EQ(error->address(), six_b);
  EXPECT_EQ(error->code(), std::errc::connection_refused);
  for (const auto& address : {six, four, six_b})
    EXPECT_THAT(error->what(), HasSubstr(address.text()));
  EXPECT_THAT(error->what(), HasSubstr("a.name:80"));
}

TEST_F(HappyEyeballsTest, TellsASingleFailureAsItIs) {
  attempts_.dead = {four};
  race({four});
  ASSERT_TRUE(attempts_.lost);
  EXPECT_EQ(attempts_.lost->message(), refused(four).message());
}

TEST_F(HappyEyeballsTest, PrefersWhatIsUnusualToWhatOnlySaysThatThereIsNoRoute) {
  const std::vector<Failure> failures{no_route(six), Failure(ConnectError("Something odd.", four))};
  const auto told = detail::most_telling("a.name:80", failures);
  EXPECT_EQ(told.check<NoRoute>(), nullptr);
  EXPECT_THAT(told.message(), HasSubstr("Something odd."));
}

TEST_F(HappyEyeballsTest, TellsOfTenAttemptsAndCountsTheOthers) {
  const std::vector<Failure> failures(12, refused(four));
  const auto told = detail::most_telling("a.name:80", failures);
  EXPECT_THAT(told.message(), HasSubstr("None of the 12 attempts"));
  EXPECT_THAT(told.message(), HasSubstr("The other 2 failed as well."));
}

TEST_F(HappyEyeballsTest, IsLostWithWhatStartingAnAttemptThrew) {
  attempts_.throws = true;
  race({six});
  ASSERT_TRUE(attempts_.lost);
  EXPECT_NE(attempts_.lost->check<std::runtime_error>(), nullptr);
}

TEST_F(HappyEyeballsTest, IsLostWithoutAnyAddress) {
  race({});
  ASSERT_TRUE(attempts_.lost);
  EXPECT_NE(attempts_.lost->check<ResolveError>(), nullptr);
}

// ---- looking the name up

TEST_F(HappyEyeballsTest, StartsWithIpv6WithoutWaitingForIpv4) {
  resolver_.add_families("a.name", Answer({six, six_b}, 10ms), Answer({four}, 100ms));
  race_name();
  clock_.advance(10ms);
  EXPECT_THAT(attempts_.started, ElementsAre(six));
  // The addresses that come later take their turn.
  clock_.advance(250ms);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four));
}

TEST_F(HappyEyeballsTest, LetsIpv4WaitForIpv6ForTheResolutionDelay) {
  resolver_.add_families("a.name", Answer({six}, 100ms), Answer({four}, 10ms));
  race_name();
  clock_.advance(60ms - 1ns);
  EXPECT_THAT(attempts_.started, IsEmpty());
  clock_.advance(1ns);
  EXPECT_THAT(attempts_.started, ElementsAre(four));
  clock_.advance(250ms);
  EXPECT_THAT(attempts_.started, ElementsAre(four, six));
}

TEST_F(HappyEyeballsTest, StartsWithIpv6WhenItComesWithinTheResolutionDelay) {
  resolver_.add_families("a.name", Answer({six}, 40ms), Answer({four}, 10ms));
  race_name();
  clock_.advance(40ms);
  EXPECT_THAT(attempts_.started, ElementsAre(six));
}

TEST_F(HappyEyeballsTest, StartsWithIpv4AtOnceWhenThereIsNoIpv6) {
  resolver_.add_families("a.name", Answer(Failure(NameNotFound("No AAAA.")), 20ms),
                         Answer({four}, 10ms));
  race_name();
  clock_.advance(20ms);
  EXPECT_THAT(attempts_.started, ElementsAre(four));
}

TEST_F(HappyEyeballsTest, TriesAnAddressThatComesWhenAllOthersHaveFailed) {
  resolver_.add_families("a.name", Answer({six}, 10ms), Answer({four}, 500ms));
  attempts_.dead = {six};
  race_name();
  clock_.advance(499ms);
  EXPECT_FALSE(attempts_.lost);
  clock_.advance(1ms);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four));
}

TEST_F(HappyEyeballsTest, TriesALateAddressAtOnceWhenTheLastAttemptHadItsTime) {
  resolver_.add_families("a.name", Answer({six}, 10ms), Answer({four}, 500ms));
  race_name();
  clock_.advance(500ms);
  EXPECT_THAT(attempts_.started, ElementsAre(six, four));
}

TEST_F(HappyEyeballsTest, RacesWhatAResolverGivesThatTellsBothTogether) {
  resolver_.add("a.name", Answer({four, six}, 30ms));
  race_name();
  clock_.advance(30ms);
  EXPECT_THAT(attempts_.started, ElementsAre(four));
}

TEST_F(HappyEyeballsTest, IsLostWithTheMoreTellingFailureOfTheTwoLookups) {
  resolver_.add_families("a.name", Answer(Failure(NameNotFound("No AAAA."))),
                         Answer(Failure(ResolveTimeout("Nobody answered.")), 1s));
  race_name();
  clock_.advance(1s);
  ASSERT_TRUE(attempts_.lost);
  EXPECT_NE(attempts_.lost->check<ResolveTimeout>(), nullptr);
}

TEST_F(HappyEyeballsTest, MentionsALookupThatFailedBesideTheAttempts) {
  resolver_.add_families("a.name", Answer(Failure(ResolveTimeout("Nobody answered AAAA."))),
                         Answer({four}));
  attempts_.dead = {four};
  race_name();
  ASSERT_TRUE(attempts_.lost);
  EXPECT_NE(attempts_.lost->check<ConnectionRefused>(), nullptr);
  EXPECT_THAT(attempts_.lost->message(), HasSubstr("Nobody answered AAAA."));
}

TEST_F(HappyEyeballsTest, IsLostWithWhatTheResolverThrows) {
  class Throwing final : public Resolver {
    Deferred<std::vector<Address>> resolve(std::string, Port) override {
      throw std::runtime_error("in resolve");
    }
  };
  Throwing resolver;
  make();
  running().start(resolver, "a.name", 80);
  ASSERT_TRUE(attempts_.lost);
  EXPECT_NE(attempts_.lost->check<std::runtime_error>(), nullptr);
}

// ---- one family only

TEST_F(HappyEyeballsTest, TriesOneFamilyOnlyWhereOurEndIsOfThat) {
  options_.only = Address::Family::ipv4;
  race(two_of_each());
  clock_.advance(250ms);
  EXPECT_THAT(attempts_.started, ElementsAre(four, four_b));
}

TEST_F(HappyEyeballsTest, WaitsForNothingOfTheFamilyThatItDoesNotWant) {
  options_.only = Address::Family::ipv4;
  resolver_.add_families("a.name", Answer::never(), Answer({four}, 10ms));
  race_name();
  EXPECT_EQ(resolver_.cancelled(), 1);
  clock_.advance(10ms);
  EXPECT_THAT(attempts_.started, ElementsAre(four));
}

TEST_F(HappyEyeballsTest, SaysThatNoAddressGoesWithOurEnd) {
  options_.only = Address::Family::ipv6;
  race({four});
  ASSERT_TRUE(attempts_.lost);
  EXPECT_NE(attempts_.lost->check<BindError>(), nullptr);
}

// ---- cancelling

TEST_F(HappyEyeballsTest, ForgetsTheLookupsWhenCancelled) {
  resolver_.add_families("a.name", Answer::never(), Answer::never());
  race_name();
  running().cancel();
  EXPECT_EQ(resolver_.cancelled(), 2);
  EXPECT_EQ(clock_.pending_calls(), 0);
  EXPECT_FALSE(attempts_.lost);
}

TEST_F(HappyEyeballsTest, MayBeCancelledInTheResolutionDelay) {
  resolver_.add_families("a.name", Answer::never(), Answer({four}));
  race_name();
  running().cancel();
  clock_.advance(10s);
  EXPECT_THAT(attempts_.started, IsEmpty());
  EXPECT_EQ(resolver_.cancelled(), 1);
}

TEST_F(HappyEyeballsTest, AbandonsWhatRunsWhenCancelledAndStartsNoMore) {
  race(two_of_each());
  clock_.advance(250ms);
  running().failed(0, refused(six));
  running().cancel();
  EXPECT_THAT(attempts_.abandoned, ElementsAre(1, 2));
  clock_.advance(10s);
  EXPECT_EQ(attempts_.started.size(), 3);
  EXPECT_FALSE(attempts_.winner || attempts_.lost);
}

TEST_F(HappyEyeballsTest, DoesNothingMoreWhenItIsDropped) {
  resolver_.add_families("a.name", Answer::never(), Answer({four}));
  race_name();
  attempts_.race.reset();
  EXPECT_EQ(clock_.pending_calls(), 0);
  EXPECT_EQ(resolver_.cancelled(), 1);
}

}  // namespace
}  // namespace weft
