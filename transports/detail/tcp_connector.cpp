#include "tcp_connector.hpp"

#include "../../framework/error.hpp"
#include "../../framework/resolver.hpp"
#include "tcp_transport.hpp"

#include <utility>

namespace weft::detail::WEFT_BACKEND {

namespace {

Failure failure_from(const Address& address, const ErrorCode& error) {
  const auto code = to_std(error);
  const auto what = "Connecting to " + address.text() + " failed: ";
  if (code == std::errc::connection_refused) {
    return Failure(ConnectionRefused(what + "nobody listens there; check the port, and that the "
                                            "server is up.",
                                     address, code));
  }
  if (code == std::errc::timed_out) {
    return Failure(ConnectTimeout(what + "no answer came.", address, code));
  }
  if (code == std::errc::network_unreachable || code == std::errc::host_unreachable) {
    return Failure(NoRoute(what + "there is no route; check the network.", address, code));
  }
  return Failure(ConnectError(what + code.message() + ".", address, code));
}

}  // namespace

TcpConnector::TcpConnector(AsioLoop& loop, std::shared_ptr<Factory> factory, std::string host,
                           Port port)
    : ConnectAttempt(loop.reactor, std::move(factory)),
      loop_(loop.shared_from_this()),
      host_(std::move(host)),
      port_(port) {}

TcpConnector::~TcpConnector() = default;

std::string TcpConnector::target() const {
  const auto address = Address::parse(host_, port_);
  return address ? address->text() : host_ + ":" + std::to_string(port_);
}

Deferred<std::shared_ptr<Protocol>> TcpConnector::start(const ConnectOptions& options) {
  options_ = options;
  auto outcome = begin();
  timeout_ = clock().call_later(options_.timeout, [self = self()] { self->timed_out(); });
  // Nothing is told inside the call that begins it, however soon it is known.
  clock().call_later(Duration::zero(), [self = self()] {
    if (!self->over()) self->connect();
  });
  return outcome;
}

void TcpConnector::connect() {
  if (const auto address = Address::parse(host_, port_)) {
    start_attempt(0, *address);
    return;
  }
  HappyEyeballsOptions race;
  if (options_.bind_address) race.only = options_.bind_address->family();
  race_ = HappyEyeballs::make(clock(), *this, target(), race);
  race_->start(loop_->reactor.resolver(), host_, port_);
}

void TcpConnector::start_attempt(std::size_t number, const Address& address) {
  auto& attempt = *attempts_.emplace_back(std::make_unique<Attempt>(*loop_, address));
  if (auto failure = prepare(attempt)) {
    attempt_failed(number, std::move(*failure));
    return;
  }
  loop_->asio_used();
  attempt.connecting = true;
  attempt.socket.async_connect(to_endpoint(address),
                               [self = self(), number](const ErrorCode& error) {
                                 const Turn::Scope scope(self->clock().turn());
                                 try {
                                   self->connect_done(number, error);
                                 } catch (...) {
                                   self->failed(Failure::current());
                                 }
                               });
}

std::optional<Failure> TcpConnector::prepare(Attempt& attempt) {
  ErrorCode error;
  auto& socket = attempt.socket;
  socket.open(to_endpoint(attempt.address).protocol(), error);
  if (!error) prepare_socket(socket, error);
  if (error) return failure_from(attempt.address, error);
  if (!options_.bind_address) return std::nullopt;
  socket.bind(to_endpoint(*options_.bind_address), error);
  if (!error) return std::nullopt;
  return Failure(BindError(
      "Connecting to " + attempt.address.text() + " from " + options_.bind_address->text() +
          " failed: " + to_std(error).message() + "; choose another local address.",
      *options_.bind_address, to_std(error)));
}

void TcpConnector::connect_done(std::size_t number, const ErrorCode& error) {
  auto& attempt = *attempts_[number];
  attempt.connecting = false;
  if (over() || attempt.abandoned) {
    // It may have been connected before it was told not to.
    close_socket(*loop_, attempt.socket, false);
  } else if (error) {
    attempt_failed(number, failure_from(attempt.address, error));
  } else if (race_ != nullptr) {
    race_->succeeded(number);
  } else {
    race_won(number);
  }
}

void TcpConnector::attempt_failed(std::size_t number, Failure reason) {
  close_socket(*loop_, attempts_[number]->socket, false);
  race_ != nullptr ? race_->failed(number, std::move(reason)) : failed(std::move(reason));
}

void TcpConnector::abandon_attempt(std::size_t number) noexcept {
  auto& attempt = *attempts_[number];
  attempt.abandoned = true;
  close_socket(*loop_, attempt.socket, attempt.connecting);
}

void TcpConnector::race_won(std::size_t number) {
  auto& attempt = *attempts_[number];
  connected(std::make_shared<TcpTransport>(*loop_, std::move(attempt.socket), attempt.address));
}

void TcpConnector::timed_out() {
  const auto seconds = std::chrono::duration<double>(options_.timeout).count();
  failed(Failure(ConnectTimeout("Connecting to " + target() + " took longer than " +
                                std::to_string(seconds) +
                                " s; check that it is up, or allow more time.")));
}

void TcpConnector::end_attempt() noexcept {
  timeout_.cancel_if_active();
  if (race_ != nullptr) {
    race_->cancel();
  } else if (!attempts_.empty() && attempts_.front()->connecting) {
    abandon_attempt(0);
  }
}

}  // namespace weft::detail::WEFT_BACKEND
