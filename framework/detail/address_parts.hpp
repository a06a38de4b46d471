// Addresses that differ in one part from one that is there.
#pragma once

#include "../address.hpp"

#include <algorithm>
#include <array>

namespace weft::detail {

[[nodiscard]] inline Address ipv4_from(const std::array<std::uint8_t, 16>& octets,
                                       std::size_t first, Port port) {
  return Address::ipv4({octets[first], octets[first + 1], octets[first + 2], octets[first + 3]},
                       port);
}

/// An IP address with another port; any other as it is.
[[nodiscard]] inline Address with_port(const Address& address, Port port) {
  switch (address.family()) {
    case Address::Family::ipv4:
      return ipv4_from(address.octets(), 0, port);
    case Address::Family::ipv6:
      return Address::ipv6(address.octets(), port, address.scope_id());
    default:
      return address;
  }
}

/// The IPv4 address that is mapped into an IPv6 one ("::ffff:192.0.2.1"); any other as it is.
/// Source: RFC 4291, 2.5.5.2
[[nodiscard]] inline Address without_mapping(const Address& address) {
  const auto& octets = address.octets();
  const bool mapped =
      address.family() == Address::Family::ipv6 && octets[10] == 0xff && octets[11] == 0xff &&
      std::all_of(octets.begin(), octets.begin() + 10, [](auto octet) { return octet == 0; });
  return mapped ? ipv4_from(octets, 12, address.port()) : address;
}

/// Whether a port bound to it is reached by each address of the machine.
[[nodiscard]] inline bool is_everywhere(const Address& address) {
  return address.host() == "0.0.0.0" || address.host() == "::";
}

/// Whether it names the machine itself, whatever its interfaces.
[[nodiscard]] inline bool is_here(const Address& address) {
  return is_everywhere(address) || address.host() == "::1" || address.host().starts_with("127.");
}

}  // namespace weft::detail
