// The loops that are compiled in, one for each Asio backend.
#pragma once

#include "../../framework/reactor.hpp"

#include <memory>

// clang-format off
namespace weft::detail {
namespace epoll { [[nodiscard]] std::unique_ptr<Reactor> make_asio_reactor(); }
namespace select { [[nodiscard]] std::unique_ptr<Reactor> make_asio_reactor(); }
namespace io_uring { [[nodiscard]] std::unique_ptr<Reactor> make_asio_reactor(); }
namespace iocp { [[nodiscard]] std::unique_ptr<Reactor> make_asio_reactor(); }
}  // namespace weft::detail
// clang-format on
