// Opens a TCP port: the address, its options, and what is wrong with them.
#pragma once

#include "../../framework/reactor.hpp"
#include "passed_port.hpp"

namespace weft::detail {

/// A socket that listens, and the address that came of it. What it accepts sends without Nagle's
/// delay, and inherits nothing else but what the system says. Thread: any. Errors: AddressInUse,
/// ListenError.
[[nodiscard]] PassedPort open_tcp_port(Port port, const ListenOptions& options);

}  // namespace weft::detail
