// Named pipes on IOCP, for what is compiled once for all backends.
#pragma once

#include "../named_pipes.hpp"
#include "pipe_name.hpp"

#include <memory>

namespace weft::detail::iocp {

class AsioLoop;

/// See named_pipes.hpp.
ListeningPort listen_pipe(AsioLoop& loop, PipeName name, std::shared_ptr<Factory> factory,
                          const PipeListenOptions& options);
Deferred<std::shared_ptr<Protocol>> connect_pipe(AsioLoop& loop, PipeName name,
                                                 std::shared_ptr<Factory> factory,
                                                 const ConnectOptions& options);

}  // namespace weft::detail::iocp
