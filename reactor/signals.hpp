// Signals of the system, as callbacks in the loop.
#pragma once

#include "../framework/reactor.hpp"

namespace weft {

/// Calls `callback` in the loop of `reactor`, once for each `signal` (SIGHUP, SIGUSR1, ...) that
/// the process is sent, until the watch is cancelled or dropped; then the signal does again what it
/// did before. A signal belongs to one watch of the process at a time. SIGINT and SIGTERM are the
/// reactor's while it runs, unless they are watched before or `set_stop_on_signals` said otherwise.
/// On Windows there are SIGINT, SIGBREAK and SIGTERM. Lifetime: signals that come after the end of
/// the reactor are lost, so drop the watch before. Errors: AlreadyWatchedError; InvalidArgument for
/// what is no signal or cannot be caught; NotSupportedOnThisPlatform; std::system_error.
[[nodiscard]] Watch on_signal(Reactor& reactor, int signal, Callback callback,
                              CallPlace where = SourceLocation::current());

}  // namespace weft
