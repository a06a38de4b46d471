#include "system_resolver.hpp"

#include "../framework/error.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/results.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

namespace weft {
namespace {

class SystemResolverTest : public ::testing::Test {
 protected:
  Deferred<std::vector<Address>> resolved(const std::string& host) {
    auto addresses = resolver_.resolve(host, 80);
    EXPECT_TRUE(testing::spin_reactor_until(reactor_, [&] { return addresses.ready(); }));
    return addresses;
  }
  testing::MemoryReactor reactor_{testing::MemoryReactor::Time::real};
  SystemResolver resolver_{reactor_};
};

TEST_F(SystemResolverTest, KnowsThisMachine) {
  const auto addresses = testing::success_result_of(resolved("localhost"));
  ASSERT_FALSE(addresses.empty());
  EXPECT_TRUE(std::all_of(addresses.begin(), addresses.end(), [](const Address& address) {
    return address.port() == 80 && (address.host() == "127.0.0.1" || address.host() == "::1");
  }));
}

TEST_F(SystemResolverTest, TakesNumbersAsTheyAre) {
  for (const char* const host : {"192.0.2.1", "2001:db8::1"}) {
    auto addresses = resolver_.resolve(host, 443);
    ASSERT_TRUE(addresses.ready());
    EXPECT_EQ(testing::success_result_of(std::move(addresses)).at(0), *Address::parse(host, 443));
  }
}

TEST_F(SystemResolverTest, SaysWhichNameHasNoAddress) {
  // RFC 6761, 6.4: this top-level domain never has one.
  const auto failure = testing::failure_result_of<ResolveError>(resolved("nobody.invalid"));
  EXPECT_NE(failure.message().find("nobody.invalid"), std::string::npos);
}

}  // namespace
}  // namespace weft
