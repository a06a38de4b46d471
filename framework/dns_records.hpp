// What DNS knows of a name, as values.
#pragma once

#include "address.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace weft {

/// How long a record may still be kept; zero for what is not from DNS.
using TimeToLive = std::chrono::seconds;

/// An address of a name; its port is zero. Source: RFC 1035, 3.4.1; RFC 3596.
struct AddressRecord {
  Address address;
  TimeToLive ttl{};
  friend bool operator==(const AddressRecord&, const AddressRecord&) = default;
};

/// Where a service of a domain is. Source: RFC 2782
struct SrvRecord {
  /// The lowest is to be used first.
  std::uint16_t priority = 0;
  /// The share among those of one priority.
  std::uint16_t weight = 0;
  Port port = 0;
  /// The name of the host, without the dot at its end.
  std::string target;
  TimeToLive ttl{};
  friend bool operator==(const SrvRecord&, const SrvRecord&) = default;
};

/// Who takes the mail of a domain. Source: RFC 1035, 3.3.9
struct MxRecord {
  /// The lowest is to be used first.
  std::uint16_t preference = 0;
  /// The name of the host, without the dot at its end.
  std::string exchange;
  TimeToLive ttl{};
  friend bool operator==(const MxRecord&, const MxRecord&) = default;
};

/// What a domain has to say. Source: RFC 1035, 3.3.14
struct TxtRecord {
  /// The strings of one record, each of at most 255 bytes, which may be any.
  std::vector<std::string> strings;
  TimeToLive ttl{};

  /// The strings in one, as most uses of TXT take them.
  [[nodiscard]] std::string text() const;
  friend bool operator==(const TxtRecord&, const TxtRecord&) = default;
};

/// The name of an address. Source: RFC 1035, 3.3.12
struct PtrRecord {
  /// Without the dot at its end.
  std::string name;
  TimeToLive ttl{};
  friend bool operator==(const PtrRecord&, const PtrRecord&) = default;
};

}  // namespace weft
