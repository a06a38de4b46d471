#include "client_service.hpp"

#include "../detail/kept_connection.hpp"

#include <utility>

namespace weft {

ClientService::ClientService(Clock& clock, std::shared_ptr<ClientEndpoint> endpoint,
                             std::shared_ptr<Factory> factory, const ClientServiceOptions& options)
    : Service(options.name) {
  if (endpoint == nullptr || factory == nullptr)
    throw InvalidArgument("A client needs an endpoint and a factory; pass both.");
  connection_ = std::make_shared<detail::KeptConnection>(
      clock,
      [endpoint = std::move(endpoint)](std::shared_ptr<Factory> relay) {
        return endpoint->connect(std::move(relay));
      },
      std::move(factory), options.reconnect, options.prepare_connection);
}

ClientService::~ClientService() {
  static_cast<void>(connection_->stop());
}

Deferred<std::shared_ptr<Protocol>> ClientService::when_connected(int max_failures,
                                                                  SourceLocation where) {
  return connection_->when_connected(max_failures, where);
}

bool ClientService::connected() const noexcept {
  return connection_->connected();
}

Deferred<void> ClientService::start() {
  connection_->start();
  return succeed();
}

Deferred<void> ClientService::stop() {
  return connection_->stop();
}

void ClientService::abort() {
  connection_->abort();
}

}  // namespace weft
