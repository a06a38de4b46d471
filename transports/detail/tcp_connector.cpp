#include "tcp_connector.hpp"

#include "../../framework/error.hpp"
#include "../../framework/resolver.hpp"
#include "tcp_transport.hpp"

#include <utility>

namespace weft::detail::WEFT_BACKEND {

TcpConnector::TcpConnector(AsioLoop& loop, std::shared_ptr<Factory> factory, std::string host,
                           Port port)
    : ConnectAttempt(loop.reactor, std::move(factory)),
      loop_(loop.shared_from_this()),
      socket_(loop.io),
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
    if (!self->over()) self->resolve();
  });
  return outcome;
}

void TcpConnector::resolve() {
  if (const auto address = Address::parse(host_, port_)) {
    addresses_ = {*address};
    try_next();
    return;
  }
  auto lookup = maybe_deferred([this] { return loop_->reactor.resolver().resolve(host_, port_); })
                    .add_callbacks(
                        [self = self()](std::vector<Address> addresses) {
                          if (self->over()) return;
                          self->addresses_ = std::move(addresses);
                          self->try_next();
                        },
                        [self = self()](const Failure& failure) { self->failed(failure); });
  lookup_ = lookup.canceller();
}

void TcpConnector::try_next() {
  while (next_ < addresses_.size()) {
    const Address& address = addresses_[next_++];
    if (!prepare(address)) continue;
    loop_->asio_used();
    connecting_ = true;
    socket_.async_connect(to_endpoint(address), [self = self()](const ErrorCode& error) {
      const Turn::Scope scope(self->clock().turn());
      try {
        self->connect_done(error);
      } catch (...) {
        self->failed(Failure::current());
      }
    });
    return;
  }
  failed(last_failure_
             ? *last_failure_
             : Failure(ResolveError("\"" + host_ + "\" has no address; check the name.")));
}

bool TcpConnector::prepare(const Address& address) {
  ErrorCode error;
  socket_.close(error);
  const auto endpoint = to_endpoint(address);
  error = {};
  socket_.open(endpoint.protocol(), error);
  if (!error) prepare_socket(socket_, error);
  if (error) {
    last_failure_ = failure_from(error);
    return false;
  }
  if (!options_.bind_address) return true;
  socket_.bind(to_endpoint(*options_.bind_address), error);
  if (!error) return true;
  last_failure_ = Failure(
      BindError("Connecting to " + target() + " from " + options_.bind_address->text() +
                    " failed: " + to_std(error).message() + "; choose another local address.",
                *options_.bind_address, to_std(error)));
  return false;
}

void TcpConnector::connect_done(const ErrorCode& error) {
  connecting_ = false;
  if (over()) {
    close_socket(*loop_, socket_, false);
    return;
  }
  if (error) {
    last_failure_ = failure_from(error);
    try_next();
    return;
  }
  const Address& address = addresses_[next_ - 1];
  connected(std::make_shared<TcpTransport>(*loop_, std::move(socket_), address));
}

void TcpConnector::timed_out() {
  const auto seconds = std::chrono::duration<double>(options_.timeout).count();
  failed(Failure(ConnectTimeout("Connecting to " + target() + " took longer than " +
                                std::to_string(seconds) +
                                " s; check that it is up, or allow more time.")));
}

void TcpConnector::end_attempt() noexcept {
  timeout_.cancel_if_active();
  lookup_.cancel();
  close_socket(*loop_, socket_, connecting_);
}

Failure TcpConnector::failure_from(const ErrorCode& error) const {
  const Address& address = addresses_[next_ - 1];
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

}  // namespace weft::detail::WEFT_BACKEND
