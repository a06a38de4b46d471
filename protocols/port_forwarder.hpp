// Carries connections on to another host, with back-pressure in both directions.
#pragma once

#include "../framework/factory.hpp"
#include "../framework/reactor.hpp"
#include "../framework/transport.hpp"

#include <functional>
#include <memory>
#include <string>

namespace weft {

/// Connects to where the connection of `incoming` is carried on, with a protocol of the factory.
using ForwardTarget = std::function<Deferred<std::shared_ptr<Protocol>>(
    Transport& incoming, std::shared_ptr<Factory> factory)>;

/// For each connection it connects to a target, and passes on what comes from either side: bytes,
/// half-closes and resets. A side that does not read makes the other wait, so that memory is
/// bounded by the write marks. When the target cannot be reached, the connection is aborted and the
/// reason logged. Lifetime: the reactor must live longer.
class PortForwarderFactory : public Factory {
 public:
  /// To wherever `target` leads.
  explicit PortForwarderFactory(ForwardTarget target);
  /// To `host` and `port`.
  PortForwarderFactory(Reactor& reactor, std::string host, Port port,
                       ConnectOptions options = ConnectOptions());
  std::shared_ptr<Protocol> build_protocol(const Address& peer) override;

 private:
  ForwardTarget target_;
};

}  // namespace weft
