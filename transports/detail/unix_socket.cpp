#include "unix_socket.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"
#include "accepting.hpp"
#include "descriptor_transport.hpp"
#include "socket_address.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <utility>

namespace weft::detail {

namespace {

// How often a port whose queue is full is tried again; the system tells nobody of room in it.
constexpr auto full_queue_pause = std::chrono::milliseconds(10);

OwnedDescriptor make_socket() noexcept {
  return OwnedDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Zero, or why not.
int connect_at_once(const OwnedDescriptor& socket, const SocketAddress& address) {
  return ::connect(socket.get(), address.data(), address.size()) == 0 ? 0 : errno;
}

}  // namespace

// ---- listening

OwnedDescriptor open_unix_port(UnixBinding& binding, std::string path,
                               const UnixListenOptions& options) {
  auto socket = make_socket();
  binding.bind(socket.get(), std::move(path), options.mode);
  const int backlog = options.backlog > 0 ? options.backlog : SOMAXCONN;
  if (::listen(socket.get(), backlog) != 0) binding.refuse(errno, "try another path.");
  return socket;
}

UnixListener::UnixListener(Reactor& reactor, std::shared_ptr<Factory> factory)
    : TakingListener(reactor, std::move(factory)), reactor_(reactor) {}

UnixListener::~UnixListener() {
  UnixListener::close_port();
}

void UnixListener::open(std::string path, const UnixListenOptions& options) {
  socket_ = open_unix_port(binding_, std::move(path), options);
  begin(binding_.address());
}

void UnixListener::adopt(PassedPort port) {
  socket_ = std::move(port.descriptor);
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
  begin(std::move(port.address));
}

void UnixListener::begin(Address address) {
  opened(std::move(address));
  accept_again();
}

void UnixListener::accept_again() noexcept {
  // One that only takes what others have accepted has no socket.
  if (watch_.active() || !socket_.open()) return;
  try {
    watch_ = reactor_.watch(
        socket_.get(), Interest::readable, [this] { ready(); }, SourceLocation());
  } catch (...) {
    rest(std::make_error_code(std::errc::not_enough_memory));
  }
}

void UnixListener::ready() noexcept {
  const auto self = Listener::shared_from_this();
  const auto error =
      accept_some(socket_.get(), [this](int descriptor, const sockaddr_storage&, socklen_t) {
        // Who connects has no name, as a rule, and none that anybody could connect to.
        take_connection(OwnedDescriptor(descriptor), Address::unix_socket(""));
        return accepting();
      });
  if (!error) return;
  watch_.cancel();
  rest(error);
}

void UnixListener::take_connection(OwnedDescriptor connection, const Address& peer) noexcept {
  const Turn::Scope scope(*turn());
  rested();
  std::shared_ptr<DescriptorTransport> transport;
  try {
    transport = std::make_shared<DescriptorTransport>(
        reactor_, UsedDescriptor(std::move(connection)), address(), peer);
  } catch (...) {
    log_failure("listener", "A connection could not be taken", Failure::current());
    return;
  }
  accepted(transport);
}

void UnixListener::close_port() noexcept {
  watch_.cancel();
  socket_.close();
  binding_.release();
}

// ---- connecting

UnixConnector::UnixConnector(Reactor& reactor, std::shared_ptr<Factory> factory, std::string path)
    : ConnectAttempt(reactor, std::move(factory)),
      reactor_(reactor),
      address_(Address::unix_socket(std::move(path))) {}

std::string UnixConnector::target() const {
  return address_.text();
}

Deferred<std::shared_ptr<Protocol>> UnixConnector::start(const ConnectOptions& options) {
  const SocketAddress checked(address_);
  auto outcome = begin();
  timeout_ = clock().call_later(options.timeout, [self = self()] { self->timed_out(); });
  // Nothing is told inside the call that begins it, however soon it is known.
  try_in(Duration::zero());
  return outcome;
}

void UnixConnector::try_in(Duration pause) {
  next_attempt_ = clock().call_later(pause, [self = self()] {
    try {
      self->attempt();
    } catch (...) {
      self->failed(Failure::current());
    }
  });
}

void UnixConnector::attempt() {
  auto socket = make_socket();
  const int code = socket.open() ? connect_at_once(socket, SocketAddress(address_)) : errno;
  if (code == 0) {
    connected(std::make_shared<DescriptorTransport>(reactor_, UsedDescriptor(std::move(socket)),
                                                    Address::unix_socket(""), address_));
    return;
  }
  if (code == EAGAIN) {
    try_in(full_queue_pause);
    return;
  }
  const std::error_code error(code, std::system_category());
  const auto what = "Connecting to " + target() + " failed: ";
  if (code == ECONNREFUSED || code == ENOENT) {
    failed(Failure(
        ConnectionRefused(what + "nobody listens there; check the path, and that the server is up.",
                          address_, error)));
  } else {
    failed(Failure(ConnectError(what + error.message() + ".", address_, error)));
  }
}

void UnixConnector::timed_out() {
  failed(Failure(ConnectTimeout("Connecting to " + target() +
                                    " took too long; its queue is full. Allow more time, or ask "
                                    "whoever runs it.",
                                address_)));
}

void UnixConnector::end_attempt() noexcept {
  timeout_.cancel_if_active();
  next_attempt_.cancel_if_active();
}

}  // namespace weft::detail
