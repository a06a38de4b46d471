#include "utf16.hpp"

#include <cstddef>
#include <cstdint>

namespace weft::detail {

namespace {

constexpr std::uint32_t replacement = 0xFFFD;
constexpr std::uint32_t first_pair = 0x10000;
constexpr std::uint32_t last_point = 0x10FFFF;

constexpr bool is_half(std::uint32_t point) noexcept {
  return point >= 0xD800 && point <= 0xDFFF;
}
constexpr bool is_first_half(std::uint32_t point) noexcept {
  return point >= 0xD800 && point <= 0xDBFF;
}
constexpr bool is_second_half(std::uint32_t point) noexcept {
  return point >= 0xDC00 && point <= 0xDFFF;
}

// How a sequence begins, by its first byte.
struct Lead {
  std::size_t more;
  std::uint32_t bits;
  std::uint32_t least;
};

std::optional<Lead> lead_of(unsigned char byte) noexcept {
  if (byte < 0x80) return Lead{0, byte, 0};
  if (byte >= 0xC2 && byte < 0xE0) return Lead{1, byte & 0x1FU, 0x80};
  if (byte >= 0xE0 && byte < 0xF0) return Lead{2, byte & 0x0FU, 0x800};
  if (byte >= 0xF0 && byte < 0xF5) return Lead{3, byte & 0x07U, first_pair};
  return std::nullopt;
}

// The next code point, which is taken from `text`.
std::optional<std::uint32_t> take_point(std::string_view& text) noexcept {
  const auto lead = lead_of(static_cast<unsigned char>(text.front()));
  if (!lead || text.size() <= lead->more) return std::nullopt;
  auto point = lead->bits;
  for (std::size_t i = 1; i <= lead->more; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0U) != 0x80U) return std::nullopt;
    point = point << 6 | (byte & 0x3FU);
  }
  if (point < lead->least || point > last_point || is_half(point)) return std::nullopt;
  text.remove_prefix(lead->more + 1);
  return point;
}

void append(std::u16string& to, std::uint32_t point) {
  if (point < first_pair) {
    to += static_cast<char16_t>(point);
    return;
  }
  point -= first_pair;
  to += static_cast<char16_t>(0xD800 + (point >> 10));
  to += static_cast<char16_t>(0xDC00 + (point & 0x3FFU));
}

void append(std::string& to, std::uint32_t point) {
  const auto last = [point](int shift) {
    return static_cast<char>(0x80U | ((point >> shift) & 0x3FU));
  };
  if (point < 0x80) {
    to += static_cast<char>(point);
  } else if (point < 0x800) {
    to += static_cast<char>(0xC0U | point >> 6);
    to += last(0);
  } else if (point < first_pair) {
    to += static_cast<char>(0xE0U | point >> 12);
    to += {last(6), last(0)};
  } else {
    to += static_cast<char>(0xF0U | point >> 18);
    to += {last(12), last(6), last(0)};
  }
}

}  // namespace

std::optional<std::u16string> utf16_from(std::string_view text) {
  std::u16string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto point = take_point(text);
    if (!point) return std::nullopt;
    append(result, *point);
  }
  return result;
}

std::string utf8_from(std::u16string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint32_t point = text[i];
    if (is_first_half(point) && i + 1 < text.size() && is_second_half(text[i + 1])) {
      point = first_pair + ((point & 0x3FFU) << 10 | (text[++i] & 0x3FFU));
    } else if (is_half(point)) {
      point = replacement;
    }
    append(result, point);
  }
  return result;
}

}  // namespace weft::detail
