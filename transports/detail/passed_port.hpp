// A listening socket that somebody else opened and passed on.
#pragma once

#include "../../framework/address.hpp"
#include "../../framework/watch.hpp"
#include "owned_descriptor.hpp"

namespace weft::detail {

struct PassedPort {
  OwnedDescriptor descriptor;
  Address address;
};

/// Takes `listening`, which is closed when this throws. Errors: ListenError when it is no stream
/// socket that listens.
PassedPort passed_port(Descriptor listening);
/// Another descriptor for what `listening` is, for `passed_port` to take. Errors: the same, and
/// when it cannot be copied.
OwnedDescriptor copy_of_port(int listening);

}  // namespace weft::detail
