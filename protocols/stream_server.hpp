// A server whose connections are served by a coroutine each.
#pragma once

#include "../framework/coroutines/task.hpp"
#include "../framework/factory.hpp"
#include "stream.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace weft {

/// Serves one connection. The stream lives until the task has ended.
using ServeStream = std::function<Task<void>(Stream&)>;

/// A factory, for any `listen_...`, that begins a task of `serve` for each connection. The task
/// belongs to the connection: when it ends, the connection is closed once everything written has
/// gone out; when the connection is lost, it is cancelled. What it fails with aborts the connection
/// and is logged with the task's name, unless that is the loss itself. Errors: InvalidArgument for
/// no function.
[[nodiscard]] std::shared_ptr<Factory> stream_server(
    ServeStream serve, std::size_t max_buffered = Stream::default_max_buffered);

}  // namespace weft
