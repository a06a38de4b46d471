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

}  // namespace weft::detail
