// What a DNS server answers, read from its bytes.
#pragma once

#include "../../framework/clock.hpp"
#include "../../framework/dns_records.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace weft::detail {

/// The types of records that are asked for. Source: RFC 1035, 3.2.2; RFC 2782; RFC 3596
enum class DnsType : std::uint16_t { a = 1, ptr = 12, mx = 15, txt = 16, aaaa = 28, srv = 33 };

[[nodiscard]] std::string_view dns_type_name(DnsType type) noexcept;

using DnsRecord = std::variant<AddressRecord, SrvRecord, MxRecord, TxtRecord, PtrRecord>;

/// Source: RFC 1035, 4.1.1
enum class DnsCode : std::uint8_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  no_such_name = 3,
  not_implemented = 4,
  refused = 5
};

struct DnsAnswer {
  DnsCode code = DnsCode::no_error;
  /// Those of the type that was asked for, whatever aliases led to them.
  std::vector<DnsRecord> records;
  /// How long it may be kept; nothing when it may not be. Of records it is the least TTL on the
  /// way to them, of none what RFC 2308 says.
  std::optional<TimeToLive> ttl;
  /// Who said so, and when.
  Address server;
  TimePoint came{};
};

/// Reads the answer to a question for `type` of `name`, which is lower case and has no dot at its
/// end. Nothing when it is malformed or cut short.
[[nodiscard]] std::optional<DnsAnswer> read_dns_answer(std::span<const std::uint8_t> message,
                                                       std::string_view name, DnsType type);

}  // namespace weft::detail
