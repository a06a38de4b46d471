#include "network.hpp"

#include "detail/address_parts.hpp"

#include <charconv>
#include <utility>

namespace weft {

namespace {

int bits_in(const Address& address) noexcept {
  return address.family() == Address::Family::ipv4 ? 32 : 128;
}

bool bit(const Address& address, int index) noexcept {
  return (address.octets()[static_cast<std::size_t>(index / 8)] >> (7 - index % 8) & 1) != 0;
}

}  // namespace

std::optional<Network> Network::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto first = Address::parse(text.substr(0, slash), 0);
  // Peers over mapped addresses are IPv4 to us: a network of those would contain nobody.
  if (!first || detail::without_mapping(*first) != *first) return std::nullopt;
  int bits = bits_in(*first);
  if (slash != std::string_view::npos) {
    const auto given = text.substr(slash + 1);
    const auto* const end = given.data() + given.size();
    unsigned value = 0;
    const auto [stop, error] = std::from_chars(given.data(), end, value);
    if (error != std::errc() || stop != end || value > static_cast<unsigned>(bits)) {
      return std::nullopt;
    }
    bits = static_cast<int>(value);
  }
  for (int i = bits; i < bits_in(*first); ++i) {
    if (bit(*first, i)) return std::nullopt;
  }
  return Network(*std::move(first), bits);
}

bool Network::contains(const Address& address) const noexcept {
  if (address.family() != first_.family()) return false;
  for (int i = 0; i < bits_; ++i) {
    if (bit(address, i) != bit(first_, i)) return false;
  }
  return true;
}

std::string Network::text() const {
  return first_.host() + "/" + std::to_string(bits_);
}

}  // namespace weft
