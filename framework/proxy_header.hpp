// What a proxy says of the connection that it passes on: the PROXY protocol's header, read and
// written.
#pragma once

#include "address.hpp"
#include "bytes.hpp"
#include "error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// What a peer sent is no PROXY header, or one that cannot be believed.
class ProxyError : public ProtocolError {
 public:
  using ProtocolError::ProtocolError;
};

/// What version 2 may add to the addresses. Source: the PROXY protocol, 2.2.
struct ProxyField {
  static constexpr std::uint8_t alpn = 0x01;
  static constexpr std::uint8_t authority = 0x02;
  static constexpr std::uint8_t crc32c = 0x03;
  static constexpr std::uint8_t unique_id = 0x05;
  static constexpr std::uint8_t ssl = 0x20;

  std::uint8_t type = 0;
  std::string value;

  friend bool operator==(const ProxyField&, const ProxyField&) = default;
};

/// A connection as its proxy knows it. Source: haproxy.org, "The PROXY protocol", versions 1 and 2.
struct ProxyHeader {
  /// The ends of the connection between the client and the proxy; none where the proxy talks for
  /// itself (UNKNOWN, LOCAL), as it does to see whether we live. Both are of one family, but that
  /// an IPv4 address that was sent as a mapped one is IPv4 here.
  Address source;
  Address destination;
  /// In the order in which they were sent, without the checksum. Version 2 only.
  std::vector<ProxyField> fields;

  /// The value of the first field of that type, or nothing.
  [[nodiscard]] std::optional<std::string_view> field(std::uint8_t type) const noexcept;

  /// The line of version 1. UNIX sockets are UNKNOWN to it, and fields are left out.
  /// Errors: InvalidArgument for two families.
  [[nodiscard]] std::string version_1() const;
  /// The bytes of version 2, with a checksum. Errors: InvalidArgument for two families, for
  /// paths longer than 108 bytes, and for fields longer than the header can be.
  [[nodiscard]] std::string version_2() const;

  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

/// Reads one header of either version, however it is cut.
class ProxyHeaderParser {
 public:
  /// Room for addresses and a few fields; a client's certificate may need more.
  static constexpr std::size_t default_max_bytes = 4096;

  /// `max_bytes` is of a whole header of version 2; that of version 1 has at most 107.
  explicit ProxyHeaderParser(std::size_t max_bytes = default_max_bytes) noexcept;

  /// Reads on; gives how many of the bytes belong to the header, which is all of them until it is
  /// whole. Errors: ProxyError, as soon as the bytes can be no header; nothing is read after that.
  std::size_t read(BytesView data);
  [[nodiscard]] bool whole() const noexcept { return header_.has_value(); }
  /// The header, once it is whole.
  [[nodiscard]] const ProxyHeader& header() const { return header_.value(); }

 private:
  [[nodiscard]] std::size_t wanted() const;
  void check_beginning() const;
  [[nodiscard]] bool version_2() const noexcept { return bytes_.front() == '\r'; }

  std::size_t max_bytes_;
  std::string bytes_;
  std::optional<ProxyHeader> header_;
};

}  // namespace weft
