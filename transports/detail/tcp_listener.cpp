#include "tcp_listener.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"
#include "tcp_transport.hpp"

#include <boost/asio/ip/v6_only.hpp>

#include <string>
#include <utility>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/socket.h>
#endif

namespace weft::detail::WEFT_BACKEND {

namespace {

// With no descriptor left, accepting is tried again this often: rarely enough to cost nothing, and
// soon enough for those who wait.
constexpr auto rest_time = std::chrono::milliseconds(100);

[[noreturn]] void refuse(const std::string& where, const ErrorCode& error) {
  const auto code = to_std(error);
  if (code == std::errc::address_in_use) {
    throw AddressInUse("Somebody listens on " + where +
                           " already; stop them, choose another port, or 0 for a free one.",
                       {}, code);
  }
  throw ListenError("Listening on " + where + " failed: " + code.message() +
                        "; check the address, and that this user may use the port.",
                    {}, code);
}

}  // namespace

TcpListener::TcpListener(AsioLoop& loop, std::shared_ptr<Factory> factory)
    : Listener(loop.reactor, std::move(factory)),
      loop_(loop.shared_from_this()),
      acceptor_(loop.io),
      accepted_(loop.io) {}

TcpListener::~TcpListener() {
  rest_call_.cancel_if_active();
}

void TcpListener::open(Port port, const ListenOptions& options) {
  const bool everywhere = options.interface.empty();
  const auto address = Address::parse(everywhere ? "::" : options.interface, port);
  const auto where = (everywhere ? "*" : options.interface) + ":" + std::to_string(port);
  if (!address) {
    throw ListenError("\"" + options.interface +
                      "\" is no numeric address to listen on; give one such as 127.0.0.1 or ::1.");
  }
  ErrorCode error;
  const bool bound = bind(to_endpoint(*address), options, error);
  if (!bound && everywhere && to_std(error) != std::errc::address_in_use) {
    // A machine without IPv6.
    error = {};
    bind(to_endpoint(Address::ipv4({0, 0, 0, 0}, port)), options, error);
  }
  if (!error) {
    acceptor_.listen(options.backlog > 0 ? options.backlog
                                         : static_cast<int>(Tcp::acceptor::max_listen_connections),
                     error);
  }
#ifndef WEFT_BACKEND_IO_URING
  if (!error) acceptor_.non_blocking(true, error);
#endif
  const auto host = error ? Tcp::endpoint() : acceptor_.local_endpoint(error);
  if (error) {
    ErrorCode ignored;
    acceptor_.close(ignored);
    refuse(where, error);
  }
  opened(to_address(host));
  accept();
}

bool TcpListener::bind(const Tcp::endpoint& endpoint, const ListenOptions& options,
                       ErrorCode& error) {
  const bool v6 = endpoint.address().is_v6();
  ErrorCode ignored;
  acceptor_.close(ignored);
  acceptor_.open(v6 ? Tcp::v6() : Tcp::v4(), error);
#ifndef _WIN32
  if (!error) ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);
  // On Windows this option would let two programs share the port.
  if (!error) acceptor_.set_option(net::socket_base::reuse_address(true), error);
  if (!error && options.reuse_port) {
    acceptor_.set_option(net::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true),
                         error);
  }
#endif
  if (!error && v6) acceptor_.set_option(net::ip::v6_only(options.ipv6_only), error);
  if (!error) acceptor_.bind(endpoint, error);
  return !error;
}

void TcpListener::accept() noexcept {
  if (!listening()) return;
  loop_->asio_used();
  accepting_ = true;
  try {
    acceptor_.async_accept(accepted_, peer_, [self = self()](const ErrorCode& error) {
      const Turn::Scope scope(*self->turn());
      self->accept_done(error);
    });
  } catch (...) {
    accepting_ = false;
    rest(net::error::no_memory);
  }
}

void TcpListener::accept_done(const ErrorCode& error) {
  accepting_ = false;
  if (!listening()) {
    close_socket(*loop_, acceptor_, false);
    return;
  }
  if (error) {
    if (error == net::error::connection_aborted || error == net::error::interrupted) {
      accept();
    } else if (error != net::error::operation_aborted) {
      rest(error);
    }
    return;
  }
  short_of_resources_ = false;
  try {
    Tcp::socket socket = std::exchange(accepted_, Tcp::socket(loop_->io));
    ErrorCode failed;
    prepare_socket(socket, failed);
    // A peer that is gone already shows here, and is nobody's loss.
    if (!failed) {
      accepted(std::make_shared<TcpTransport>(*loop_, std::move(socket), to_address(peer_)));
    }
  } catch (...) {
    log_failure("listener", "A connection could not be taken", Failure::current());
  }
  accept();
}

void TcpListener::rest(const ErrorCode& error) {
  if (!std::exchange(short_of_resources_, true)) {
    log(LogLevel::warning, "listener",
        "Accepting on " + address().text() + " failed: " + to_std(error).message() +
            "; it is tried again every 100 ms");
  }
  // Nobody else need hold a port that rests: its handle may be gone.
  rest_call_ = clock().call_later(rest_time, [self = self()] { self->accept(); });
}

void TcpListener::close_port() noexcept {
  rest_call_.cancel_if_active();
  close_socket(*loop_, acceptor_, accepting_);
}

}  // namespace weft::detail::WEFT_BACKEND
