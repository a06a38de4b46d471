// What the transports of one Asio reactor share: its loop, its clock and its large read buffer.
#pragma once

#include "../../framework/reactor.hpp"
#include "asio.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace weft::detail::WEFT_BACKEND {

/// Belongs to the reactor, and lives longer than its transports' operations.
class AsioLoop {
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
  net::io_context io;

 private:
  std::unique_ptr<char[]> buffer_;
};

}  // namespace weft::detail::WEFT_BACKEND
