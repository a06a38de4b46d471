// Descriptors on their way through a UNIX socket: those that wait to be passed, and those that
// came.
#pragma once

#include "owned_descriptor.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <sys/socket.h>
#include <sys/types.h>

namespace weft::detail {

/// As many as one message may carry (SCM_MAX_FD).
inline constexpr std::size_t max_passed_descriptors = 253;

/// Copies of descriptors, each waiting for its place in a stream of bytes.
class OutgoingDescriptors {
 public:
  /// Keeps a copy, to go with the byte at `position`, which is none before that of the last one.
  /// Errors: InvalidArgument when it is none; QueueOverflow when too many wait; Error when this
  /// process may have no more open.
  void add(int descriptor, std::uint64_t position);

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }
  /// How many bytes from `position` on may go in one message.
  [[nodiscard]] std::size_t bytes_from(std::uint64_t position) const noexcept;
  /// Sends `pieces`, which begin at `position`, with the descriptors that are due there, and
  /// forgets these when it worked. Gives what sendmsg gave.
  ssize_t send(int socket, std::span<iovec> pieces, std::uint64_t position) noexcept;
  void clear() noexcept { waiting_.clear(); }

 private:
  struct Waiting {
    OwnedDescriptor descriptor;
    std::uint64_t position;
  };
  std::deque<Waiting> waiting_;
};

/// What came with one message; what nobody takes is closed.
class IncomingDescriptors {
 public:
  IncomingDescriptors() noexcept {}
  IncomingDescriptors(const IncomingDescriptors&) = delete;
  IncomingDescriptors& operator=(const IncomingDescriptors&) = delete;
  ~IncomingDescriptors();

  /// Reads from `socket` to `room`, and keeps the descriptors that came along; they are closed when
  /// a program is run. Gives what recvmsg gave.
  ssize_t receive(int socket, std::span<char> room) noexcept;

  [[nodiscard]] bool empty() const noexcept { return next_ == count_; }
  /// The next one, which is the caller's from now on.
  [[nodiscard]] int take() noexcept { return descriptors_[next_++]; }
  /// There were more, and the system has dropped them: this process may have no more open.
  [[nodiscard]] bool incomplete() const noexcept { return incomplete_; }

 private:
  // Left as it is until something comes: every read has one of these.
  std::array<int, max_passed_descriptors> descriptors_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
  bool incomplete_ = false;
};

}  // namespace weft::detail
