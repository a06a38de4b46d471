// A listening socket that somebody else opened and passed on.
#pragma once

#include "../../framework/address.hpp"
#include "../../framework/watch.hpp"

#ifdef _WIN32
#include "native_socket.hpp"
#else
#include "owned_descriptor.hpp"
#endif

namespace weft::detail {

#ifdef _WIN32
using PassedSocket = OwnedSocket;
#else
using PassedSocket = OwnedDescriptor;
#endif

struct PassedPort {
  PassedSocket descriptor;
  Address address;
};

/// Takes `listening`, which is closed when this throws. Errors: ListenError when it is no stream
/// socket that listens.
PassedPort passed_port(Descriptor listening);
#ifndef _WIN32
/// Another descriptor for what `listening` is, for `passed_port` to take. Errors: the same, and
/// when it cannot be copied.
OwnedDescriptor copy_of_port(int listening);
#endif

}  // namespace weft::detail
