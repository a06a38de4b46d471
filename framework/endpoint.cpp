#include "endpoint.hpp"

#include "detail/asked_at.hpp"
#include "protocol_wrapper.hpp"

#include <utility>

namespace weft {

namespace {

std::shared_ptr<Factory> as_it_is(std::shared_ptr<Factory> factory) {
  return factory;
}

// Remembers what it built last: what a policy that is put around it builds is not what the user
// connects for.
class RememberingFactory final : public WrappingFactory {
 public:
  using WrappingFactory::WrappingFactory;
  [[nodiscard]] const std::shared_ptr<Protocol>& built() const noexcept { return built_; }
  void forget() noexcept { built_ = nullptr; }

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    built_ = protocol;
    return protocol;
  }

  std::shared_ptr<Protocol> built_;
};

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

Deferred<ListeningPort> ServerEndpoint::listen(std::shared_ptr<Factory> factory,
                                               SourceLocation where) {
  return listen(std::move(factory), as_it_is, where);
}

Deferred<ListeningPort> ServerEndpoint::listen(std::shared_ptr<Factory> factory,
                                               const FactoryWrapper& next_to_the_wire,
                                               SourceLocation where) {
  const detail::AskedAt asked(where);
  return maybe_deferred([&] { return start(std::move(factory), next_to_the_wire); });
}

ClientEndpoint::~ClientEndpoint() = default;

Deferred<std::shared_ptr<Protocol>> ClientEndpoint::connect(std::shared_ptr<Factory> factory,
                                                            SourceLocation where) {
  return connect(std::move(factory), as_it_is, where);
}

Deferred<std::shared_ptr<Protocol>> ClientEndpoint::connect(std::shared_ptr<Factory> factory,
                                                            const FactoryWrapper& next_to_the_wire,
                                                            SourceLocation where) {
  const detail::AskedAt asked(where);
  return maybe_deferred([&] {
    const auto remembering = std::make_shared<RememberingFactory>(std::move(factory));
    return start(remembering, next_to_the_wire)
        .add_callback([remembering](const std::shared_ptr<Protocol>&) {
          auto built = remembering->built();
          remembering->forget();
          return built;
        });
  });
}

std::unique_ptr<ServerEndpoint> server_endpoint(
    std::function<ListeningPort(std::shared_ptr<Factory>)> listen) {
  return std::make_unique<FunctionServer>(std::move(listen));
}

std::unique_ptr<ClientEndpoint> client_endpoint(Connect connect) {
  return std::make_unique<FunctionClient>(std::move(connect));
}

Deferred<ListeningPort> listen(ServerEndpoint& endpoint, std::shared_ptr<Factory> factory,
                               SourceLocation where) {
  return endpoint.listen(std::move(factory), where);
}

Deferred<std::shared_ptr<Protocol>> connect(ClientEndpoint& endpoint,
                                            std::shared_ptr<Factory> factory,
                                            SourceLocation where) {
  return endpoint.connect(std::move(factory), where);
}

}  // namespace weft
