#include "address.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

namespace weft {
namespace {

constexpr std::size_t groups_in_ipv6 = 8;
// What the names of named pipes begin with.
constexpr std::string_view pipe_prefix = R"(\\.\pipe\)";

using Octets = std::array<std::uint8_t, 16>;
using Groups = std::array<std::uint16_t, groups_in_ipv6>;

/// The number that is the whole of `text`, in at most `max_digits` digits.
std::optional<std::uint32_t> whole_number(std::string_view text, int base, std::size_t max_digits) {
  std::uint32_t value = 0;
  if (text.empty() || text.size() > max_digits) return std::nullopt;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// Dotted decimal of exactly four parts; leading zeros are refused, since some read them as octal.
std::optional<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) {
  std::array<std::uint8_t, 4> octets{};
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const auto dot = text.find('.');
    const bool last = i + 1 == octets.size();
    if ((dot == std::string_view::npos) != last) return std::nullopt;
    const auto part = text.substr(0, dot);
    const auto value = whole_number(part, 10, 3);
    if (!value || *value > 255 || (part.size() > 1 && part[0] == '0')) return std::nullopt;
    octets[i] = static_cast<std::uint8_t>(*value);
    if (!last) text.remove_prefix(dot + 1);
  }
  return octets;
}

/// Reads groups divided by colons into `groups` from `count` on; the last may be an IPv4 address
/// where `ends_address` says that the address ends here.
bool parse_groups(std::string_view text, bool ends_address, Groups& groups, std::size_t& count) {
  while (!text.empty()) {
    const auto colon = text.find(':');
    const auto part = text.substr(0, colon);
    const bool last = colon == std::string_view::npos;
    if (last && ends_address && part.find('.') != std::string_view::npos) {
      const auto octets = parse_ipv4(part);
      if (!octets || count + 2 > groups.size()) return false;
      const auto& o = *octets;
      groups[count++] = static_cast<std::uint16_t>(o[0] << 8 | o[1]);
      groups[count++] = static_cast<std::uint16_t>(o[2] << 8 | o[3]);
      return true;
    }
    const auto value = whole_number(part, 16, 4);
    if (!value || count == groups.size()) return false;
    groups[count++] = static_cast<std::uint16_t>(*value);
    if (last) return true;
    text.remove_prefix(colon + 1);
    if (text.empty()) return false;
  }
  return true;
}

std::optional<Octets> parse_ipv6(std::string_view text) {
  Groups groups{};
  std::size_t count = 0;
  const auto gap = text.find("::");
  if (gap == std::string_view::npos) {
    if (!parse_groups(text, true, groups, count) || count != groups.size()) return std::nullopt;
  } else {
    Groups tail{};
    std::size_t in_tail = 0;
    if (!parse_groups(text.substr(0, gap), false, groups, count) ||
        !parse_groups(text.substr(gap + 2), true, tail, in_tail) ||
        count + in_tail >= groups.size()) {
      return std::nullopt;
    }
    std::copy_n(tail.begin(), in_tail, groups.end() - static_cast<std::ptrdiff_t>(in_tail));
  }
  Octets octets{};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    octets[2 * i] = static_cast<std::uint8_t>(groups[i] >> 8);
    octets[2 * i + 1] = static_cast<std::uint8_t>(groups[i] & 0xff);
  }
  return octets;
}

std::string ipv4_text(const std::uint8_t* octets) {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) text += '.';
    text += std::to_string(octets[i]);
  }
  return text;
}

/// The first longest run of two or more zero groups: where it starts and how long it is, zero when
/// there is none.
std::pair<std::size_t, std::size_t> longest_zero_run(const Groups& groups) {
  std::size_t best_start = 0;
  std::size_t best_length = 1;
  for (std::size_t i = 0; i < groups.size();) {
    std::size_t end = i;
    while (end < groups.size() && groups[end] == 0)
      ++end;
    if (end - i > best_length) {
      best_start = i;
      best_length = end - i;
    }
    i = end + 1;
  }
  if (best_length < 2) return {};
  return {best_start, best_length};
}

bool ipv4_mapped(const Octets& octets) {
  return std::all_of(octets.begin(), octets.begin() + 10, [](auto octet) { return octet == 0; }) &&
         octets[10] == 0xff && octets[11] == 0xff;
}

std::string ipv6_text(const Octets& octets) {
  if (ipv4_mapped(octets)) return "::ffff:" + ipv4_text(octets.data() + 12);
  Groups groups{};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i] = static_cast<std::uint16_t>(octets[2 * i] << 8 | octets[2 * i + 1]);
  }
  const auto run = longest_zero_run(groups);
  std::string text;
  for (std::size_t i = 0; i < groups.size();) {
    if (run.second > 0 && i == run.first) {
      text += "::";
      i += run.second;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    char digits[4];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, groups[i], 16).ptr);
    ++i;
  }
  return text;
}

}  // namespace

Address Address::ipv4(const std::array<std::uint8_t, 4>& octets, Port port) {
  Address address;
  address.family_ = Family::ipv4;
  address.port_ = port;
  std::copy(octets.begin(), octets.end(), address.octets_.begin());
  return address;
}

Address Address::ipv6(const std::array<std::uint8_t, 16>& octets, Port port,
                      std::uint32_t scope_id) {
  Address address;
  address.family_ = Family::ipv6;
  address.port_ = port;
  address.scope_id_ = scope_id;
  address.octets_ = octets;
  return address;
}

Address Address::unix_socket(std::string path) {
  Address address;
  address.family_ = Family::unix_socket;
  address.path_ = std::move(path);
  return address;
}

std::optional<Address> Address::parse(std::string_view host, Port port) {
  if (const auto octets = parse_ipv4(host)) return ipv4(*octets, port);
  std::uint32_t scope_id = 0;
  if (const auto percent = host.find('%'); percent != std::string_view::npos) {
    const auto scope = whole_number(host.substr(percent + 1), 10, 10);
    if (!scope) return std::nullopt;
    scope_id = *scope;
    host = host.substr(0, percent);
  }
  if (const auto octets = parse_ipv6(host)) return ipv6(*octets, port, scope_id);
  return std::nullopt;
}

std::string Address::host() const {
  switch (family_) {
    case Family::none:
      return {};
    case Family::ipv4:
      return ipv4_text(octets_.data());
    case Family::ipv6:
      return scope_id_ == 0 ? ipv6_text(octets_)
                            : ipv6_text(octets_) + '%' + std::to_string(scope_id_);
    case Family::unix_socket:
      return path_;
  }
  return {};
}

std::string Address::text() const {
  switch (family_) {
    case Family::none:
      return "none";
    case Family::ipv4:
      return host() + ':' + std::to_string(port_);
    case Family::ipv6:
      return '[' + host() + "]:" + std::to_string(port_);
    case Family::unix_socket:
      if (path_.starts_with(pipe_prefix)) return "pipe:" + path_.substr(pipe_prefix.size());
      return !path_.empty() && path_[0] == '\0' ? "unix:@" + path_.substr(1) : "unix:" + path_;
  }
  return {};
}

}  // namespace weft

std::size_t std::hash<weft::Address>::operator()(const weft::Address& address) const noexcept {
  // FNV-1a, which spreads neighbouring addresses and ports well enough for a table.
  std::uint64_t sum = 14695981039346656037ULL;
  const auto mix = [&sum](std::uint64_t octet) { sum = (sum ^ octet) * 1099511628211ULL; };
  mix(static_cast<std::uint64_t>(address.family()));
  mix(address.port() & 0xffU);
  mix(address.port() >> 8U);
  mix(address.scope_id());
  for (const auto octet : address.octets())
    mix(octet);
  for (const char c : address.path())
    mix(static_cast<unsigned char>(c));
  return static_cast<std::size_t>(sum);
}
