// The list of tasks, printed when the process is sent a signal.
#pragma once

#include "../framework/reactor.hpp"

namespace weft {

/// Logs `dump_tasks(reactor)`, from the loop, each time the process is sent `signal` (SIGUSR1,
/// say), until the watch is cancelled or dropped. Errors: those of `on_signal`.
[[nodiscard]] Watch dump_tasks_on_signal(Reactor& reactor, int signal,
                                         CallPlace where = SourceLocation::current());

}  // namespace weft
