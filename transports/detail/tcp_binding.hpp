// Opens a TCP port, or takes one that is open: the address, its options, and what is wrong with
// them.
#pragma once

#include "../../framework/reactor.hpp"
#include "asio.hpp"
#if defined(__linux__) || defined(_WIN32)
#include "passed_port.hpp"
#endif

namespace weft::detail::WEFT_BACKEND {

/// Binds `acceptor` and has it listen; gives the address that came of it. What it accepts inherits
/// nothing but what the system says. Errors: AddressInUse, ListenError; it is closed then.
Address open_port(Tcp::acceptor& acceptor, Port port, const ListenOptions& options);

#if defined(__linux__) || defined(_WIN32)
/// Has `acceptor` take a socket that listens already.
void adopt_port(Tcp::acceptor& acceptor, PassedPort port);
#endif

}  // namespace weft::detail::WEFT_BACKEND
