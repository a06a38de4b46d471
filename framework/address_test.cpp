#include "address.hpp"

#include <gtest/gtest.h>

#include <string>
#include <unordered_set>

namespace weft {
namespace {

std::string round_trip(std::string_view host) {
  const auto address = Address::parse(host, 80);
  return address ? address->host() : "refused";
}

TEST(Address, IsNoneUnlessMadeOtherwise) {
  const Address none;
  EXPECT_EQ(none.family(), Address::Family::none);
  EXPECT_EQ(none.text(), "none");
  EXPECT_EQ(none.host(), "");
}

TEST(Address, ShowsIpv4WithItsPort) {
  const auto address = Address::ipv4({127, 0, 0, 1}, 8080);
  EXPECT_EQ(address.text(), "127.0.0.1:8080");
  EXPECT_EQ(address.host(), "127.0.0.1");
  EXPECT_EQ(address.octets()[0], 127);
}

TEST(Address, ShowsIpv6InBracketsWithItsPort) {
  EXPECT_EQ(Address::parse("::1", 80)->text(), "[::1]:80");
}

TEST(Address, ShowsUnixSocketsByPathOrAbstractName) {
  EXPECT_EQ(Address::unix_socket("/run/x").text(), "unix:/run/x");
  EXPECT_EQ(Address::unix_socket(std::string("\0abstract", 9)).text(), "unix:@abstract");
  EXPECT_EQ(Address::unix_socket("").text(), "unix:");
  EXPECT_EQ(Address::unix_socket(R"(\\.\pipe\x)").text(), "pipe:x");
  EXPECT_EQ(Address::unix_socket("/run/x").path(), "/run/x");
}

TEST(Address, ReadsIpv4) {
  EXPECT_EQ(round_trip("0.0.0.0"), "0.0.0.0");
  EXPECT_EQ(round_trip("255.255.255.255"), "255.255.255.255");
}

TEST(Address, RefusesWhatIsNoIpv4) {
  for (const auto* text :
       {"", ".", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", "256.1.1.1", "1.2.3.-4",
        "01.2.3.4", "1.2.3.0x4", " 1.2.3.4", "1.2.3.4 ", "1..2.3", "1000.1.1.1", "localhost"}) {
    EXPECT_FALSE(Address::parse(text, 0)) << text;
  }
}

// RFC 5952, sections 1 to 5.
TEST(Address, WritesIpv6InItsOneRecommendedForm) {
  EXPECT_EQ(round_trip("2001:0db8:0:0:0:0:2:1"), "2001:db8::2:1");
  EXPECT_EQ(round_trip("2001:db8:0:1:1:1:1:1"), "2001:db8:0:1:1:1:1:1");
  EXPECT_EQ(round_trip("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");
  EXPECT_EQ(round_trip("2001:db8:0:0:1:0:0:1"), "2001:db8::1:0:0:1");
  EXPECT_EQ(round_trip("2001:DB8::AaAa"), "2001:db8::aaaa");
  EXPECT_EQ(round_trip("::"), "::");
  EXPECT_EQ(round_trip("::1"), "::1");
  EXPECT_EQ(round_trip("1::"), "1::");
  EXPECT_EQ(round_trip("0:0:0:0:0:0:0:1"), "::1");
  EXPECT_EQ(round_trip("1:2:3:4:5:6:7::"), "1:2:3:4:5:6:7:0");
}

TEST(Address, ReadsAndWritesIpv4InsideIpv6) {
  EXPECT_EQ(round_trip("::ffff:192.0.2.1"), "::ffff:192.0.2.1");
  EXPECT_EQ(round_trip("::ffff:c000:201"), "::ffff:192.0.2.1");
  EXPECT_EQ(round_trip("64:ff9b::192.0.2.33"), "64:ff9b::c000:221");
  EXPECT_EQ(round_trip("1:2:3:4:5:6:1.2.3.4"), "1:2:3:4:5:6:102:304");
}

TEST(Address, RefusesWhatIsNoIpv6) {
  for (const auto* text : {":",
                           ":::",
                           "1",
                           "1:2",
                           "1::2::3",
                           "12345::",
                           "g::",
                           "::1.2.3",
                           "1.2.3.4::",
                           "::1:",
                           ":1::",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8::",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::1%",
                           "::1%x",
                           "::1%-1",
                           "::1%99999999999",
                           "1.2.3.4%1",
                           "[::1]",
                           "::0x1"}) {
    EXPECT_FALSE(Address::parse(text, 0)) << text;
  }
}

TEST(Address, KeepsTheScopeOfALinkLocalAddress) {
  const auto address = Address::parse("fe80::1%3", 80);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->scope_id(), 3U);
  EXPECT_EQ(address->text(), "[fe80::1%3]:80");
}

TEST(Address, IsEqualWhenEverythingIs) {
  EXPECT_EQ(Address::parse("::1", 80), Address::parse("0::1", 80));
  EXPECT_NE(Address::parse("::1", 80), Address::parse("::1", 81));
  EXPECT_NE(Address::parse("fe80::1%1", 80), Address::parse("fe80::1%2", 80));
  EXPECT_LT(Address::ipv4({1, 0, 0, 1}, 1), Address::ipv4({1, 0, 0, 2}, 1));
}

TEST(Address, HashesApartInATable) {
  std::unordered_set<Address> table;
  std::unordered_set<std::size_t> hashes;
  for (int port = 0; port < 1000; ++port) {
    table.insert(Address::ipv4({10, 0, 0, 1}, static_cast<Port>(port)));
    hashes.insert(std::hash<Address>()(Address::ipv4({10, 0, 0, 1}, static_cast<Port>(port))));
  }
  table.insert(Address::unix_socket("/a"));
  table.insert(Address::unix_socket("/a"));
  EXPECT_EQ(table.size(), 1001U);
  EXPECT_EQ(hashes.size(), 1000U);
}

}  // namespace
}  // namespace weft
