// Opens a TCP port, or takes one that is open: the address, its options, and what is wrong with
// them.
#pragma once

#include "../../framework/reactor.hpp"
#include "asio.hpp"
#ifdef __linux__
#include "passed_port.hpp"
#endif

namespace weft::detail::WEFT_BACKEND {

/// Binds `acceptor` and has it listen; gives the address that came of it. What it accepts inherits
/// nothing but what the system says. Errors: AddressInUse, ListenError; it is closed then.
Address open_port(Tcp::acceptor& acceptor, Port port, const ListenOptions& options);

#ifdef __linux__
/// Has `acceptor` take a socket that listens already.
void adopt_port(Tcp::acceptor& acceptor, PassedPort port);
#endif

}  // namespace weft::detail::WEFT_BACKEND
