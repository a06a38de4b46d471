// Ports for datagrams on an Asio loop.
#pragma once

#include "asio_loop.hpp"
#include "datagram_port.hpp"

#include <memory>

namespace weft::detail::WEFT_BACKEND {

/// One that is not open yet, and waits in the way that is best on this loop.
/// Errors: InvalidArgument for options that make no sense.
[[nodiscard]] std::shared_ptr<DatagramPort> make_datagram_port(AsioLoop& loop,
                                                               const DatagramOptions& options);

}  // namespace weft::detail::WEFT_BACKEND
