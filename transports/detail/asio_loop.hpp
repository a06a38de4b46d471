// What the transports of one Asio reactor share: its loop, its clock and its large read buffer.
#pragma once

#include "../../framework/reactor.hpp"
#include "asio.hpp"

#ifdef WEFT_BACKEND_EPOLL
#include "poller.hpp"
#endif
#ifdef WEFT_BACKEND_IO_URING
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <unistd.h>
#endif

#include <cstddef>
#include <memory>
#include <optional>
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
/// and a socket is closed through its context. Whoever starts, cancels or closes something of the
/// context says so by `asio_used`.
class AsioLoop : public std::enable_shared_from_this<AsioLoop> {
 public:
  /// A quarter of a MiB: bulk data costs fewer calls than with the customary 64 KiB, and one loop
  /// needs one.
  static constexpr std::size_t read_buffer_size = 256 * 1024;

  explicit AsioLoop(Reactor& owner);
  ~AsioLoop();

  /// Handles what is ready; waits for it until `until`, or for ever. Returns early after `wake`.
  void wait(std::optional<TimePoint> until);
  /// Thread: any.
  void wake() noexcept;
  /// Something of `io` may be done without waiting.
  void asio_used() noexcept { asio_used_ = true; }

  /// Scratch memory for one read; taken when first needed.
  std::span<char> read_buffer() {
    if (buffer_ == nullptr) {
      buffer_ = std::make_unique_for_overwrite<char[]>(read_buffer_size);
    }
    return {buffer_.get(), read_buffer_size};
  }

#ifdef WEFT_BACKEND_EPOLL
  /// What this loop waits on: its connections, and Asio's own epoll set as one of them.
  Poller poller;
#endif
  Reactor& reactor;

 private:
#ifdef WEFT_BACKEND_IO_URING
  // Sockets that lead there go with `io`, so it must go later.
  struct Nowhere {
    Nowhere() noexcept : descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}
    ~Nowhere() { ::close(descriptor); }
    Nowhere(const Nowhere&) = delete;
    Nowhere& operator=(const Nowhere&) = delete;
    int descriptor;
  } nowhere_;
#endif

 public:
  AsioContext io;

 private:
  bool asio_used_ = false;
  std::unique_ptr<char[]> buffer_;
#ifdef WEFT_BACKEND_IO_URING
 public:
  /// Makes `descriptor` lead nowhere, and keeps its number taken.
  void lead_nowhere(int descriptor) const noexcept {
    ::dup3(nowhere_.descriptor, descriptor, O_CLOEXEC);
  }

 private:
  void end_wait_at(TimePoint until);

  net::steady_timer wait_limit_{io};
  bool wait_is_limited_ = false;
#endif
#ifdef WEFT_BACKEND_EPOLL
  struct AsioSet;
  void run_asio();
  std::unique_ptr<AsioSet> asio_set_;
#endif
};

/// Closes `socket`, which has an operation `pending` or not. With io_uring, Asio gives what it
/// knows of a closed socket to the next one, though the kernel still has its operations: the next
/// accept would then answer to the last port. So there it is only cancelled, its descriptor leads
/// nowhere from now on, and who hears of the cancelled operation closes it again.
template <class Socket>
void close_socket(AsioLoop& loop, Socket& socket, [[maybe_unused]] bool pending) noexcept {
  if (!socket.is_open()) return;
  loop.asio_used();
  ErrorCode ignored;
#ifdef WEFT_BACKEND_IO_URING
  if (pending) {
    socket.cancel(ignored);
    loop.lead_nowhere(socket.native_handle());
    return;
  }
#endif
  socket.close(ignored);
}

}  // namespace weft::detail::WEFT_BACKEND
