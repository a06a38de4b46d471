// Choosing a reactor: by name, by the environment, or the best one here.
#pragma once

#include "../framework/reactor.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// A reactor by name: "epoll", "select" and "io_uring" on Linux, "iocp" and "select" on Windows, or
/// one that was registered. Without a name it is what the environment variable WEFT_REACTOR says,
/// and without that the best for the platform. Errors: InvalidArgument for an unknown name, which
/// lists those that are known; std::system_error where the system refuses.
[[nodiscard]] std::unique_ptr<Reactor> make_reactor(std::string_view name = "");

/// The names that `make_reactor` knows, best first.
[[nodiscard]] std::vector<std::string> reactor_names();

using ReactorMaker = std::function<std::unique_ptr<Reactor>()>;
/// Makes another loop known by name. Errors: InvalidArgument for a name that is taken.
/// Thread: any.
void register_reactor(std::string name, ReactorMaker maker);

}  // namespace weft
