// What a loop has done since it was made.
#pragma once

#include <cstdint>

namespace weft {

/// Only ever grow. Thread: the loop's.
struct LoopCounts {
  /// Times that user code was entered.
  std::uint64_t callbacks = 0;
  /// Scheduled calls that were made.
  std::uint64_t calls = 0;
  /// Calls from other threads that were made.
  std::uint64_t thread_calls = 0;
  /// Times that the loop came round.
  std::uint64_t rounds = 0;
  /// Connections that were given a protocol, and those of them that are over. What is carried by
  /// another, as TLS is, is not counted twice.
  std::uint64_t connections_made = 0;
  std::uint64_t connections_lost = 0;
  /// Received and sent by those connections.
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
};

}  // namespace weft
