// What the numbers in errno mean to whoever does not block.
#pragma once

#include <cerrno>
#include <system_error>

namespace weft::detail {

[[nodiscard]] inline std::error_code system_error(int code) noexcept {
  return {code, std::system_category()};
}

/// Nothing is wrong: it would block, or a signal came in between.
[[nodiscard]] inline bool try_again(int code) noexcept {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR;
}

}  // namespace weft::detail
