#include "proxy_header.hpp"

#include "detail/address_parts.hpp"
#include "detail/crc32c.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace weft {

namespace {

using Family = Address::Family;

constexpr std::string_view signature_1 = "PROXY ";
constexpr std::string_view signature_2("\r\n\r\n\0\r\nQUIT\n", 12);
// The longest line: two IPv6 addresses and two ports.
constexpr std::size_t max_line = 107;
constexpr std::size_t fixed_size = 16;
constexpr std::size_t unix_path_size = 108;
constexpr std::size_t checksum_size = 4;

enum Command : std::uint8_t { local = 0, proxy = 1 };
// Family in the upper half, transport in the lower.
enum Carrier : std::uint8_t { unspecified = 0x00, tcp4 = 0x11, tcp6 = 0x21, unix_stream = 0x31 };

// What a peer sent, fit for a message.
std::string quoted(std::string_view text) {
  std::string shown = "\"";
  for (const char c : text)
    shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + "\"";
}

[[noreturn]] void refuse(const std::string& why) {
  throw ProxyError("What was sent is no PROXY header: " + why +
                   " Check that the peer is a proxy that sends one.");
}

std::uint8_t byte_at(std::string_view text, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(text[at]);
}

std::uint16_t number_at(std::string_view text, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(byte_at(text, at) << 8 | byte_at(text, at + 1));
}

void put_number(std::string& text, std::size_t value) {
  text += static_cast<char>(value >> 8 & 0xff);
  text += static_cast<char>(value & 0xff);
}

// ---- version 1

std::string_view next_word(std::string_view& line) {
  const auto space = line.find(' ');
  const auto word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

Port port_from(std::string_view word) {
  Port port = 0;
  const auto* const end = word.data() + word.size();
  const auto [stop, error] = std::from_chars(word.data(), end, port);
  const bool leading_zero = word.size() > 1 && word.front() == '0';
  if (error != std::errc() || stop != end || leading_zero) {
    refuse(quoted(word) + " is no port.");
  }
  return port;
}

// A dual-stack proxy writes IPv4 addresses into IPv6 ones; whoever holds lists of them means the
// same.
Address as_meant(const Address& address) {
  return detail::without_mapping(address);
}

Address address_from(std::string_view word, Family family) {
  const auto address = Address::parse(word, 0);
  if (!address || address->family() != family || address->scope_id() != 0) {
    refuse(quoted(word) + " is no address of the family that it names.");
  }
  return *address;
}

// `line` is without its ending.
ProxyHeader parse_line(std::string_view line) {
  line.remove_prefix(signature_1.size());
  // Every byte but the words and their single spaces is one too many.
  const bool trailing = line.ends_with(' ');
  const auto protocol = next_word(line);
  if (protocol == "UNKNOWN") return {};
  if (protocol != "TCP4" && protocol != "TCP6") {
    refuse("its protocol is none of TCP4, TCP6 and UNKNOWN.");
  }
  const auto family = protocol == "TCP4" ? Family::ipv4 : Family::ipv6;
  const auto source = address_from(next_word(line), family);
  const auto destination = address_from(next_word(line), family);
  const auto source_port = port_from(next_word(line));
  const auto destination_port = port_from(next_word(line));
  if (!line.empty() || trailing) refuse("it goes on behind its last port.");
  return {as_meant(detail::with_port(source, source_port)),
          as_meant(detail::with_port(destination, destination_port)),
          {}};
}

// ---- version 2

Address unix_address(std::string_view room) {
  // A path ends with the first NUL, an abstract name begins with one and ends with the last.
  const bool abstract = room.front() == '\0';
  const auto last = room.find_last_not_of('\0');
  const auto end = abstract ? (last == std::string_view::npos ? 0 : last + 1) : room.find('\0');
  return Address::unix_socket(std::string(room.substr(0, end)));
}

Address ip_address(std::string_view room, std::size_t size, Port port) {
  std::array<std::uint8_t, 16> octets{};
  std::copy_n(room.begin(), size, octets.begin());
  if (size == octets.size()) return as_meant(Address::ipv6(octets, port));
  return Address::ipv4({octets[0], octets[1], octets[2], octets[3]}, port);
}

// Takes both addresses from the beginning of `block`.
void take_addresses(ProxyHeader& header, std::uint8_t carrier, std::string_view& block) {
  std::size_t size = 0;
  switch (carrier) {
    case unspecified:
      // Its fields mean nothing without addresses.
      block = {};
      return;
    case tcp4:
      size = 4;
      break;
    case tcp6:
      size = 16;
      break;
    case unix_stream:
      size = unix_path_size;
      break;
    default:
      refuse("it is for a carrier that is no stream (" + std::to_string(carrier) + ").");
  }
  const bool ports = carrier != unix_stream;
  const auto whole = 2 * size + (ports ? 4 : 0);
  if (block.size() < whole) refuse("it is too short for its addresses.");
  if (ports) {
    header.source = ip_address(block, size, number_at(block, 2 * size));
    header.destination = ip_address(block.substr(size), size, number_at(block, 2 * size + 2));
  } else {
    header.source = unix_address(block.substr(0, size));
    header.destination = unix_address(block.substr(size, size));
  }
  block.remove_prefix(whole);
}

// The checksum is of the whole header with zeros in its place.
void check_sum(std::string_view header, std::size_t at) {
  std::uint32_t told = 0;
  for (std::size_t i = 0; i < checksum_size; ++i)
    told = told << 8 | byte_at(header, at + i);
  std::string zeroed(header);
  std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(at), checksum_size, '\0');
  if (detail::crc32c(zeroed) != told) refuse("its checksum is wrong.");
}

void take_fields(ProxyHeader& header, std::string_view block, std::string_view whole) {
  while (!block.empty()) {
    if (block.size() < 3) refuse("it ends within a field.");
    const auto type = byte_at(block, 0);
    const std::size_t size = number_at(block, 1);
    block.remove_prefix(3);
    if (block.size() < size) refuse("a field is longer than the header.");
    if (type == ProxyField::crc32c) {
      if (size != checksum_size) refuse("its checksum is not four bytes long.");
      check_sum(whole, static_cast<std::size_t>(block.data() - whole.data()));
    } else if (constexpr std::uint8_t padding = 0x04; type != padding) {
      header.fields.push_back({type, std::string(block.substr(0, size))});
    }
    block.remove_prefix(size);
  }
}

ProxyHeader parse_block(std::string_view whole) {
  ProxyHeader header;
  const auto command = static_cast<std::uint8_t>(byte_at(whole, 12) & 0x0f);
  if (command == local) return header;
  auto block = whole.substr(fixed_size);
  take_addresses(header, byte_at(whole, 13), block);
  take_fields(header, block, whole);
  return header;
}

// ---- writing

Family family_of(const ProxyHeader& header) {
  const auto family = header.source.family();
  for (const Address* const address : {&header.source, &header.destination}) {
    if (address->path().size() > unix_path_size) {
      throw InvalidArgument("A PROXY header holds paths of at most 108 bytes; \"" +
                            address->text() + "\" is longer.");
    }
  }
  if (header.destination.family() != family) {
    throw InvalidArgument("A PROXY header has " + header.source.text() + " and " +
                          header.destination.text() + "; give two addresses of one family.");
  }
  return family;
}

void put_address(std::string& block, const Address& address) {
  if (address.family() == Family::unix_socket) {
    auto path = address.path();
    path.resize(unix_path_size, '\0');
    block += path;
    return;
  }
  const auto size = address.family() == Family::ipv4 ? 4 : 16;
  block.append(reinterpret_cast<const char*>(address.octets().data()), size);
}

std::uint8_t carrier_of(Family family) noexcept {
  switch (family) {
    case Family::ipv4:
      return tcp4;
    case Family::ipv6:
      return tcp6;
    case Family::unix_socket:
      return unix_stream;
    default:
      return unspecified;
  }
}

void put_field(std::string& block, std::uint8_t type, std::string_view value) {
  block += static_cast<char>(type);
  put_number(block, value.size());
  block += value;
}

}  // namespace

// ---- the header

std::optional<std::string_view> ProxyHeader::field(std::uint8_t type) const noexcept {
  for (const ProxyField& field : fields) {
    if (field.type == type) return field.value;
  }
  return std::nullopt;
}

std::string ProxyHeader::version_1() const {
  const auto family = family_of(*this);
  if (family != Family::ipv4 && family != Family::ipv6) return "PROXY UNKNOWN\r\n";
  // A scope means nothing elsewhere.
  const auto plain = [family](const Address& address) {
    return family == Family::ipv6 ? Address::ipv6(address.octets(), 0).host() : address.host();
  };
  return std::string(signature_1) + (family == Family::ipv4 ? "TCP4 " : "TCP6 ") + plain(source) +
         " " + plain(destination) + " " + std::to_string(source.port()) + " " +
         std::to_string(destination.port()) + "\r\n";
}

std::string ProxyHeader::version_2() const {
  const auto family = family_of(*this);
  const auto carrier = carrier_of(family);
  std::string block;
  if (carrier != unspecified) {
    put_address(block, source);
    put_address(block, destination);
    if (carrier != unix_stream) {
      put_number(block, source.port());
      put_number(block, destination.port());
    }
    for (const ProxyField& field : fields) {
      // The checksum is ours to make.
      if (field.type != ProxyField::crc32c) put_field(block, field.type, field.value);
    }
  }
  put_field(block, ProxyField::crc32c, std::string(checksum_size, '\0'));
  const bool too_long = std::any_of(fields.begin(), fields.end(),
                                    [](const auto& field) { return field.value.size() > 0xffff; });
  if (block.size() > 0xffff || too_long) {
    throw InvalidArgument(
        "The fields of a PROXY header take more than 65,535 bytes; leave some "
        "out.");
  }
  std::string whole(signature_2);
  whole += static_cast<char>(0x20 | (carrier == unspecified ? local : proxy));
  whole += static_cast<char>(carrier);
  put_number(whole, block.size());
  whole += block;
  const auto sum = detail::crc32c(whole);
  for (std::size_t i = 0; i < checksum_size; ++i) {
    whole[whole.size() - checksum_size + i] = static_cast<char>(sum >> (24 - 8 * i) & 0xff);
  }
  return whole;
}

// ---- the parser

ProxyHeaderParser::ProxyHeaderParser(std::size_t max_bytes) noexcept : max_bytes_(max_bytes) {}

std::size_t ProxyHeaderParser::read(BytesView data) {
  std::size_t used = 0;
  while (!whole() && used < data.size()) {
    const auto part = data.text().substr(used, bytes_.empty() ? 1 : wanted() - bytes_.size());
    bytes_ += part;
    used += part.size();
    check_beginning();
    if (bytes_.size() < wanted()) continue;
    header_ = version_2() ? parse_block(bytes_)
                          : parse_line(std::string_view(bytes_).substr(0, bytes_.size() - 2));
  }
  return used;
}

// How long the header is at least, as far as can be told.
std::size_t ProxyHeaderParser::wanted() const {
  if (!version_2()) {
    if (bytes_.ends_with("\r\n")) return bytes_.size();
    return bytes_.size() + 1;
  }
  if (bytes_.size() < fixed_size) return fixed_size;
  return fixed_size + number_at(bytes_, 14);
}

void ProxyHeaderParser::check_beginning() const {
  const auto signature = bytes_.front() == '\r' ? signature_2 : signature_1;
  const auto seen = std::min(bytes_.size(), signature.size());
  if (std::string_view(bytes_).substr(0, seen) != signature.substr(0, seen)) {
    refuse("it does not begin as one.");
  }
  if (!version_2()) {
    const bool ends = bytes_.ends_with("\r\n");
    if (!ends && bytes_.size() >= max_line) refuse("its line is longer than 107 bytes.");
    const auto end = bytes_.find('\n');
    if (end != std::string::npos && !ends) refuse("its line ends without a carriage return.");
    return;
  }
  if (bytes_.size() > 12 &&
      (byte_at(bytes_, 12) >> 4 != 2 || (byte_at(bytes_, 12) & 0x0f) > proxy)) {
    refuse("its version and command are unknown.");
  }
  if (bytes_.size() >= fixed_size && wanted() > max_bytes_) {
    refuse("it is " + std::to_string(wanted()) + " bytes long, where " +
           std::to_string(max_bytes_) + " are allowed.");
  }
}

}  // namespace weft
