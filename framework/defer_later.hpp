// A deferred that fires when some time has passed.
#pragma once

#include "clock.hpp"
#include "deferred.hpp"
#include "source_location.hpp"

namespace weft {

/// Fires after `delay`; cancelling it removes the call from the clock. Errors: InvalidArgument for
/// a negative delay.
Deferred<void> defer_later(Clock& clock, Duration delay,
                           SourceLocation where = SourceLocation::current());

}  // namespace weft
