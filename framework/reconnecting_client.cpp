#include "reconnecting_client.hpp"

#include "detail/kept_connection.hpp"

#include <utility>

namespace weft {

// Is stopped by its reactor, if nobody did before.
class ReconnectingClient::Client final : public detail::KeptConnection {
 public:
  Client(Reactor& reactor, Connect connect, std::shared_ptr<Factory> factory,
         const ReconnectOptions& options)
      : KeptConnection(reactor, std::move(connect), std::move(factory), options),
        reactor_(reactor) {}

 private:
  void began() override {
    const auto weak = std::weak_ptr(std::static_pointer_cast<Client>(shared_from_this()));
    reactor_stop_ = reactor_.add_system_event_trigger(Phase::before, SystemEvent::shutdown, [weak] {
      const auto client = weak.lock();
      if (!client) return succeed();
      client->reactor_stop_.reset();
      return client->stop();
    });
  }
  void ended() override {
    if (!reactor_stop_) return;
    reactor_.remove_system_event_trigger(*std::exchange(reactor_stop_, std::nullopt));
  }

  Reactor& reactor_;
  std::optional<TriggerId> reactor_stop_;
};

ReconnectingClient::ReconnectingClient(Reactor& reactor, std::string host, Port port,
                                       std::shared_ptr<Factory> factory,
                                       const ReconnectOptions& options)
    : client_(std::make_shared<Client>(
          reactor,
          [&reactor, host = std::move(host), port,
           connect = options.connect](std::shared_ptr<Factory> relay) {
            return reactor.connect_tcp(host, port, std::move(relay), connect);
          },
          std::move(factory), options)) {}

ReconnectingClient::~ReconnectingClient() {
  static_cast<void>(client_->stop());
}

void ReconnectingClient::start() {
  const auto client = client_;
  client->start();
}

Deferred<void> ReconnectingClient::stop() {
  const auto client = client_;
  return client->stop();
}

Deferred<std::shared_ptr<Protocol>> ReconnectingClient::when_connected(SourceLocation where) {
  return client_->when_connected(0, where);
}

bool ReconnectingClient::running() const noexcept {
  return client_->running();
}

bool ReconnectingClient::connected() const noexcept {
  return client_->connected();
}

}  // namespace weft
