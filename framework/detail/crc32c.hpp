// The checksum of Castagnoli's polynomial, as the PROXY protocol wants it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weft::detail {

/// Source: RFC 9260, appendix A.
[[nodiscard]] inline std::uint32_t crc32c(std::string_view bytes) noexcept {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> made{};
    for (std::uint32_t i = 0; i < made.size(); ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit)
        value = value >> 1 ^ ((value & 1) != 0 ? 0x82f63b78U : 0U);
      made[i] = value;
    }
    return made;
  }();
  std::uint32_t sum = 0xffffffffU;
  for (const char c : bytes)
    sum = sum >> 8 ^ table[(sum ^ static_cast<std::uint8_t>(c)) & 0xff];
  return ~sum;
}

}  // namespace weft::detail
