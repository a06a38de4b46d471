// A connection with a program: what it writes is received, and what is written it reads.
#pragma once

#include "../framework/process.hpp"
#include "../framework/protocol.hpp"
#include "../framework/reactor.hpp"

#include <memory>

namespace weft {

/// Runs a program and gives `protocol` a connection over its standard input and output, or over its
/// terminal where the options ask for one. Ending our direction closes its standard input; losing
/// the connection closes both, and ends a program that has not gone by itself within the options'
/// `grace`; aborting kills it. `connection_lost` comes once the connection is closed and the
/// program is gone: with ConnectionDone when both went in order and it exited with 0, and with
/// ProcessFailed when it did not; otherwise with what broke the connection.
///
/// Descriptors 0 and 1 of the options are not looked at. What comes from descriptor 2 is logged
/// line by line when it is ChildDescriptor::from_child(), as it is unless set; ChildDescriptor has
/// other places for it: `null()`, `same_as(1)`, `descriptor(2)`.
/// Errors: SpawnError, InvalidArgument, NotSupportedOnThisPlatform; thrown at once.
std::shared_ptr<Process> spawn_stream(Reactor& reactor, ProcessOptions options,
                                      std::shared_ptr<Protocol> protocol);

/// Runs a program as `spawn_stream` does, for a protocol that `factory` builds; fires once its
/// `connection_made` has returned, as `Reactor::connect_tcp` does. Cancelling it runs nothing.
/// Errors, of the deferred alone: SpawnError, InvalidArgument, NotSupportedOnThisPlatform,
/// NoProtocol, ConnectingCancelled, or what `connection_made` threw.
Deferred<std::shared_ptr<Protocol>> connect_process(Reactor& reactor, ProcessOptions options,
                                                    std::shared_ptr<Factory> factory);

}  // namespace weft
