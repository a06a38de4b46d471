#include "generator_promise.hpp"

#include "../../census.hpp"
#include "../../error.hpp"
#include "../../logging.hpp"

#include <atomic>

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

void log_failed_closing(const Failure& failure) noexcept {
  if (failure.check<CancelledError>() != nullptr) return;
  census().unhandled_failures.fetch_add(1, std::memory_order_relaxed);
  log_failure("task", "A generator failed as it was closed because of another failure", failure);
}

}  // namespace weft::detail
