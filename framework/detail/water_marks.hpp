// What the marks of a buffer must be like.
#pragma once

#include "../error.hpp"

#include <cstddef>
#include <string>

namespace weft::detail {

/// Errors: InvalidArgument when `low` is above `high`.
inline void check_water_marks(std::size_t high, std::size_t low) {
  if (low <= high) return;
  throw InvalidArgument("The low-water mark (" + std::to_string(low) +
                        " bytes) is above the high-water mark (" + std::to_string(high) +
                        "); give the high one first.");
}

}  // namespace weft::detail
