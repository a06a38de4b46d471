// Where to listen and where to connect, as objects that know nothing of who will talk there.
#pragma once

#include "deferred.hpp"
#include "factory.hpp"
#include "listening_port.hpp"
#include "protocol.hpp"
#include "source_location.hpp"

#include <functional>
#include <memory>

namespace weft {

/// Puts a factory around another one.
using FactoryWrapper = std::function<std::shared_ptr<Factory>(std::shared_ptr<Factory>)>;

/// Somewhere to listen. Lifetime: needed until `listen` has returned; must not outlive its reactor.
class ServerEndpoint {
 public:
  virtual ~ServerEndpoint();

  /// Accepts connections for `factory`. Cancelling it stops what was begun. Errors, of the
  /// deferred alone: AddressInUse, ListenError, and what the carrier adds.
  Deferred<ListeningPort> listen(std::shared_ptr<Factory> factory,
                                 SourceLocation where = SourceLocation::current());
  /// The same with `next_to_the_wire` around whatever else the endpoint puts around `factory`, TLS
  /// for one: for what must come before all of it on a connection. It is copied, since it may be
  /// called after this has returned.
  Deferred<ListeningPort> listen(std::shared_ptr<Factory> factory,
                                 const FactoryWrapper& next_to_the_wire,
                                 SourceLocation where = SourceLocation::current());

 private:
  /// What it throws, the deferred fails with.
  virtual Deferred<ListeningPort> start(std::shared_ptr<Factory> factory,
                                        const FactoryWrapper& next_to_the_wire) = 0;
};

/// Somewhere to connect to. Lifetime: needed until `connect` has returned; must not outlive its
/// reactor.
class ClientEndpoint {
 public:
  virtual ~ClientEndpoint();

  /// Connects, as `Reactor::connect_tcp` does: fires once `connection_made` has returned;
  /// cancelling it closes whatever was opened. Errors, of the deferred alone: ConnectError and its
  /// like, and what the carrier adds.
  Deferred<std::shared_ptr<Protocol>> connect(std::shared_ptr<Factory> factory,
                                              SourceLocation where = SourceLocation::current());
  /// The same with `next_to_the_wire` around whatever else the endpoint puts around `factory`. It
  /// is copied, since it may be called after this has returned.
  Deferred<std::shared_ptr<Protocol>> connect(std::shared_ptr<Factory> factory,
                                              const FactoryWrapper& next_to_the_wire,
                                              SourceLocation where = SourceLocation::current());

 private:
  /// What it throws, the deferred fails with.
  virtual Deferred<std::shared_ptr<Protocol>> start(std::shared_ptr<Factory> factory,
                                                    const FactoryWrapper& next_to_the_wire) = 0;
};

/// An endpoint that listens by `listen(factory)`, which gives or throws what a reactor's `listen_*`
/// does.
[[nodiscard]] std::unique_ptr<ServerEndpoint> server_endpoint(
    std::function<ListeningPort(std::shared_ptr<Factory>)> listen);
/// An endpoint that connects by `connect(factory)`, which does what a reactor's `connect_*` does.
[[nodiscard]] std::unique_ptr<ClientEndpoint> client_endpoint(
    std::function<Deferred<std::shared_ptr<Protocol>>(std::shared_ptr<Factory>)> connect);

/// The same as `endpoint.listen(factory)`.
Deferred<ListeningPort> listen(ServerEndpoint& endpoint, std::shared_ptr<Factory> factory,
                               SourceLocation where = SourceLocation::current());
/// The same as `endpoint.connect(factory)`.
Deferred<std::shared_ptr<Protocol>> connect(ClientEndpoint& endpoint,
                                            std::shared_ptr<Factory> factory,
                                            SourceLocation where = SourceLocation::current());

}  // namespace weft
