// A client as a service: keeps one connection up while it runs.
#pragma once

#include "../endpoint.hpp"
#include "../reconnecting_client.hpp"
#include "service.hpp"

#include <functional>
#include <memory>
#include <string>

namespace weft {

namespace detail {
class KeptConnection;
}

/// How a ClientService connects.
struct ClientServiceOptions {
  ClientServiceOptions() {}
  std::string name;
  /// How it waits between attempts. Of `reconnect.connect` nothing is used: the endpoint has its
  /// own.
  ReconnectOptions reconnect;
  /// Called with the protocol of each new connection, for a login say, and waited for before
  /// anybody is told of it. When it fails the connection is lost, and the attempt counts as failed.
  std::function<Deferred<void>(const std::shared_ptr<Protocol>&)> prepare_connection;
};

/// Keeps one connection to an endpoint: connects when started, and again whenever the connection is
/// lost or an attempt fails, after pauses that grow. Its start does not wait for the connection.
/// Stopping it cancels the attempt or the pause, or closes the connection and waits for its end.
class ClientService : public Service {
 public:
  /// Errors: InvalidArgument for no endpoint, no factory, and options that cannot be.
  ClientService(Clock& clock, std::shared_ptr<ClientEndpoint> endpoint,
                std::shared_ptr<Factory> factory, const ClientServiceOptions& options = {});
  ~ClientService() override;

  /// The protocol of the connection that is there, or of the next one. With `max_failures` it fails
  /// with the failure of the last of so many attempts; zero waits for as long as it takes. Errors:
  /// CancelledError when the service is stopped, or what it gave up with.
  Deferred<std::shared_ptr<Protocol>> when_connected(
      int max_failures = 0, SourceLocation where = SourceLocation::current());
  /// Whether there is a connection, and it has been prepared.
  [[nodiscard]] bool connected() const noexcept;

 private:
  Deferred<void> start() override;
  Deferred<void> stop() override;
  void abort() override;

  std::shared_ptr<detail::KeptConnection> connection_;
};

}  // namespace weft
