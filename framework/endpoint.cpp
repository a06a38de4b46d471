#include "endpoint.hpp"

#include <utility>

namespace weft {

namespace {

std::shared_ptr<Factory> as_it_is(std::shared_ptr<Factory> factory) {
  return factory;
}

class FunctionServer final : public ServerEndpoint {
 public:
  explicit FunctionServer(std::function<ListeningPort(std::shared_ptr<Factory>)> listen)
      : listen_(std::move(listen)) {}

 private:
  Deferred<ListeningPort> start(std::shared_ptr<Factory> factory,
                                const FactoryWrapper& next_to_the_wire) override {
    return succeed(listen_(next_to_the_wire(std::move(factory))));
  }

  std::function<ListeningPort(std::shared_ptr<Factory>)> listen_;
};

using Connect = std::function<Deferred<std::shared_ptr<Protocol>>(std::shared_ptr<Factory>)>;

class FunctionClient final : public ClientEndpoint {
 public:
  explicit FunctionClient(Connect connect) : connect_(std::move(connect)) {}

 private:
  Deferred<std::shared_ptr<Protocol>> start(std::shared_ptr<Factory> factory,
                                            const FactoryWrapper& next_to_the_wire) override {
    return connect_(next_to_the_wire(std::move(factory)));
  }

  Connect connect_;
};

}  // namespace

ServerEndpoint::~ServerEndpoint() = default;

Deferred<ListeningPort> ServerEndpoint::listen(std::shared_ptr<Factory> factory) {
  return listen(std::move(factory), as_it_is);
}

Deferred<ListeningPort> ServerEndpoint::listen(std::shared_ptr<Factory> factory,
                                               const FactoryWrapper& next_to_the_wire) {
  return maybe_deferred([&] { return start(std::move(factory), next_to_the_wire); });
}

ClientEndpoint::~ClientEndpoint() = default;

Deferred<std::shared_ptr<Protocol>> ClientEndpoint::connect(std::shared_ptr<Factory> factory) {
  return connect(std::move(factory), as_it_is);
}

Deferred<std::shared_ptr<Protocol>> ClientEndpoint::connect(
    std::shared_ptr<Factory> factory, const FactoryWrapper& next_to_the_wire) {
  return maybe_deferred([&] { return start(std::move(factory), next_to_the_wire); });
}

std::unique_ptr<ServerEndpoint> server_endpoint(
    std::function<ListeningPort(std::shared_ptr<Factory>)> listen) {
  return std::make_unique<FunctionServer>(std::move(listen));
}

std::unique_ptr<ClientEndpoint> client_endpoint(Connect connect) {
  return std::make_unique<FunctionClient>(std::move(connect));
}

Deferred<ListeningPort> listen(ServerEndpoint& endpoint, std::shared_ptr<Factory> factory) {
  return endpoint.listen(std::move(factory));
}

Deferred<std::shared_ptr<Protocol>> connect(ClientEndpoint& endpoint,
                                            std::shared_ptr<Factory> factory) {
  return endpoint.connect(std::move(factory));
}

}  // namespace weft
