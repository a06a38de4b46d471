// Opens what has a path and carries a stream: FIFOs and serial ports.
#pragma once

#include "../streams.hpp"
#include "owned_descriptor.hpp"

#include <string>

namespace weft::detail {

/// Errors: as weft::open_fifo.
[[nodiscard]] OwnedDescriptor open_fifo_end(const std::string& path, FifoEnd end);

/// Set to `options`, with nothing of a terminal's own. Errors: as weft::open_serial.
[[nodiscard]] OwnedDescriptor open_serial_port(const std::string& path,
                                               const SerialOptions& options);

}  // namespace weft::detail
