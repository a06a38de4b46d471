// Two protocols wired together without a socket, and a hand that moves the bytes.
#pragma once

#include "../framework/protocol.hpp"
#include "manual_clock.hpp"
#include "memory_transport.hpp"

#include <cstdint>
#include <memory>
#include <random>

namespace weft::testing {

/// How the bytes of a pump are cut on their way.
class Delivery {
 public:
  static Delivery all_at_once() { return Delivery(Kind::all, 0); }
  static Delivery byte_by_byte() { return Delivery(Kind::bytes, 0); }
  /// In random pieces; the same seed cuts the same way.
  static Delivery random_pieces(std::uint32_t seed) { return Delivery(Kind::random, seed); }
  /// How much comes next, at most.
  [[nodiscard]] std::size_t next_size();

 private:
  enum class Kind { all, bytes, random };
  Delivery(Kind kind, std::uint32_t seed) : kind_(kind), random_(seed) {}
  Kind kind_;
  std::minstd_rand random_;
};

/// Connects a client's and a server's protocol. Time is the test's.
/// Lifetime: when it goes, both connections are aborted.
class IoPump {
 public:
  IoPump(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server,
         Delivery delivery = Delivery::all_at_once(),
         std::size_t capacity = MemoryTransport::default_capacity);
  ~IoPump();
  IoPump(const IoPump&) = delete;
  IoPump& operator=(const IoPump&) = delete;

  /// Moves one piece each way. False when nothing moved.
  bool pump();
  /// Pumps until nothing moves any more. Errors: std::logic_error when that does not come.
  void flush();

  [[nodiscard]] MemoryTransport& client() noexcept { return *client_; }
  [[nodiscard]] MemoryTransport& server() noexcept { return *server_; }
  [[nodiscard]] ManualClock& clock() noexcept { return clock_; }

 private:
  ManualClock clock_;
  Delivery delivery_;
  std::shared_ptr<MemoryTransport> client_;
  std::shared_ptr<MemoryTransport> server_;
};

}  // namespace weft::testing
