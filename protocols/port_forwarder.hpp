// Carries connections on to another host, with back-pressure in both directions.
#pragma once

#include "../framework/factory.hpp"
#include "../framework/reactor.hpp"

#include <memory>
#include <string>

namespace weft {

/// For each connection it connects to `host` and `port`, and passes on what comes from either side:
/// bytes, half-closes and resets. A side that does not read makes the other wait, so that memory is
/// bounded by the write marks. When the target cannot be reached, the connection is aborted and the
/// reason logged. Lifetime: the reactor must live longer.
class PortForwarderFactory : public Factory {
 public:
  PortForwarderFactory(Reactor& reactor, std::string host, Port port,
                       ConnectOptions options = ConnectOptions());
  std::shared_ptr<Protocol> build_protocol(const Address& peer) override;

 private:
  Reactor& reactor_;
  std::string host_;
  Port port_;
  ConnectOptions options_;
};

}  // namespace weft
