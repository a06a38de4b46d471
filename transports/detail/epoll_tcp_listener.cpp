#include "epoll_tcp_listener.hpp"

#include "../../framework/logging.hpp"
#include "epoll_tcp_transport.hpp"
#include "tcp_binding.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace weft::detail::epoll {

namespace {

// Our end of an accepted connection.
Address host_of(int descriptor) {
  Tcp::endpoint host;
  auto size = static_cast<socklen_t>(host.capacity());
  if (::getsockname(descriptor, host.data(), &size) != 0) return {};
  host.resize(size);
  return to_address(host);
}

}  // namespace

TcpListener::TcpListener(AsioLoop& loop, std::shared_ptr<Factory> factory)
    : TakingListener(loop.reactor, std::move(factory)), loop_(loop.shared_from_this()) {}

TcpListener::~TcpListener() {
  TcpListener::close_port();
}

void TcpListener::open(Port port, const ListenOptions& options) {
  Tcp::acceptor acceptor(loop_->io);
  begin(acceptor, open_port(acceptor, port, options));
}

void TcpListener::adopt(PassedPort port) {
  Tcp::acceptor acceptor(loop_->io);
  auto host = port.address;
  adopt_port(acceptor, std::move(port));
  begin(acceptor, std::move(host));
}

void TcpListener::begin(Tcp::acceptor& acceptor, Address host) {
  acceptor.native_non_blocking(true);
  // What is accepted on Linux inherits it.
  acceptor.set_option(Tcp::no_delay(true));
  one_address_ = !acceptor.local_endpoint().address().is_unspecified();
  descriptor_ = acceptor.release();
  opened(std::move(host));
  accept_again();
}

void TcpListener::accept_again() noexcept {
  // One that only takes what others have accepted has no socket.
  if (polled_ || descriptor_ < 0) return;
  try {
    loop_->poller.add(descriptor_, EPOLLIN, *this);
    polled_ = true;
  } catch (const std::system_error& error) {
    rest(error.code());
  } catch (...) {
    rest(std::make_error_code(std::errc::not_enough_memory));
  }
}

void TcpListener::stop_waiting() noexcept {
  if (std::exchange(polled_, false)) loop_->poller.remove(descriptor_, *this);
}

void TcpListener::ready(std::uint32_t) noexcept {
  const auto self = Listener::shared_from_this();
  const auto round = turn()->counts().rounds;
  bool left = false;
  const auto error =
      accept_some(descriptor_, share_.begin(round, loop_->poller.crowded()), left,
                  [this](int descriptor, const sockaddr_storage& peer, socklen_t size) {
                    take_connection(OwnedDescriptor(descriptor), detail::to_address(&peer, size));
                    return accepting();
                  });
  share_.end(round, left);
  if (!error) return;
  stop_waiting();
  rest(error);
}

void TcpListener::take_connection(OwnedDescriptor connection, const Address& peer) noexcept {
  const Turn::Scope scope(*turn());
  rested();
  std::shared_ptr<TcpTransport> transport;
  try {
    const auto host = one_address_ ? address() : host_of(connection.get());
    transport = std::make_shared<TcpTransport>(*loop_, connection.get(), host, peer);
    static_cast<void>(connection.release());
  } catch (...) {
    log_failure("listener", "A connection could not be taken", Failure::current());
    return;
  }
  accepted(transport);
}

void TcpListener::close_port() noexcept {
  if (descriptor_ < 0) return;
  stop_waiting();
  ::close(std::exchange(descriptor_, -1));
}

}  // namespace weft::detail::epoll
