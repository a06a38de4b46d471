// Text as Windows wants it, from UTF-8 and back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::detail {

/// Nothing for what is no UTF-8.
[[nodiscard]] std::optional<std::u16string> utf16_from(std::string_view text);
/// Half a pair, which Windows lets pass in names, becomes U+FFFD.
[[nodiscard]] std::string utf8_from(std::u16string_view text);

}  // namespace weft::detail
