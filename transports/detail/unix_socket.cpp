#include "unix_socket.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"
#include "accepting.hpp"
#include "descriptor_transport.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <utility>

namespace weft::detail {

namespace {

// How often a port whose queue is full is tried again; the system tells nobody of room in it.
constexpr auto full_queue_pause = std::chrono::milliseconds(10);

class UnixAddress {
 public:
  /// Errors: InvalidArgument.
  explicit UnixAddress(const std::string& path) {
    if (path.empty() || path.size() >= sizeof address_.sun_path) {
      throw InvalidArgument("The path of a UNIX socket has 1 to " +
                            std::to_string(sizeof address_.sun_path - 1) + " bytes; this has " +
                            std::to_string(path.size()) + ".");
    }
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, path.data(), path.size());
    // An abstract name ends where its size says, a path with a NUL.
    const bool abstract = path.front() == '\0';
    size_ =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  }
  [[nodiscard]] const sockaddr* data() const noexcept {
    return reinterpret_cast<const sockaddr*>(&address_);
  }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }

 private:
  sockaddr_un address_{};
  socklen_t size_;
};

OwnedDescriptor make_socket() noexcept {
  return OwnedDescriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Zero, or why not.
int connect_at_once(const OwnedDescriptor& socket, const std::string& path) {
  const UnixAddress address(path);
  return ::connect(socket.get(), address.data(), address.size()) == 0 ? 0 : errno;
}

}  // namespace

// ---- listening

UnixListener::UnixListener(Reactor& reactor, std::shared_ptr<Factory> factory)
    : Listener(reactor, std::move(factory)), reactor_(reactor) {}

UnixListener::~UnixListener() {
  UnixListener::close_port();
}

void UnixListener::refuse(int code, const std::string& advice) const {
  const auto address = Address::unix_socket(path_);
  const std::error_code error(code, std::system_category());
  const auto text = address.text() + " cannot be listened on: " + error.message() + "; " + advice;
  if (code == EADDRINUSE) throw AddressInUse(text, address, error);
  throw ListenError(text, address, error);
}

void UnixListener::open(std::string path, const UnixListenOptions& options) {
  path_ = std::move(path);
  const UnixAddress checked(path_);
  socket_ = make_socket();
  if (!socket_.open()) refuse(errno, "close other descriptors first.");
  if (!abstract()) lock();
  bind(options);
  const int backlog = options.backlog > 0 ? options.backlog : SOMAXCONN;
  if (::listen(socket_.get(), backlog) != 0) refuse(errno, "try another path.");
  begin(Address::unix_socket(path_));
}

void UnixListener::adopt(PassedPort port) {
  path_ = port.address.path();
  socket_ = std::move(port.descriptor);
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
  begin(std::move(port.address));
}

void UnixListener::begin(Address address) {
  opened(std::move(address));
  accept_again();
}

// The lock beside the socket's file says that somebody lives: who has it may remove the file.
void UnixListener::lock() {
  const auto name = path_ + ".lock";
  for (;;) {
    OwnedDescriptor lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock.open()) refuse(errno, "check that its directory exists and may be written to.");
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      refuse(EADDRINUSE, "stop who listens there, or choose another path.");
    }
    struct stat ours {};
    struct stat there {};
    const bool same = ::fstat(lock.get(), &ours) == 0 && ::stat(name.c_str(), &there) == 0 &&
                      ours.st_ino == there.st_ino;
    // Else it was removed by its last owner between our two calls.
    if (!same) continue;
    lock_ = std::move(lock);
    return;
  }
}

void UnixListener::bind(const UnixListenOptions& options) {
  const UnixAddress address(path_);
  // Before the file is there, so that nobody comes in meanwhile; and again, whatever umask says.
  if (options.mode) ::fchmod(socket_.get(), *options.mode);
  int code = ::bind(socket_.get(), address.data(), address.size()) == 0 ? 0 : errno;
  if (code == EADDRINUSE && !abstract()) {
    remove_stale();
    code = ::bind(socket_.get(), address.data(), address.size()) == 0 ? 0 : errno;
  }
  if (code == EADDRINUSE) refuse(code, "stop who listens there, or choose another name.");
  if (code != 0) refuse(code, "check that its directory exists and may be written to.");
  bound_ = true;
  if (options.mode && !abstract() && ::chmod(path_.c_str(), *options.mode) != 0) {
    refuse(errno, "check the mode.");
  }
}

// The file of a program that is dead; one that answers lives, though it has no lock of ours.
void UnixListener::remove_stale() {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) {
    refuse(ENOTSOCK, "a file of another kind is there; remove it, or choose another path.");
  }
  if (connect_at_once(make_socket(), path_) == ECONNREFUSED) ::unlink(path_.c_str());
}

void UnixListener::accept_again() noexcept {
  try {
    watch_ = reactor_.watch(socket_.get(), Interest::readable, [this] { ready(); });
  } catch (...) {
    rest(std::make_error_code(std::errc::not_enough_memory));
  }
}

void UnixListener::ready() noexcept {
  const auto self = Listener::shared_from_this();
  const auto error =
      accept_some(socket_.get(), [this](int descriptor, const sockaddr_storage&, socklen_t) {
        take(descriptor);
        return listening();
      });
  if (!error) return;
  watch_.cancel();
  rest(error);
}

void UnixListener::take(int descriptor) noexcept {
  const Turn::Scope scope(*turn());
  rested();
  std::shared_ptr<DescriptorTransport> transport;
  OwnedDescriptor owned(descriptor);
  try {
    // Who connects has no name, as a rule, and none that anybody could connect to.
    transport = std::make_shared<DescriptorTransport>(reactor_, UsedDescriptor(std::move(owned)),
                                                      address(), Address::unix_socket(""));
  } catch (...) {
    log_failure("listener", "A connection could not be taken", Failure::current());
    return;
  }
  accepted(transport);
}

void UnixListener::close_port() noexcept {
  watch_.cancel();
  socket_.close();
  if (std::exchange(bound_, false) && !abstract()) ::unlink(path_.c_str());
  if (lock_.open()) {
    ::unlink((path_ + ".lock").c_str());
    lock_.close();
  }
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
  const UnixAddress checked(address_.path());
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
  const int code = socket.open() ? connect_at_once(socket, address_.path()) : errno;
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
