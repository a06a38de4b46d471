// Where one end of a connection is: an IPv4 or IPv6 address with its port, a UNIX socket, or
// nowhere.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// A TCP or UDP port number; zero lets the system choose when listening.
using Port = std::uint16_t;

/// A value: comparable, hashable, printable. Default-constructed it is "none", the address of what
/// has none.
class Address {
 public:
  enum class Family : std::uint8_t { none, ipv4, ipv6, unix_socket };

  Address() noexcept = default;
  [[nodiscard]] static Address ipv4(const std::array<std::uint8_t, 4>& octets, Port port);
  /// `scope_id` is the interface's index for link-local addresses, zero elsewhere.
  [[nodiscard]] static Address ipv6(const std::array<std::uint8_t, 16>& octets, Port port,
                                    std::uint32_t scope_id = 0);
  /// A path, an abstract name, which begins with a NUL byte, or a named pipe's "\\.\pipe\name".
  [[nodiscard]] static Address unix_socket(std::string path);

  /// Reads a numeric IPv4 or IPv6 host ("127.0.0.1", "::1", "fe80::1%2"); never looks a name up.
  [[nodiscard]] static std::optional<Address> parse(std::string_view host, Port port);

  [[nodiscard]] Family family() const noexcept { return family_; }
  [[nodiscard]] Port port() const noexcept { return port_; }
  [[nodiscard]] std::uint32_t scope_id() const noexcept { return scope_id_; }
  /// The 4 or 16 octets in network order, in front of zeros.
  [[nodiscard]] const std::array<std::uint8_t, 16>& octets() const noexcept { return octets_; }
  /// The UNIX socket's path; empty for the others.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The numeric host without the port, or the path: "::1" (RFC 5952).
  [[nodiscard]] std::string host() const;
  /// The whole for people: "127.0.0.1:80", "[::1]:80", "unix:/run/x", "unix:@x", "pipe:x", "none".
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Address&, const Address&) = default;
  friend std::strong_ordering operator<=>(const Address&, const Address&) = default;

 private:
  Family family_ = Family::none;
  Port port_ = 0;
  std::uint32_t scope_id_ = 0;
  std::array<std::uint8_t, 16> octets_{};
  std::string path_;
};

}  // namespace weft

template <>
struct std::hash<weft::Address> {
  std::size_t operator()(const weft::Address& address) const noexcept;
};
