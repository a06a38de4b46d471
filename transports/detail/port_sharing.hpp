// What a reactor of ours does so that several can serve one port.
#pragma once

#include "../../framework/listener.hpp"
#include "../../framework/reactor.hpp"
#include "owned_descriptor.hpp"
#include "passed_port.hpp"

#include <memory>

namespace weft::detail {

/// A port that has no socket of its own when it takes what another has accepted.
class TakingListener : public Listener {
 public:
  /// It may be given connections from now on, which came to `host`.
  void take_only(Address host) { opened(std::move(host)); }
  /// A connected socket of the port's kind, which does not block. What cannot be taken is closed.
  virtual void take_connection(OwnedDescriptor connection, const Address& peer) noexcept = 0;

 protected:
  using Listener::Listener;
};

/// Beside `Reactor`, for pools. Thread: the reactor's, unless it says otherwise.
class PortSharing {
 public:
  /// A port that accepts for itself.
  [[nodiscard]] virtual std::shared_ptr<Listener> accepting_port(
      PassedPort port, std::shared_ptr<Factory> factory) = 0;
  /// A port of the kind that `host` has, which is given what another has accepted.
  [[nodiscard]] virtual std::shared_ptr<TakingListener> taking_port(
      const Address& host, std::shared_ptr<Factory> factory) = 0;

 protected:
  ~PortSharing() = default;
};

}  // namespace weft::detail
