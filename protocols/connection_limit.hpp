// Refuses connections beyond a number, in all and from one peer.
#pragma once

#include "../framework/protocol_wrapper.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>

namespace weft {

/// How many connections may be open at once; zero for any number.
struct ConnectionLimits {
  ConnectionLimits() {}
  explicit ConnectionLimits(std::size_t in_all, std::size_t per_peer = 0)
      : max_connections(in_all), max_per_peer(per_peer) {}
  std::size_t max_connections = 0;
  /// Connections from one host, whatever their ports.
  std::size_t max_per_peer = 0;
};

/// Counts the connections of another factory from `build_protocol` until they are lost, and refuses
/// those beyond its limits: they are closed before a protocol is built. The first refusal after a
/// connection was let in is logged.
class ConnectionLimitFactory final : public WrappingFactory {
 public:
  ConnectionLimitFactory(std::shared_ptr<Factory> wrapped, ConnectionLimits limits);
  ~ConnectionLimitFactory() override;

  std::shared_ptr<Protocol> build_protocol(const Address& peer) override;

  [[nodiscard]] std::size_t connections() const noexcept;
  /// How many have been refused so far.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  class Counts;
  class Place;
  class Counted;

  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address& peer) override;
  void refuse(const Address& peer);

  ConnectionLimits limits_;
  // Kept by the connections too, which may outlive their factory.
  std::shared_ptr<Counts> counts_;
  std::uint64_t refused_ = 0;
  bool refusing_ = false;
};

}  // namespace weft
