#include "gather.hpp"

#include <string>

namespace weft {

FirstError::FirstError(std::size_t index, Failure failure)
    : Error("Operation " + std::to_string(index) +
            " of those gathered failed first: " + failure.message()),
      index_(index),
      failure_(std::move(failure)) {}

}  // namespace weft
