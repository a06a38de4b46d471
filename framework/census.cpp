#include "census.hpp"

namespace weft {

Census& census() noexcept {
  static Census counts;
  return counts;
}

}  // namespace weft
