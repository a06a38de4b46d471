#include "kept_connection.hpp"

#include "../error.hpp"
#include "../transport.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

namespace weft::detail {

// Stands between the transport and the user's protocol, to learn of the connection's end.
class KeptConnection::Relay final : public Protocol {
 public:
  Relay(std::shared_ptr<KeptConnection> owner, std::shared_ptr<Protocol> protocol)
      : owner_(std::move(owner)), protocol_(std::move(protocol)) {}

  // The protocol keeps this relay, and with it the transport, until the connection is lost.
  void connection_made() override { protocol_->make_connection(passed_on()); }
  void change_transport(std::shared_ptr<Transport> transport) override {
    Protocol::change_transport(std::move(transport));
    if (protocol_) protocol_->change_transport(passed_on());
  }
  void data_received(BytesView data) override { protocol_->data_received(data); }
  void eof_received() override { protocol_->eof_received(); }
  void pause_writing() override { protocol_->pause_writing(); }
  void resume_writing() override { protocol_->resume_writing(); }
  [[nodiscard]] BufferedProtocol* buffered() noexcept override {
    return protocol_ ? protocol_->buffered() : nullptr;
  }
  [[nodiscard]] DescriptorReceiver* descriptor_receiver() noexcept override {
    return protocol_ ? protocol_->descriptor_receiver() : nullptr;
  }
  void connection_lost(const Failure& reason) override {
    const auto protocol = std::move(protocol_);
    const auto owner = std::move(owner_);
    try {
      protocol->connection_lost(reason);
    } catch (...) {
      owner->connection_went(this, reason);
      throw;
    }
    owner->connection_went(this, reason);
  }

  [[nodiscard]] const std::shared_ptr<Protocol>& protocol() const noexcept { return protocol_; }
  void lose_connection() { transport().lose_connection(); }
  void abort_connection() { transport().abort_connection(); }

 private:
  std::shared_ptr<Transport> passed_on() { return {shared_from_this(), &transport()}; }

  std::shared_ptr<KeptConnection> owner_;
  std::shared_ptr<Protocol> protocol_;
};

class KeptConnection::RelayFactory final : public Factory {
 public:
  explicit RelayFactory(std::shared_ptr<KeptConnection> owner) : owner_(std::move(owner)) {}
  std::shared_ptr<Protocol> build_protocol(const Address& peer) override {
    auto protocol = owner_->factory_->build_protocol(peer);
    if (!protocol) return nullptr;
    auto relay = std::make_shared<Relay>(owner_, std::move(protocol));
    built_ = relay;
    return relay;
  }
  // An endpoint may put wrappers around what it connects.
  [[nodiscard]] std::shared_ptr<Relay> built() const noexcept { return built_.lock(); }

 private:
  std::shared_ptr<KeptConnection> owner_;
  std::weak_ptr<Relay> built_;
};

KeptConnection::KeptConnection(Clock& clock, Connect connect, std::shared_ptr<Factory> factory,
                               const ReconnectOptions& options, Prepare prepare)
    : clock_(clock),
      connect_(std::move(connect)),
      prepare_(std::move(prepare)),
      factory_(std::move(factory)),
      options_(options),
      random_(options.seed ? *options.seed : std::random_device()()) {
  if (options.first_delay < Duration::zero() || options.max_delay < Duration::zero() ||
      !(options.factor >= 1) || !(options.jitter >= 0)) {
    throw InvalidArgument(
        "A reconnecting client's delays and jitter must not be negative, nor its factor below 1.");
  }
}

KeptConnection::~KeptConnection() = default;

// ---- connecting

void KeptConnection::start() {
  if (running()) throw AlreadyRunningError("This client was started already; stop it first.");
  if (state_ == State::closing) {
    start_again_ = true;
    next_context_ = HeldContext::capture();
    return;
  }
  factory_->add_user();
  context_ = HeldContext::capture();
  gave_up_.reset();
  failures_ = 0;
  began();
  connect();
}

void KeptConnection::connect() {
  const auto self = shared_from_this();
  auto copy = context_.share();
  const ContextSwitch inside(copy);
  state_ = State::connecting;
  auto factory = std::make_shared<RelayFactory>(self);
  auto connecting = maybe_deferred([&] { return connect_(factory); });
  under_way_ = connecting.canceller();
  static_cast<void>(
      std::move(connecting).add_both([self, factory](const Outcome<std::shared_ptr<Protocol>>& it) {
        self->attempt_ended(factory, it);
      }));
}

void KeptConnection::attempt_ended(const std::shared_ptr<RelayFactory>& factory,
                                   const Outcome<std::shared_ptr<Protocol>>& outcome) {
  under_way_ = Canceller();
  if (outcome) {
    connection_came(factory->built());
  } else if (state_ == State::closing) {
    closed();
  } else {
    attempt_failed(outcome.failure());
  }
}

void KeptConnection::connection_came(std::shared_ptr<Relay> relay) {
  const auto protocol = relay != nullptr ? relay->protocol() : nullptr;
  relay_ = std::move(relay);
  if (!protocol) {
    // It was lost before it was reported.
    relay_.reset();
    state_ == State::closing ? closed() : retry_later(0);
  } else if (state_ == State::closing) {
    // It came although the attempt had been cancelled.
    relay_->lose_connection();
  } else if (prepare_) {
    prepare(protocol);
  } else {
    established();
  }
}

void KeptConnection::established() {
  state_ = State::connected;
  failures_ = 0;
  const auto protocol = relay_->protocol();
  for (auto& waiter : std::exchange(waiters_, {})) {
    if (!waiter.promise.fired()) waiter.promise.callback(protocol);
  }
}

void KeptConnection::connection_went(const Relay* relay, const Failure& reason) {
  // One that ended while its attempt was still under way is told by the attempt.
  if (relay != relay_.get()) return;
  relay_.reset();
  if (preparation_under_way_) {
    if (!unfit_) unfit_ = reason;
    auto preparation = std::move(under_way_);
    preparation.cancel();
  } else if (state_ == State::closing) {
    closed();
  } else if (state_ == State::preparing) {
    attempt_failed(*std::exchange(unfit_, std::nullopt));
  } else {
    retry_later(0);
  }
}

void KeptConnection::prepare(const std::shared_ptr<Protocol>& protocol) {
  const auto self = shared_from_this();
  state_ = State::preparing;
  preparation_under_way_ = true;
  unfit_.reset();
  auto preparation = maybe_deferred([&] { return prepare_(protocol); });
  under_way_ = preparation.canceller();
  static_cast<void>(std::move(preparation).add_both([self](const Outcome<void>& outcome) {
    self->preparation_ended(outcome);
  }));
}

void KeptConnection::preparation_ended(const Outcome<void>& outcome) {
  under_way_ = Canceller();
  preparation_under_way_ = false;
  if (state_ == State::closing) {
    if (!relay_) closed();
  } else if (!relay_) {
    attempt_failed(*std::exchange(unfit_, std::nullopt));
  } else if (outcome) {
    established();
  } else {
    unfit_ = outcome.failure();
    relay_->lose_connection();
  }
}

// ---- failing

void KeptConnection::attempt_failed(const Failure& failure) {
  ++failures_;
  if (options_.max_attempts > 0 && failures_ >= options_.max_attempts) {
    give_up(failure);
  } else {
    retry_later(failures_ - 1);
    fail(take_impatient(), failure);
  }
}

void KeptConnection::retry_later(int failures) {
  auto copy = context_.share();
  const ContextSwitch inside(copy);
  state_ = State::waiting;
  const std::chrono::duration<double, Duration::period> first = options_.first_delay;
  const std::chrono::duration<double, Duration::period> most = options_.max_delay;
  const auto delay = std::min(most, first * std::pow(options_.factor, std::min(failures, 1000)));
  const auto chance = std::uniform_real_distribution<double>(0, options_.jitter)(random_);
  const auto drawn = delay * (1 + chance);
  // The longest of all is no number of ticks that a double has.
  retry_ = clock_.call_later(
      drawn < Duration::max() ? std::chrono::duration_cast<Duration>(drawn) : Duration::max(),
      [self = shared_from_this()] { self->connect(); });
}

void KeptConnection::give_up(const Failure& failure) {
  const auto self = shared_from_this();
  state_ = State::idle;
  context_ = HeldContext();
  gave_up_ = failure;
  ended();
  factory_->remove_user();
  fail(std::exchange(waiters_, {}), failure);
}

// ---- stopping

Deferred<void> KeptConnection::stop() {
  const auto self = shared_from_this();
  start_again_ = false;
  if (state_ == State::idle) {
    fail(std::exchange(waiters_, {}),
         make_failure<CancelledError>("The client was stopped before it was connected."));
    return succeed();
  }
  Promise<void> promise;
  auto stopped = promise.deferred();
  stops_.push_back(std::move(promise));
  const auto before = std::exchange(state_, State::closing);
  if (before == State::waiting) {
    retry_.cancel_if_active();
    closed();
  } else if (before != State::closing) {
    // Kept here: the cancelled preparation may end the connection.
    const auto relay = relay_;
    auto under_way = std::move(under_way_);
    under_way.cancel();
    if (relay) relay->lose_connection();
  }
  fail(std::exchange(waiters_, {}),
       make_failure<CancelledError>("The client was stopped before it was connected."));
  return stopped;
}

void KeptConnection::abort() {
  const auto relay = relay_;
  if (state_ == State::closing && relay) relay->abort_connection();
}

void KeptConnection::closed() {
  const auto self = shared_from_this();
  state_ = State::idle;
  context_ = HeldContext();
  ended();
  auto outcome = Outcome<void>();
  try {
    factory_->remove_user();
  } catch (...) {
    outcome = Failure::current();
  }
  for (auto& promise : std::exchange(stops_, {}))
    promise.fire(outcome);
  auto next = std::move(next_context_);
  const ContextSwitch inside(next);
  if (std::exchange(start_again_, false)) start();
}

// ---- those who wait

Deferred<std::shared_ptr<Protocol>> KeptConnection::when_connected(int max_failures,
                                                                   SourceLocation where) {
  using Result = std::shared_ptr<Protocol>;
  if (max_failures < 0) {
    throw InvalidArgument("The number of failures to wait through must not be negative.");
  }
  if (state_ == State::connected) return succeed(relay_->protocol());
  if (gave_up_) return weft::fail<Result>(*gave_up_);
  std::erase_if(waiters_, [](const auto& waiter) { return waiter.promise.fired(); });
  Promise<Result> promise({}, where);
  auto deferred = promise.deferred();
  waiters_.push_back({std::move(promise), max_failures});
  return deferred;
}

std::vector<KeptConnection::Waiter> KeptConnection::take_impatient() {
  const auto impatient = std::stable_partition(
      waiters_.begin(), waiters_.end(),
      [](Waiter& waiter) { return waiter.patience == 0 || --waiter.patience > 0; });
  std::vector<Waiter> taken(std::make_move_iterator(impatient),
                            std::make_move_iterator(waiters_.end()));
  waiters_.erase(impatient, waiters_.end());
  return taken;
}

void KeptConnection::fail(std::vector<Waiter> waiters, const Failure& failure) {
  for (auto& waiter : waiters) {
    if (!waiter.promise.fired()) waiter.promise.errback(failure);
  }
}

}  // namespace weft::detail
