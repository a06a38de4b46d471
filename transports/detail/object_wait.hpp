// Waiting for an object of Windows, such as a process, inside a loop on IOCP.
#pragma once

#include "../../framework/reactor.hpp"
#include "owned_handle.hpp"

namespace weft::detail::iocp {

class AsioLoop;

/// Calls `signalled` once, when the object is. Errors: std::system_error.
[[nodiscard]] Watch wait_for_object(AsioLoop& loop, OwnedHandle object, Callback signalled);

}  // namespace weft::detail::iocp
