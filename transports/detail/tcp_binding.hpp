// Opens a TCP port: the address, its options, and what is wrong with them.
#pragma once

#include "../../framework/reactor.hpp"
#include "asio.hpp"

namespace weft::detail::WEFT_BACKEND {

/// Binds `acceptor` and has it listen; gives the address that came of it. What it accepts inherits
/// nothing but what the system says. Errors: AddressInUse, ListenError; it is closed then.
Address open_port(Tcp::acceptor& acceptor, Port port, const ListenOptions& options);

}  // namespace weft::detail::WEFT_BACKEND
