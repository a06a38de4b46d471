#include "defer_later.hpp"

#include <memory>

namespace weft {

Deferred<void> defer_later(Clock& clock, Duration delay, SourceLocation where) {
  const auto call = std::make_shared<DelayedCall>();
  const auto promise = std::make_shared<Promise<void>>([call] { call->cancel_if_active(); }, where);
  *call = clock.call_later(
      delay, [promise] { promise->callback(); }, where);
  return promise->deferred();
}

}  // namespace weft
