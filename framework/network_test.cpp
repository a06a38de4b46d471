#include "network.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weft {
namespace {

bool holds(std::string_view network, std::string_view host) {
  return Network::parse(network).value().contains(Address::parse(host, 80).value());
}

TEST(Network, ContainsWhatSharesItsLeadingBits) {
  EXPECT_TRUE(holds("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(holds("192.168.4.0/22", "192.168.7.255"));
  EXPECT_FALSE(holds("192.168.4.0/22", "192.168.8.0"));
  EXPECT_TRUE(holds("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(Network, OfOneAddressContainsThatAlone) {
  EXPECT_TRUE(holds("127.0.0.1", "127.0.0.1"));
  EXPECT_FALSE(holds("127.0.0.1", "127.0.0.2"));
  EXPECT_TRUE(holds("::1/128", "::1"));
}

TEST(Network, OfNoBitsContainsItsFamilyAlone) {
  EXPECT_TRUE(holds("0.0.0.0/0", "255.1.2.3"));
  EXPECT_FALSE(holds("0.0.0.0/0", "::1"));
  EXPECT_FALSE(Network::parse("::/0")->contains(Address::unix_socket("/run/x")));
}

TEST(Network, IsNotReadFromAnythingElse) {
  for (const auto* const text :
       {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.1/8",
        "::ffff:10.0.0.0/104", "::/129", "example.org/8", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(Network::parse(text)) << text;
  }
}

TEST(Network, IsShownAsItIsWritten) {
  EXPECT_EQ(Network::parse("10.0.0.0/8")->text(), "10.0.0.0/8");
  EXPECT_EQ(Network::parse("::1")->text(), "::1/128");
}

}  // namespace
}  // namespace weft
