// A range of IP addresses, as in lists of who is trusted.
#pragma once

#include "address.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// An IPv4 or IPv6 address and how many of its leading bits count (RFC 4632).
class Network {
 public:
  /// "10.0.0.0/8", "2001:db8::/32", or one address. Nothing for anything else, nor where bits are
  /// set that do not count.
  [[nodiscard]] static std::optional<Network> parse(std::string_view text);

  /// Whatever its port and scope.
  [[nodiscard]] bool contains(const Address& address) const noexcept;
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Network&, const Network&) = default;

 private:
  Network(Address first, int bits) : first_(std::move(first)), bits_(bits) {}

  Address first_;
  int bits_;
};

}  // namespace weft
