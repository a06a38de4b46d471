#include "proxy_protocol.hpp"

#include "../framework/logging.hpp"
#include "../framework/protocol_wrapper.hpp"
#include "../framework/turn.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace weft {

namespace {

// Reads the header, and then has the factory build the protocol that it wraps.
class Proxied final : public ProtocolWrapper {
 public:
  Proxied(std::shared_ptr<Factory> factory, const BehindProxyOptions& options)
      : factory_(std::move(factory)),
        timeout_(options.header_timeout),
        parser_(options.max_header_bytes) {}

  // ---- what the carrier tells

  void connection_made() override {
    late_ = clock().call_later(timeout_, [weak = weak_from_this()] {
      if (const auto self = locked(weak)) self->refuse("the whole header did not come in time.");
    });
  }
  void data_received(BytesView data) override {
    if (parser_.whole()) {
      ProtocolWrapper::data_received(data);
      return;
    }
    std::size_t used = 0;
    try {
      used = parser_.read(data);
    } catch (const ProxyError& error) {
      refuse(error.what());
      return;
    }
    if (!parser_.whole()) return;
    late_.cancel_if_active();
    begin();
    deliver(data.from(used));
  }
  void eof_received() override {
    wrapped() != nullptr ? ProtocolWrapper::eof_received() : Protocol::eof_received();
  }
  void connection_lost(const Failure& reason) override {
    late_.cancel_if_active();
    if (wrapped() != nullptr) ProtocolWrapper::connection_lost(reason);
  }
  void pause_writing() override {
    if (wrapped() != nullptr) ProtocolWrapper::pause_writing();
  }
  void resume_writing() override {
    if (wrapped() != nullptr) ProtocolWrapper::resume_writing();
  }

  // ---- what the protocol asks

  [[nodiscard]] Address host() const override {
    return says_who() ? parser_.header().destination : ProtocolWrapper::host();
  }
  [[nodiscard]] Address peer() const override {
    return says_who() ? parser_.header().source : ProtocolWrapper::peer();
  }
  [[nodiscard]] const ProxyHeader* proxied() const noexcept override {
    return parser_.whole() ? &parser_.header() : nullptr;
  }
  void pause_producing() override {
    ++pauses_;
    ProtocolWrapper::pause_producing();
  }
  void resume_producing() override {
    ProtocolWrapper::resume_producing();
    if (pauses_ > 0 && --pauses_ == 0) deliver_rest_later();
  }
  // The protocol's pauses go to whoever takes its place below it; ours stays, and what it holds
  // back is for that one.
  [[nodiscard]] std::optional<StreamUse> give_up_use() override {
    auto use = ProtocolWrapper::give_up_use();
    if (!use) return use;
    pauses_ = 0;
    if (!rest_.empty()) {
      --use->pauses;
      transport().pause_producing();
      deliver_rest_later();
    }
    return use;
  }

 private:
  [[nodiscard]] bool says_who() const {
    return parser_.whole() && parser_.header().source.family() != Address::Family::none;
  }

  void begin() {
    auto protocol = factory_->build_protocol(peer());
    protocol != nullptr ? wrap(std::move(protocol)) : lose_connection();
  }

  // What came behind the header, in the same piece.
  void deliver(BytesView data) {
    if (data.empty() || closing()) return;
    if (pauses_ == 0) {
      ProtocolWrapper::data_received(data);
      return;
    }
    rest_ = data.text();
    // Nothing may overtake it.
    transport().pause_producing();
  }
  void deliver_rest_later() {
    if (rest_.empty()) return;
    clock().call_later(Duration::zero(), [weak = weak_from_this()] {
      if (const auto self = locked(weak)) self->deliver_rest();
    });
  }
  void deliver_rest() {
    if (pauses_ > 0 || rest_.empty()) return;
    const auto data = std::exchange(rest_, {});
    transport().resume_producing();
    if (closing()) return;
    detail::HeldContext none;
    auto* const connections = context();
    clock().turn().enter_in(
        connections != nullptr ? *connections : none, [&] { ProtocolWrapper::data_received(data); },
        [this](const Failure& failure) { abort_connection(failure); });
  }

  void refuse(const std::string& why) {
    const auto peer = ProtocolWrapper::peer();
    log(LogLevel::warning, "proxy", "The connection with " + peer.text() + " is refused: " + why);
    abort_connection(Failure(ProxyError(why, peer)));
  }

  static std::shared_ptr<Proxied> locked(const std::weak_ptr<Protocol>& weak) {
    return std::static_pointer_cast<Proxied>(weak.lock());
  }

  std::shared_ptr<Factory> factory_;
  Duration timeout_;
  DelayedCall late_;
  ProxyHeaderParser parser_;
  std::string rest_;
  int pauses_ = 0;
};

class BehindProxyFactory final : public WrappingFactory {
 public:
  BehindProxyFactory(std::shared_ptr<Factory> wrapped, BehindProxyOptions options)
      : WrappingFactory(wrapped), factory_(std::move(wrapped)), options_(std::move(options)) {}

  std::shared_ptr<Protocol> build_protocol(const Address& peer) override {
    if (trusts(peer)) {
      refusing_ = false;
      return std::make_shared<Proxied>(factory_, options_);
    }
    if (options_.admit_others) return factory_->build_protocol(peer);
    if (!std::exchange(refusing_, true)) {
      log(LogLevel::warning, "proxy",
          peer.text() + " is refused, and so are others: they are none of the proxies we trust");
    }
    return nullptr;
  }

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    return protocol;
  }
  [[nodiscard]] bool trusts(const Address& peer) const noexcept {
    if (peer.family() == Address::Family::unix_socket) return options_.trust_unix_sockets;
    return std::any_of(options_.trusted.begin(), options_.trusted.end(),
                       [&](const Network& network) { return network.contains(peer); });
  }

  std::shared_ptr<Factory> factory_;
  BehindProxyOptions options_;
  bool refusing_ = false;
};

class Announcing final : public ProtocolWrapper {
 public:
  Announcing(std::shared_ptr<Protocol> wrapped, ProxyVersion version,
             std::optional<ProxyHeader> header)
      : ProtocolWrapper(std::move(wrapped)), version_(version), header_(std::move(header)) {}

  void connection_made() override {
    const auto header = header_ ? *std::exchange(header_, {}) : ProxyHeader{host(), peer(), {}};
    write(version_ == ProxyVersion::v1 ? header.version_1() : header.version_2());
    ProtocolWrapper::connection_made();
  }

 private:
  ProxyVersion version_;
  std::optional<ProxyHeader> header_;
};

class AnnouncingFactory final : public WrappingFactory {
 public:
  AnnouncingFactory(std::shared_ptr<Factory> wrapped, ProxyVersion version,
                    std::optional<ProxyHeader> header)
      : WrappingFactory(std::move(wrapped)), version_(version), header_(std::move(header)) {}

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    return std::make_shared<Announcing>(std::move(protocol), version_, header_);
  }

  ProxyVersion version_;
  std::optional<ProxyHeader> header_;
};

class ServerBehindProxy final : public ServerEndpoint {
 public:
  ServerBehindProxy(std::unique_ptr<ServerEndpoint> endpoint, BehindProxyOptions options)
      : endpoint_(std::move(endpoint)), options_(std::move(options)) {}

 private:
  Deferred<ListeningPort> start(std::shared_ptr<Factory> factory,
                                const FactoryWrapper& next_to_the_wire) override {
    // May be called when this endpoint and the caller's wrapper are gone.
    return endpoint_->listen(
        std::move(factory), [next_to_the_wire, options = options_](std::shared_ptr<Factory> inner) {
          return next_to_the_wire(behind_proxy(std::move(inner), options));
        });
  }

  std::unique_ptr<ServerEndpoint> endpoint_;
  BehindProxyOptions options_;
};

class AnnouncingClient final : public ClientEndpoint {
 public:
  AnnouncingClient(std::unique_ptr<ClientEndpoint> endpoint, ProxyVersion version)
      : endpoint_(std::move(endpoint)), version_(version) {}

 private:
  Deferred<std::shared_ptr<Protocol>> start(std::shared_ptr<Factory> factory,
                                            const FactoryWrapper& next_to_the_wire) override {
    // Below TLS it is called when this endpoint and the caller's wrapper are gone.
    return endpoint_->connect(
        std::move(factory), [next_to_the_wire, version = version_](std::shared_ptr<Factory> inner) {
          return next_to_the_wire(announcing(std::move(inner), version));
        });
  }

  std::unique_ptr<ClientEndpoint> endpoint_;
  ProxyVersion version_;
};

}  // namespace

std::shared_ptr<Factory> behind_proxy(std::shared_ptr<Factory> factory,
                                      BehindProxyOptions options) {
  return std::make_shared<BehindProxyFactory>(std::move(factory), std::move(options));
}

std::shared_ptr<Factory> announcing(std::shared_ptr<Factory> factory, ProxyVersion version,
                                    ProxyHeader header) {
  return std::make_shared<AnnouncingFactory>(std::move(factory), version, std::move(header));
}

std::shared_ptr<Factory> announcing(std::shared_ptr<Factory> factory, ProxyVersion version) {
  return std::make_shared<AnnouncingFactory>(std::move(factory), version, std::nullopt);
}

std::unique_ptr<ServerEndpoint> behind_proxy(std::unique_ptr<ServerEndpoint> endpoint,
                                             BehindProxyOptions options) {
  return std::make_unique<ServerBehindProxy>(std::move(endpoint), std::move(options));
}

std::unique_ptr<ClientEndpoint> announcing(std::unique_ptr<ClientEndpoint> endpoint,
                                           ProxyVersion version) {
  return std::make_unique<AnnouncingClient>(std::move(endpoint), version);
}

}  // namespace weft
