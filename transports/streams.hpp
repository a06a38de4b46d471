// Connections over descriptors that are there already: sockets, pipes, terminals, standard input
// and output.
#pragma once

#include "../framework/protocol.hpp"
#include "../framework/reactor.hpp"

#include <memory>

namespace weft {

/// Gives `protocol` a connection over `descriptor`, which is a connected socket or a terminal. The
/// descriptor is the connection's from now on, and closed with it; it does not block meanwhile.
/// `connection_made` is called before this returns. What the loop cannot watch, such as a file on
/// epoll, loses the connection with InvalidArgument. Errors: InvalidArgument when it is no
/// descriptor, or there is no protocol; it is closed then. NotSupportedOnThisPlatform.
void adopt_stream(Reactor& reactor, Descriptor descriptor, std::shared_ptr<Protocol> protocol);
/// The same over two, such as the ends of two pipes: what `input` gives is received, and what is
/// written goes to `output`. Ending our direction closes `output`.
void adopt_pipes(Reactor& reactor, Descriptor input, Descriptor output,
                 std::shared_ptr<Protocol> protocol);
/// The same over standard input and output, or copies of them: closing the connection leaves the
/// program's own open, though input that was read is gone.
void open_stdio(Reactor& reactor, std::shared_ptr<Protocol> protocol);

/// A port whose one connection is over standard input and output: has `factory` build a protocol
/// for it, and then listens no more. Errors: NotSupportedOnThisPlatform.
ListeningPort listen_stdio(Reactor& reactor, std::shared_ptr<Factory> factory);

}  // namespace weft
