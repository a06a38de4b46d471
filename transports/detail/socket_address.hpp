// What the system says of a socket's ends, as addresses.
#pragma once

#include "../../framework/address.hpp"

#include <sys/socket.h>

namespace weft::detail {

/// An IPv4 address within an IPv6 one comes out as IPv4; a family that we do not know, as none.
Address to_address(const sockaddr_storage& storage, socklen_t size);

using AskForAddress = int (*)(int, sockaddr*, socklen_t*);
/// What `ask`, which is getsockname or getpeername, tells of a descriptor; none for what is no
/// socket.
Address address_of(AskForAddress ask, int descriptor);

}  // namespace weft::detail
