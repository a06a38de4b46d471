// Waiting for time to pass.
#pragma once

#include "../clock.hpp"
#include "../deferred.hpp"
#include "../source_location.hpp"

namespace weft {

/// Fires after `delay`; cancelling it removes the call from the clock. Errors: InvalidArgument for
/// a negative delay.
[[nodiscard]] Deferred<void> sleep(Clock& clock, Duration delay,
                                   SourceLocation where = SourceLocation::current());
/// The same by the clock of `Reactor::current()`. Errors: NoReactorError where no reactor runs.
[[nodiscard]] Deferred<void> sleep(Duration delay,
                                   SourceLocation where = SourceLocation::current());

}  // namespace weft
