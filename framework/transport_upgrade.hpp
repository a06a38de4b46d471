// How one transport takes the place of another on an open connection, as TLS does in STARTTLS.
#pragma once

#include "producer.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace weft {

class Protocol;

/// How a protocol uses its transport: what moves along to the next one.
struct StreamUse {
  std::shared_ptr<Protocol> protocol;
  std::shared_ptr<Producer> producer;
  Streaming streaming = Streaming::push;
  /// Whether its `pause_writing` was the last that the protocol heard, and the producer's
  /// `pause_producing`.
  bool writing_paused = false;
  bool producer_paused = false;
  std::uint32_t pauses = 0;
  std::size_t high_water = 0;
  std::size_t low_water = 0;
};

/// A transport whose protocol may be exchanged: derive from it too.
class TransportUpgrade {
 public:
  /// Gives up the producer, the pauses and the marks, but not the protocol. Nothing where the
  /// stream's table refuses to upgrade, since the connection is closing, half-closed or gone.
  [[nodiscard]] virtual std::optional<StreamUse> give_up_use() = 0;
  /// Puts `protocol` in the place of the one so far, which is given back; it is given this
  /// transport, and input that was held back.
  virtual std::shared_ptr<Protocol> exchange_protocol(std::shared_ptr<Protocol> protocol) = 0;

 protected:
  ~TransportUpgrade() = default;
};

}  // namespace weft
