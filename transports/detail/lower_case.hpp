// Names of hosts as they are compared.
#pragma once

#include <string>
#include <string_view>

namespace weft::detail {

/// Letters of ASCII in lower case; names do not differ by it (RFC 4343).
[[nodiscard]] inline std::string lower_case(std::string_view name) {
  std::string lower(name);
  for (auto& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

}  // namespace weft::detail
