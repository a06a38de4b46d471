// What the transports of one Asio reactor share: its loop, its clock and its large read buffer.
#pragma once

#include "../../framework/reactor.hpp"
#include "asio.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace weft::detail::WEFT_BACKEND {

/// An io_context whose pending operations can be dropped while its sockets live on.
class AsioContext : public net::io_context {
 public:
  using net::io_context::io_context;
  /// Destroys what waits in it, and all that only that keeps alive.
  void drop_operations() { shutdown(); }
};

/// Made by the reactor, and kept by whatever has a socket: transports may outlive their reactor,
/// and a socket is closed through its context.
class AsioLoop : public std::enable_shared_from_this<AsioLoop> {
 public:
  /// A quarter of a MiB: bulk data costs fewer calls than with the customary 64 KiB, and one loop
  /// needs one.
  static constexpr std::size_t read_buffer_size = 256 * 1024;

  explicit AsioLoop(Reactor& owner) : reactor(owner), io(1) {}

  /// Scratch memory for one read; taken when first needed.
  std::span<char> read_buffer() {
    if (buffer_ == nullptr) {
      buffer_ = std::make_unique_for_overwrite<char[]>(read_buffer_size);
    }
    return {buffer_.get(), read_buffer_size};
  }

  Reactor& reactor;
  AsioContext io;

 private:
  std::unique_ptr<char[]> buffer_;
};

/// To be called before a socket is closed. With io_uring, what was asked for and not yet submitted
/// names the descriptor by its number, which may be another's by then; cancelling submits it.
template <class Socket>
void settle_descriptor([[maybe_unused]] Socket& socket) noexcept {
#ifdef WEFT_BACKEND_IO_URING
  ErrorCode ignored;
  if (socket.is_open()) socket.cancel(ignored);
#endif
}

}  // namespace weft::detail::WEFT_BACKEND
