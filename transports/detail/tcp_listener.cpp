#include "tcp_listener.hpp"

#include "../../framework/logging.hpp"
#include "tcp_binding.hpp"
#include "tcp_transport.hpp"

#include <utility>

namespace weft::detail::WEFT_BACKEND {

TcpListener::TcpListener(AsioLoop& loop, std::shared_ptr<Factory> factory)
    : TcpListenerBase(loop.reactor, std::move(factory)),
      loop_(loop.shared_from_this()),
      acceptor_(loop.io),
      accepted_(loop.io) {}

TcpListener::~TcpListener() = default;

void TcpListener::open(Port port, const ListenOptions& options) {
  begin(open_port(acceptor_, port, options));
}

#if defined(__linux__) || defined(_WIN32)
void TcpListener::adopt(PassedPort port) {
  auto host = port.address;
  adopt_port(acceptor_, std::move(port));
  begin(std::move(host));
}
#endif

#ifdef __linux__
void TcpListener::take_connection(OwnedDescriptor connection, const Address& peer) noexcept {
  const Turn::Scope scope(*turn());
  loop_->asio_used();
  Tcp::socket socket(loop_->io);
  ErrorCode error;
  const bool v4 = address().family() == Address::Family::ipv4;
  socket.assign(v4 ? Tcp::v4() : Tcp::v6(), connection.get(), error);
  if (error) {
    log(LogLevel::error, "listener",
        "A connection could not be taken: " + to_std(error).message() + "; it is closed");
    return;
  }
  static_cast<void>(connection.release());
  take(std::move(socket), peer);
}
#endif

void TcpListener::begin(Address host) {
  // io_uring waits where a socket blocks; one that was passed may be either way.
#ifndef WEFT_BACKEND_IO_URING
  acceptor_.non_blocking(true);
#else
  acceptor_.native_non_blocking(false);
#endif
  opened(std::move(host));
  accept_again();
}

// Who comes stays in the queue, for another process perhaps that has the same socket.
void TcpListener::hold_port() noexcept {
  if (!under_way_) return;
  loop_->asio_used();
  ErrorCode ignored;
  acceptor_.cancel(ignored);
}

void TcpListener::accept_again() noexcept {
  // One that only takes what others have accepted has no socket.
  if (under_way_ || !acceptor_.is_open()) return;
  if (std::exchange(one_waits_, false)) {
    take_accepted();
    if (!accepting()) return;
  }
  loop_->asio_used();
  under_way_ = true;
  try {
    acceptor_.async_accept(accepted_, peer_, [self = self()](const ErrorCode& error) {
      const Turn::Scope scope(*self->turn());
      self->accept_done(error);
    });
  } catch (...) {
    under_way_ = false;
    rest(std::make_error_code(std::errc::not_enough_memory));
  }
}

void TcpListener::accept_done(const ErrorCode& error) {
  under_way_ = false;
  if (!listening()) {
    close_socket(*loop_, acceptor_, false);
    // It may have come before it could be told not to.
    close_socket(*loop_, accepted_, false);
    return;
  }
  if (error) {
    // A peer that is gone already, or a pause that is over already.
    if (error == net::error::connection_aborted || error == net::error::interrupted ||
        error == net::error::operation_aborted) {
      if (accepting()) accept_again();
    } else {
      rest(to_std(error));
    }
    return;
  }
  rested();
  // It came before it could be told not to.
  if (!accepting()) {
    one_waits_ = true;
    return;
  }
  take_accepted();
  if (accepting()) accept_again();
}

void TcpListener::take_accepted() noexcept {
  take(std::exchange(accepted_, Tcp::socket(loop_->io)), to_address(peer_));
}

void TcpListener::take(Tcp::socket socket, const Address& peer) noexcept {
  try {
    ErrorCode failed;
    prepare_socket(socket, failed);
    // A peer that is gone already shows here, and is nobody's loss.
    if (!failed) accepted(std::make_shared<TcpTransport>(*loop_, std::move(socket), peer));
  } catch (...) {
    log_failure("listener", "A connection could not be taken", Failure::current());
  }
}

void TcpListener::close_port() noexcept {
  close_socket(*loop_, acceptor_, under_way_);
  if (std::exchange(one_waits_, false)) close_socket(*loop_, accepted_, false);
}

}  // namespace weft::detail::WEFT_BACKEND
