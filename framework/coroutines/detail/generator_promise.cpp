#include "generator_promise.hpp"

namespace weft::detail {

void refuse_busy_generator() {
  throw GeneratorBusy(
      "A generator was asked for its next value while it runs; await one after the other.");
}

void refuse_moved_generator() {
  throw AlreadyCalledError("This generator was moved away; use the one that it was moved to.");
}

void refuse_yield_of_closed_generator() {
  throw InvalidArgument(
      "A generator that was closed went on to yield; let the CancelledError leave it.");
}

}  // namespace weft::detail
