#include "socket_address.hpp"

#include "../../framework/error.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weft::detail {
namespace {

Address there_and_back(const Address& address) {
  return SocketAddress(address).address();
}

TEST(SocketAddress, KeepsAnIpv4AddressAndItsPort) {
  const auto address = Address::ipv4({192, 0, 2, 1}, 4711);
  EXPECT_EQ(there_and_back(address), address);
}

TEST(SocketAddress, KeepsAnIpv6AddressItsPortAndItsScope) {
  const auto address = *Address::parse("fe80::1%3", 4711);
  EXPECT_EQ(there_and_back(address), address);
}

TEST(SocketAddress, TakesAnIpv4AddressThatIsMappedIntoIpv6ForWhatItIs) {
  EXPECT_EQ(there_and_back(*Address::parse("::ffff:1.2.3.4", 80)), Address::ipv4({1, 2, 3, 4}, 80));
}

TEST(SocketAddress, MapsAnIpv4AddressForASocketOfIpv6) {
  const auto mapped = SocketAddress::for_ipv6(Address::ipv4({1, 2, 3, 4}, 80));
  EXPECT_EQ(mapped.family(), AF_INET6);
  EXPECT_EQ(mapped.address(), Address::ipv4({1, 2, 3, 4}, 80));
  EXPECT_EQ(SocketAddress::for_ipv6(*Address::parse("::1", 80)).address(),
            *Address::parse("::1", 80));
}

TEST(SocketAddress, RefusesNone) {
  EXPECT_THROW(SocketAddress{Address()}, InvalidArgument);
}

TEST(SocketAddress, KnowsNothingOfAFamilyItHasNotHeardOf) {
  sockaddr unknown{};
  unknown.sa_family = 77;
  EXPECT_EQ(to_address(&unknown, sizeof unknown), Address());
  EXPECT_EQ(to_address(&unknown, 0), Address());
}

#ifndef _WIN32

TEST(SocketAddress, KeepsAPathAnAbstractNameAndThatThereIsNone) {
  for (const auto& path : {std::string("/run/x"), std::string("\0a\0b", 4)}) {
    EXPECT_EQ(there_and_back(Address::unix_socket(path)), Address::unix_socket(path));
  }
  sockaddr unnamed{};
  unnamed.sa_family = AF_UNIX;
  EXPECT_EQ(to_address(&unnamed, sizeof unnamed.sa_family), Address::unix_socket(""));
}

TEST(SocketAddress, RefusesAPathThatIsEmptyOrTooLong) {
  EXPECT_THROW(SocketAddress{Address::unix_socket("")}, InvalidArgument);
  EXPECT_THROW(SocketAddress{Address::unix_socket(std::string(108, 'x'))}, InvalidArgument);
  EXPECT_NO_THROW(SocketAddress{Address::unix_socket(std::string(107, 'x'))});
}

#endif

}  // namespace
}  // namespace weft::detail
