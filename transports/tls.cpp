#include "tls.hpp"

#include "../framework/transport_upgrade.hpp"
#include "../framework/turn.hpp"
#include "detail/tls_connecting.hpp"
#include "detail/tls_lower.hpp"
#include "detail/tls_shared.hpp"

#include <optional>
#include <utility>

namespace weft {

namespace {

// The name to ask for and to verify: certificates and SNI have no dot at the end of an absolute
// one.
std::string checked_server_name(const TlsContext& context, std::string server_name) {
  if (context.is_server()) {
    throw InvalidArgument("A client was given a server's TLS context; give TlsClientOptions.");
  }
  if (server_name.empty() && context.shared()->verifies_server()) {
    throw InvalidArgument(
        "A TLS client must know the name of the server that it wants, to verify it; give one.");
  }
  // OpenSSL takes the one for any name below a domain, and the other for what stands before it.
  if (server_name.rfind('.', 0) == 0 || server_name.find('\0') != std::string::npos) {
    throw InvalidArgument("\"" + server_name +
                          "\" is no name that a server can have; give a host name.");
  }
  if (!server_name.empty() && server_name.back() == '.') server_name.pop_back();
  return server_name;
}

// Builds the protocols of another factory for those who have shaken hands.
class TlsServerFactory final : public Factory,
                               public std::enable_shared_from_this<TlsServerFactory> {
 public:
  TlsServerFactory(std::shared_ptr<detail::TlsShared> shared, std::shared_ptr<Factory> secured)
      : shared_(std::move(shared)), secured_(std::move(secured)) {}

  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    return std::make_shared<detail::TlsLower>(
        shared_, std::string(),
        [self = shared_from_this()](detail::TlsTransport& tls, const Failure* failure) {
          failure != nullptr ? self->refused(tls, *failure) : self->admitted(tls);
        });
  }
  void start_factory() override { secured_->add_user(); }
  void stop_factory() override { secured_->remove_user(); }

 private:
  void refused(const detail::TlsTransport& tls, const Failure& reason) const {
    // Whoever only looked whether somebody listens is no news.
    if (reason.check<ConnectionDone>() == nullptr) shared_->tell_failed(reason, tls.peer());
  }
  void admitted(detail::TlsTransport& tls) {
    std::shared_ptr<Protocol> protocol;
    tls.clock().turn().enter_logged_in(*tls.context(),
                                       "A factory's build_protocol threw; the peer is refused",
                                       [&] { protocol = secured_->build_protocol(tls.peer()); });
    if (protocol == nullptr) {
      tls.lose_connection();
    } else {
      tls.establish(std::move(protocol));
    }
  }

  std::shared_ptr<detail::TlsShared> shared_;
  std::shared_ptr<Factory> secured_;
};

// The outcome of start_tls, and the way to cancel it.
Deferred<void> begin_upgrade(const std::shared_ptr<detail::TlsTransport>& tls) {
  auto promise = std::make_shared<std::optional<Promise<void>>>();
  promise->emplace([weak = tls->weak_from_this()] {
    if (const auto self = weak.lock()) self->abort_connection();
  });
  auto outcome = (*promise)->deferred();
  tls->begin([promise](detail::TlsTransport&, const Failure* failure) {
    failure != nullptr ? (*promise)->errback(*failure) : (*promise)->callback();
  });
  return outcome;
}

}  // namespace

// ---- contexts

TlsContext::TlsContext(const TlsServerOptions& options)
    : shared_(std::make_shared<detail::TlsShared>(options)) {}

TlsContext::TlsContext(const TlsClientOptions& options)
    : shared_(std::make_shared<detail::TlsShared>(options)) {}

void TlsContext::reload() {
  shared_->reload();
}

void TlsContext::reload(std::vector<TlsIdentity> identities) {
  shared_->reload(std::move(identities));
}

bool TlsContext::is_server() const noexcept {
  return shared_->is_server();
}

std::size_t TlsContext::handshakes() const noexcept {
  return shared_->handshakes();
}

// ---- from the beginning

std::shared_ptr<Factory> tls_server(TlsContext context, std::shared_ptr<Factory> factory) {
  if (!context.is_server()) {
    throw InvalidArgument("A server was given a client's TLS context; give TlsServerOptions.");
  }
  if (factory == nullptr) {
    throw InvalidArgument("A TLS server was given no factory, so nobody would answer; pass one.");
  }
  return std::make_shared<TlsServerFactory>(context.shared(), std::move(factory));
}

Deferred<std::shared_ptr<Protocol>> tls_connect(Clock& clock, ConnectFunction connect,
                                                TlsContext context, std::string server_name,
                                                std::shared_ptr<Factory> factory) {
  server_name = checked_server_name(context, std::move(server_name));
  return std::make_shared<detail::TlsConnecting>(clock, std::move(connect), std::move(context),
                                                 std::move(server_name), std::move(factory))
      ->start();
}

Deferred<std::shared_ptr<Protocol>> connect_tls(Reactor& reactor, TlsTarget target,
                                                TlsContext context,
                                                std::shared_ptr<Factory> factory,
                                                const ConnectOptions& options) {
  auto name = target.server_name.empty() ? target.host : std::move(target.server_name);
  return tls_connect(
      reactor,
      [&reactor, host = std::move(target.host), port = target.port,
       options](std::shared_ptr<Factory> lower) {
        return reactor.connect_tcp(host, port, std::move(lower), options);
      },
      std::move(context), std::move(name), std::move(factory));
}

// ---- later

Deferred<void> start_tls(Transport& transport, TlsContext context, std::string server_name) {
  if (!context.is_server()) server_name = checked_server_name(context, std::move(server_name));
  auto* const upgrade = dynamic_cast<TransportUpgrade*>(&transport);
  if (upgrade == nullptr) {
    throw InvalidArgument("The transport to " + transport.peer().text() +
                          " cannot hand its protocol over; wrap its connection with tls_server or "
                          "tls_connect instead.");
  }
  const auto tls =
      std::make_shared<detail::TlsTransport>(transport, context.shared(), std::move(server_name));
  auto lower = std::make_shared<detail::TlsLower>(tls);
  auto use = upgrade->give_up_use();
  if (!use) {
    return Deferred<void>(Outcome<void>(Failure(
        StartTlsRefused("TLS cannot begin with " + transport.peer().text() +
                            ": the connection is closing, half-closed or gone; begin before that.",
                        transport.peer()))));
  }
  use->protocol = upgrade->exchange_protocol(lower);
  tls->keep_carrier(std::move(lower));
  tls->carrier_full(use->writing_paused);
  tls->begin_behind(use->protocol);
  tls->adopt(std::move(*use));
  return begin_upgrade(tls);
}

}  // namespace weft
