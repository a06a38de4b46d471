// Our end of what a child has for a descriptor.
#pragma once

#include "../../framework/process.hpp"
#include "../../framework/stream_transport.hpp"

#include <memory>

namespace weft::detail {

struct ChildPipe {
  int descriptor;
  ChildDescriptor::Kind kind;
  std::shared_ptr<StreamTransport> transport;
};

/// The key of a terminal's one pipe, which descriptors 0 to 2 mean.
inline constexpr int terminal_pipe = 1;

}  // namespace weft::detail
