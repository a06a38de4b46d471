#include "dns_cache.hpp"

#include "../../testing/manual_clock.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace weft::detail {
namespace {

using namespace std::chrono_literals;

class DnsCacheTest : public ::testing::Test {
 protected:
  void keep(const std::string& name, TimeToLive ttl = 60s) {
    cache_.keep({name, DnsType::a}, std::make_shared<const DnsAnswer>(), ttl);
  }
  bool knows(const std::string& name) { return cache_.find({name, DnsType::a}) != nullptr; }

  testing::ManualClock clock_;
  DnsCache cache_{clock_, 2};
};

TEST_F(DnsCacheTest, ForgetsAtTheEndOfTheTtlAndNotBefore) {
  keep("a");
  clock_.advance(60s - 1ns);
  EXPECT_TRUE(knows("a"));
  clock_.advance(1ns);
  EXPECT_FALSE(knows("a"));
  EXPECT_EQ(cache_.size(), 0);
}

TEST_F(DnsCacheTest, TellsTypesApart) {
  keep("a");
  EXPECT_EQ(cache_.find({"a", DnsType::aaaa}), nullptr);
}

TEST_F(DnsCacheTest, MakesRoomByForgettingWhatWasNotUsedForLongest) {
  keep("a");
  keep("b");
  EXPECT_TRUE(knows("a"));
  keep("c");
  EXPECT_TRUE(knows("a"));
  EXPECT_FALSE(knows("b"));
  EXPECT_TRUE(knows("c"));
}

TEST_F(DnsCacheTest, ReplacesWhatItKnew) {
  keep("a", 1s);
  keep("b");
  keep("a", 60s);
  clock_.advance(1s);
  EXPECT_TRUE(knows("a"));
  EXPECT_TRUE(knows("b"));
}

TEST_F(DnsCacheTest, KeepsNothingForNoTimeAndForgetsAllOnDemand) {
  keep("a", 0s);
  EXPECT_FALSE(knows("a"));
  keep("b");
  cache_.clear();
  EXPECT_FALSE(knows("b"));
}

}  // namespace
}  // namespace weft::detail
