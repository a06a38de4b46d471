#include "reconnecting_client.hpp"

#include "detail/held_context.hpp"
#include "error.hpp"
#include "transport.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

namespace weft {

// Shared with its connection, which may end after the ReconnectingClient was destroyed.
class ReconnectingClient::Client : public std::enable_shared_from_this<Client> {
 public:
  Client(Reactor& reactor, std::string host, Port port, std::shared_ptr<Factory> factory,
         const ReconnectOptions& options);
  void start();
  Deferred<void> stop();
  Deferred<std::shared_ptr<Protocol>> when_connected(SourceLocation where);
  [[nodiscard]] bool running() const noexcept {
    return (state_ != State::idle && state_ != State::closing) || start_again_;
  }
  [[nodiscard]] bool connected() const noexcept { return state_ == State::connected; }

 private:
  enum class State : std::uint8_t { idle, connecting, connected, waiting, closing };
  class Relay;
  class RelayFactory;

  void connect();
  void attempt_ended(const Outcome<std::shared_ptr<Protocol>>& outcome);
  void attempt_failed(const Failure& failure);
  void connection_came(std::shared_ptr<Relay> relay);
  void connection_went(const Relay* relay);
  void retry_later(int failures);
  void give_up(const Failure& failure);
  void closed();
  void stop_with_reactor();
  void forget_reactor_stop();
  [[nodiscard]] std::vector<Promise<std::shared_ptr<Protocol>>> take_waiters();
  void fail_waiters(const Failure& failure);

  Reactor& reactor_;
  const std::string host_;
  const Port port_;
  const std::shared_ptr<Factory> factory_;
  const ReconnectOptions options_;
  std::minstd_rand random_;
  // That of `start`: each connection's own is begun with it, and none with that of the one before.
  detail::HeldContext context_;
  // That of a `start` that waits for the end of the connection before it.
  detail::HeldContext next_context_;
  State state_ = State::idle;
  bool start_again_ = false;
  int failures_ = 0;
  std::optional<Failure> gave_up_;
  DelayedCall retry_;
  Canceller attempt_;
  std::shared_ptr<Relay> relay_;
  std::vector<Promise<std::shared_ptr<Protocol>>> waiters_;
  std::vector<Promise<void>> stops_;
  std::optional<TriggerId> reactor_stop_;
};

// Stands between the transport and the user's protocol, to learn of the connection's end.
class ReconnectingClient::Client::Relay final : public Protocol {
 public:
  Relay(std::shared_ptr<Client> client, std::shared_ptr<Protocol> protocol)
      : client_(std::move(client)), protocol_(std::move(protocol)) {}

  void connection_made() override {
    // The protocol keeps this relay, and with it the transport, until the connection is lost.
    protocol_->make_connection(std::shared_ptr<Transport>(shared_from_this(), &transport()));
  }
  void data_received(BytesView data) override { protocol_->data_received(data); }
  void eof_received() override { protocol_->eof_received(); }
  void pause_writing() override { protocol_->pause_writing(); }
  void resume_writing() override { protocol_->resume_writing(); }
  [[nodiscard]] BufferedProtocol* buffered() noexcept override {
    return protocol_ ? protocol_->buffered() : nullptr;
  }
  void connection_lost(const Failure& reason) override {
    const auto protocol = std::move(protocol_);
    const auto client = std::move(client_);
    try {
      protocol->connection_lost(reason);
    } catch (...) {
      client->connection_went(this);
      throw;
    }
    client->connection_went(this);
  }

  [[nodiscard]] const std::shared_ptr<Protocol>& protocol() const noexcept { return protocol_; }
  void lose_connection() { transport().lose_connection(); }

 private:
  std::shared_ptr<Client> client_;
  std::shared_ptr<Protocol> protocol_;
};

class ReconnectingClient::Client::RelayFactory final : public Factory {
 public:
  explicit RelayFactory(std::shared_ptr<Client> client) : client_(std::move(client)) {}
  std::shared_ptr<Protocol> build_protocol(const Address& peer) override {
    auto protocol = client_->factory_->build_protocol(peer);
    if (!protocol) return nullptr;
    return std::make_shared<Relay>(client_, std::move(protocol));
  }

 private:
  std::shared_ptr<Client> client_;
};

ReconnectingClient::Client::Client(Reactor& reactor, std::string host, Port port,
                                   std::shared_ptr<Factory> factory,
                                   const ReconnectOptions& options)
    : reactor_(reactor),
      host_(std::move(host)),
      port_(port),
      factory_(std::move(factory)),
      options_(options),
      random_(options.seed ? *options.seed : std::random_device()()) {
  if (options.first_delay < Duration::zero() || options.max_delay < Duration::zero() ||
      !(options.factor >= 1) || !(options.jitter >= 0)) {
    throw InvalidArgument(
        "A reconnecting client's delays and jitter must not be negative, nor its factor below 1.");
  }
}

void ReconnectingClient::Client::start() {
  if (running()) {
    throw AlreadyRunningError("This client was started already; stop it first.");
  }
  if (state_ == State::closing) {
    start_again_ = true;
    next_context_ = detail::HeldContext::capture();
    return;
  }
  factory_->add_user();
  context_ = detail::HeldContext::capture();
  gave_up_.reset();
  failures_ = 0;
  stop_with_reactor();
  connect();
}

void ReconnectingClient::Client::stop_with_reactor() {
  reactor_stop_ = reactor_.add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                                    [weak = weak_from_this()] {
                                                      const auto client = weak.lock();
                                                      if (!client) return succeed();
                                                      client->reactor_stop_.reset();
                                                      return client->stop();
                                                    });
}

void ReconnectingClient::Client::forget_reactor_stop() {
  if (!reactor_stop_) return;
  reactor_.remove_system_event_trigger(*std::exchange(reactor_stop_, std::nullopt));
}

void ReconnectingClient::Client::connect() {
  const auto self = shared_from_this();
  auto copy = context_.share();
  const detail::ContextSwitch inside(copy);
  state_ = State::connecting;
  auto connecting = maybe_deferred([&] {
    return reactor_.connect_tcp(host_, port_, std::make_shared<RelayFactory>(self),
                                options_.connect);
  });
  attempt_ = connecting.canceller();
  static_cast<void>(
      std::move(connecting).add_both([self](const Outcome<std::shared_ptr<Protocol>>& outcome) {
        self->attempt_ended(outcome);
      }));
}

void ReconnectingClient::Client::attempt_ended(const Outcome<std::shared_ptr<Protocol>>& outcome) {
  attempt_ = Canceller();
  if (outcome) {
    connection_came(std::static_pointer_cast<Relay>(outcome.value()));
  } else if (state_ == State::closing) {
    closed();
  } else {
    attempt_failed(outcome.failure());
  }
}

void ReconnectingClient::Client::connection_came(std::shared_ptr<Relay> relay) {
  const auto protocol = relay->protocol();
  relay_ = std::move(relay);
  if (!protocol) {
    // It was lost before it was reported.
    connection_went(relay_.get());
    return;
  }
  if (state_ == State::closing) {
    // It came although the attempt had been cancelled.
    relay_->lose_connection();
    return;
  }
  state_ = State::connected;
  failures_ = 0;
  for (auto& waiter : take_waiters()) {
    if (!waiter.fired()) waiter.callback(protocol);
  }
}

void ReconnectingClient::Client::connection_went(const Relay* relay) {
  // One that ended while its attempt was still under way is told by the attempt.
  if (relay != relay_.get()) return;
  relay_.reset();
  if (state_ == State::closing) {
    closed();
  } else {
    retry_later(0);
  }
}

void ReconnectingClient::Client::attempt_failed(const Failure& failure) {
  ++failures_;
  if (options_.max_attempts > 0 && failures_ >= options_.max_attempts) {
    give_up(failure);
  } else {
    retry_later(failures_ - 1);
  }
}

void ReconnectingClient::Client::retry_later(int failures) {
  auto copy = context_.share();
  const detail::ContextSwitch inside(copy);
  state_ = State::waiting;
  const std::chrono::duration<double, Duration::period> first = options_.first_delay;
  const std::chrono::duration<double, Duration::period> most = options_.max_delay;
  const auto delay = std::min(most, first * std::pow(options_.factor, std::min(failures, 1000)));
  const auto chance = std::uniform_real_distribution<double>(0, options_.jitter)(random_);
  retry_ = reactor_.call_later(std::chrono::duration_cast<Duration>(delay * (1 + chance)),
                               [self = shared_from_this()] { self->connect(); });
}

void ReconnectingClient::Client::give_up(const Failure& failure) {
  state_ = State::idle;
  context_ = detail::HeldContext();
  gave_up_ = failure;
  const auto self = shared_from_this();
  forget_reactor_stop();
  factory_->remove_user();
  fail_waiters(failure);
}

Deferred<void> ReconnectingClient::Client::stop() {
  const auto self = shared_from_this();
  start_again_ = false;
  if (state_ == State::idle) return succeed();
  Promise<void> promise;
  auto stopped = promise.deferred();
  stops_.push_back(std::move(promise));
  const auto before = std::exchange(state_, State::closing);
  if (before == State::waiting) {
    retry_.cancel_if_active();
    closed();
  } else if (before == State::connecting) {
    auto attempt = std::move(attempt_);
    attempt.cancel();
  } else if (before == State::connected) {
    relay_->lose_connection();
  }
  fail_waiters(make_failure<CancelledError>("The client was stopped before it was connected."));
  return stopped;
}

void ReconnectingClient::Client::closed() {
  const auto self = shared_from_this();
  state_ = State::idle;
  context_ = detail::HeldContext();
  forget_reactor_stop();
  auto outcome = Outcome<void>();
  try {
    factory_->remove_user();
  } catch (...) {
    outcome = Failure::current();
  }
  for (auto& promise : std::exchange(stops_, {}))
    promise.fire(outcome);
  auto next = std::move(next_context_);
  const detail::ContextSwitch inside(next);
  if (std::exchange(start_again_, false)) start();
}

Deferred<std::shared_ptr<Protocol>> ReconnectingClient::Client::when_connected(
    SourceLocation where) {
  using Result = std::shared_ptr<Protocol>;
  if (state_ == State::connected) return succeed(relay_->protocol());
  if (gave_up_) return fail<Result>(*gave_up_);
  std::erase_if(waiters_, [](const auto& waiter) { return waiter.fired(); });
  Promise<Result> promise({}, where);
  auto deferred = promise.deferred();
  waiters_.push_back(std::move(promise));
  return deferred;
}

std::vector<Promise<std::shared_ptr<Protocol>>> ReconnectingClient::Client::take_waiters() {
  return std::exchange(waiters_, {});
}

void ReconnectingClient::Client::fail_waiters(const Failure& failure) {
  for (auto& waiter : take_waiters()) {
    if (!waiter.fired()) waiter.errback(failure);
  }
}

ReconnectingClient::ReconnectingClient(Reactor& reactor, std::string host, Port port,
                                       std::shared_ptr<Factory> factory,
                                       const ReconnectOptions& options)
    : client_(
          std::make_shared<Client>(reactor, std::move(host), port, std::move(factory), options)) {}

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
  return client_->when_connected(where);
}

bool ReconnectingClient::running() const noexcept {
  return client_->running();
}

bool ReconnectingClient::connected() const noexcept {
  return client_->connected();
}

}  // namespace weft
