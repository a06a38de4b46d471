#include "descriptor_transport.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"
#include "broken_connection.hpp"
#include "system_errors.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <utility>

namespace weft::detail {

namespace {

constexpr std::size_t read_buffer_size = 64 * 1024;
// How long input is discarded after a close, so that it does not destroy what we sent last.
constexpr auto discard_time = std::chrono::seconds(5);

// Scratch memory for one read; a thread runs one loop.
std::span<char> read_buffer() {
  static thread_local const auto buffer = std::make_unique_for_overwrite<char[]>(read_buffer_size);
  return {buffer.get(), read_buffer_size};
}

// While it lives, writing to a pipe without a reader fails instead of ending the program.
class NoSigpipe {
 public:
  NoSigpipe() noexcept {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    const int kept = errno;
    if (raised && !was_pending_) {
      const timespec at_once{};
      while (::sigtimedwait(&pipe_, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = kept;
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

  bool raised = false;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

ssize_t write_to_pipe(int descriptor, std::span<const iovec> pieces) noexcept {
  NoSigpipe quiet;
  const auto count = ::writev(descriptor, pieces.data(), static_cast<int>(pieces.size()));
  quiet.raised = count < 0 && errno == EPIPE;
  return count;
}

}  // namespace

// ---- a descriptor in use

UsedDescriptor::UsedDescriptor(OwnedDescriptor descriptor)
    : descriptor_(std::move(descriptor)), flags_(::fcntl(descriptor_.get(), F_GETFL)) {
  struct stat status {};
  if (flags_ < 0 || ::fstat(descriptor_.get(), &status) != 0 ||
      ::fcntl(descriptor_.get(), F_SETFL, flags_ | O_NONBLOCK) != 0) {
    const auto error = system_error(errno);
    throw InvalidArgument("Descriptor " + std::to_string(descriptor_.get()) +
                              " can carry no connection: " + error.message() + ".",
                          {}, error);
  }
  is_socket_ = S_ISSOCK(status.st_mode);
}

UsedDescriptor::UsedDescriptor(OwnedDescriptor descriptor, const UsedDescriptor& other)
    : UsedDescriptor(std::move(descriptor)) {
  struct stat ours {};
  struct stat theirs {};
  restores_ = ::fstat(get(), &ours) != 0 || ::fstat(other.get(), &theirs) != 0 ||
              ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino;
}

void UsedDescriptor::close() noexcept {
  if (!open()) return;
  // Somebody else may have the same terminal or pipe, and expect it to block.
  if (restores_) ::fcntl(get(), F_SETFL, flags_);
  descriptor_.close();
}

// ---- the transport

DescriptorTransport::DescriptorTransport(Reactor& reactor, UsedDescriptor both, Address host,
                                         Address peer)
    : StreamTransport(reactor),
      reactor_(reactor),
      input_(std::move(both)),
      host_(std::move(host)),
      peer_(std::move(peer)) {}

DescriptorTransport::DescriptorTransport(Reactor& reactor, UsedDescriptor input,
                                         UsedDescriptor output)
    : StreamTransport(reactor),
      reactor_(reactor),
      input_(std::move(input)),
      output_(std::move(output)) {}

DescriptorTransport::~DescriptorTransport() {
  close_all();
}

Failure DescriptorTransport::failure_from(std::error_code error) const {
  return broken_connection(peer_, error);
}

// ---- reading

void DescriptorTransport::reading_changed() {
  if (closed_ || end_seen_ || reading_.active() || !reading_wanted()) return;
  try {
    reading_ = reactor_.watch(
        in().get(), Interest::readable, [this] { readable(); }, SourceLocation());
  } catch (...) {
    broken(Failure::current());
  }
}

ssize_t DescriptorTransport::receive(std::span<char> room, IncomingDescriptors& passed) noexcept {
  if (carries_descriptors()) return passed.receive(input_.get(), room);
  return input_.is_socket() ? ::recv(input_.get(), room.data(), room.size(), 0)
                            : ::read(input_.get(), room.data(), room.size());
}

void DescriptorTransport::readable() {
  if (closed_) return discard();
  if (!input_.open()) return output_may_be_broken();
  // It is told lazily that nobody reads.
  if (!reading_wanted()) return reading_.cancel();
  try {
    IncomingDescriptors passed;
    // Who takes descriptors may pause for one of them, before the bytes are delivered.
    if (lends_buffer() && protocol()->descriptor_receiver() == nullptr) {
      const auto room = borrow(read_buffer_size);
      if (room.empty()) return;
      const auto count = receive({reinterpret_cast<char*>(room.data()), room.size()}, passed);
      deliver_descriptors(passed);
      count > 0 ? received_in_place(static_cast<std::size_t>(count)) : read_ended(count);
    } else {
      const auto room = read_buffer();
      const auto count = receive(room, passed);
      deliver_descriptors(passed);
      count > 0 ? received({room.data(), static_cast<std::size_t>(count)}) : read_ended(count);
    }
  } catch (...) {
    broken(Failure::current());
  }
}

// The loops tell those who wait to read that a pipe has no reader any more; a terminal may have
// something to read.
void DescriptorTransport::output_may_be_broken() {
  pollfd output{output_.get(), 0, 0};
  ::poll(&output, 1, 0);
  if ((output.revents & (POLLERR | POLLHUP)) != 0) {
    broken(failure_from(system_error(EPIPE)));
  } else {
    // It cannot be waited for in this way.
    end_seen_ = true;
    reading_.cancel();
  }
}

// All that came with one message, though one of them be a reason to pause.
void DescriptorTransport::deliver_descriptors(IncomingDescriptors& passed) {
  if (passed.incomplete()) {
    warn_of_descriptors("passed more descriptors than this process may have open; they are lost");
  }
  while (!passed.empty() && !closing()) {
    auto* const receiver = protocol()->descriptor_receiver();
    if (receiver == nullptr) {
      return warn_of_descriptors(
          "passed descriptors that nobody takes; they are closed. Have the protocol be a "
          "DescriptorReceiver to take them");
    }
    turn()->enter_in(
        *context(), [&] { receiver->descriptor_received(passed.take()); },
        [this](const Failure& failure) {
          log_failure("connection", "descriptor_received threw", failure);
          abort_connection(failure);
        });
  }
}

// Once for each connection: a peer must not fill the log.
void DescriptorTransport::warn_of_descriptors(const std::string& what) {
  if (std::exchange(warned_, true)) return;
  log(LogLevel::warning, "connection", "The peer of " + host_.text() + " " + what);
}

void DescriptorTransport::read_ended(ssize_t result) {
  // A terminal whose other side is gone says EIO.
  if (result == 0 || (errno == EIO && !input_.is_socket())) {
    end_seen_ = true;
    reading_.cancel();
    ended();
  } else if (!try_again(errno)) {
    broken(failure_from(system_error(errno)));
  }
}

// ---- sending

StreamTransport::SendResult DescriptorTransport::try_send(
    std::span<const BytesView> pieces) noexcept {
  std::array<iovec, OutputQueue::max_pieces> vectors;
  // Descriptors go with the byte behind them, so those that wait for a later one cut what is sent.
  const bool passes = passing_ != nullptr && !passing_->empty();
  std::size_t most = passes ? passing_->bytes_from(sent_bytes_) : SIZE_MAX;
  std::size_t total = 0;
  std::size_t used = 0;
  for (; used < pieces.size() && most > 0; ++used) {
    const auto piece = pieces[used].first(most);
    vectors[used] = {const_cast<char*>(piece.data()), piece.size()};
    total += piece.size();
    most -= piece.size();
  }
  ssize_t count = 0;
  do {
    count = send_now({vectors.data(), used});
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (try_again(errno)) return {0, true, {}};
    return {0, false, system_error(errno)};
  }
  const auto taken = static_cast<std::size_t>(count);
  sent_bytes_ += taken;
  return {taken, taken < total, {}};
}

ssize_t DescriptorTransport::send_now(std::span<iovec> pieces) noexcept {
  if (passing_ != nullptr) return passing_->send(input_.get(), pieces, sent_bytes_);
  if (!out().is_socket()) return write_to_pipe(out().get(), pieces);
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  return ::sendmsg(out().get(), &message, MSG_NOSIGNAL);
}

void DescriptorTransport::send_later(std::span<const BytesView>) {
  send_waits_ = true;
  if (writing_.active()) return;
  writing_ = reactor_.watch(
      out().get(), Interest::writable, [this] { writable(); }, SourceLocation());
}

void DescriptorTransport::writable() {
  if (std::exchange(send_waits_, false)) sent(0);
  if (!send_waits_) writing_.cancel();
}

void DescriptorTransport::send_end() noexcept {
  drop_unpassed();
  if (output_.open()) {
    writing_.cancel();
    if (!input_.open()) reading_.cancel();
    output_.close();
    if (!input_.open()) end_both_directions();
  } else if (input_.is_socket()) {
    ::shutdown(input_.get(), SHUT_WR);
  }
}

// There never was another direction, so that nothing is left.
void DescriptorTransport::end_both_directions() noexcept {
  end_seen_ = true;
  try {
    discard_call_ =
        clock().call_later(Duration::zero(), [self = shared_from_this(), this] { ended(); });
  } catch (...) {
    log_failure("connection", "A connection that has ended could not say so", Failure::current());
  }
}

// ---- closing

void DescriptorTransport::close_all() noexcept {
  closed_ = true;
  discard_call_.cancel_if_active();
  reading_.cancel();
  writing_.cancel();
  input_.close();
  output_.close();
  passing_.reset();
}

// Closing a UNIX socket with unread input makes the system tell the peer of a reset, where an end
// was meant. So we end our direction, and discard what comes until the peer ends its own.
void DescriptorTransport::close_in_order() noexcept {
  closed_ = true;
  writing_.cancel();
  drop_unpassed();
  if (end_seen_ || turn() == nullptr || !wait_for_peers_end()) close_all();
}

bool DescriptorTransport::wait_for_peers_end() noexcept {
  int unread = 0;
  if (!input_.is_socket() || ::ioctl(input_.get(), FIONREAD, &unread) != 0 || unread == 0) {
    return false;
  }
  try {
    ::shutdown(input_.get(), SHUT_WR);
    if (!reading_.active()) {
      reading_ = reactor_.watch(
          input_.get(), Interest::readable, [this] { readable(); }, SourceLocation());
    }
    // Nobody else need keep it now.
    discard_call_ =
        clock().call_later(discard_time, [self = shared_from_this(), this] { close_all(); });
    return true;
  } catch (...) {
    return false;
  }
}

void DescriptorTransport::discard() {
  const auto self = shared_from_this();
  // Descriptors that come along are closed by the system.
  const auto room = read_buffer();
  const auto count = ::recv(input_.get(), room.data(), room.size(), 0);
  if (count > 0 || (count < 0 && try_again(errno))) return;
  close_all();
}

void DescriptorTransport::close_abruptly() noexcept {
  close_all();
  // Nothing is lent to the system: what still waited may go.
  if (std::exchange(send_waits_, false)) sent(0);
}

// ---- what only UNIX sockets have

bool DescriptorTransport::carries_descriptors() const noexcept {
  return host_.family() == Address::Family::unix_socket;
}

UnixControl* DescriptorTransport::unix_socket() noexcept {
  return carries_descriptors() ? this : nullptr;
}

std::optional<PeerCredentials> DescriptorTransport::peer_credentials() const {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (!input_.open() ||
      ::getsockopt(input_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return std::nullopt;
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

void DescriptorTransport::send_descriptor(int descriptor) {
  if (state() != StreamState::open && state() != StreamState::read_closed) return;
  if (passing_ == nullptr) passing_ = std::make_unique<OutgoingDescriptors>();
  passing_->add(descriptor, sent_bytes_ + write_buffer_size());
}

// No bytes came behind them, and a descriptor cannot travel alone.
void DescriptorTransport::drop_unpassed() noexcept {
  if (passing_ == nullptr || passing_->empty()) return;
  log(LogLevel::warning, "connection",
      "Descriptors were not passed, since nothing was written behind them; they are closed");
  passing_->clear();
}

}  // namespace weft::detail
