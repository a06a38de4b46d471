#include "epoll_tcp_transport.hpp"

#include "../../framework/detail/prefetch.hpp"
#include "broken_connection.hpp"
#include "system_errors.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace weft::detail::epoll {

namespace {

// How long input is discarded after a close, so that it does not destroy what we sent last.
constexpr auto discard_time = std::chrono::seconds(5);
// As much of a protocol as most need for a message.
constexpr int protocol_lines = 3;

}  // namespace

void prepare_socket(Tcp::socket& socket, ErrorCode& error) {
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
  socket.native_non_blocking(true, error);
  if (!error) socket.set_option(Tcp::no_delay(true), error);
}

TcpTransport::TcpTransport(AsioLoop& loop, Tcp::socket socket, const Address& peer)
    : StreamTransport(loop.reactor), loop_(loop.shared_from_this()), peer_(peer) {
  ErrorCode error;
  const auto host = socket.local_endpoint(error);
  if (!error) host_ = to_address(host);
  descriptor_ = socket.release(error);
}

TcpTransport::TcpTransport(AsioLoop& loop, int descriptor, const Address& host, const Address& peer)
    : StreamTransport(loop.reactor),
      descriptor_(descriptor),
      loop_(loop.shared_from_this()),
      host_(host),
      peer_(peer) {}

TcpTransport::~TcpTransport() {
  close_descriptor();
}

// Everything that the poller calls goes through here: one turn, and no exception back into its
// loop.
template <class F>
void TcpTransport::handle(F&& body) noexcept {
  const Turn::Scope scope(*turn());
  try {
    body();
  } catch (...) {
    broken(Failure::current());
  }
}

// ---- waiting

void TcpTransport::ready(std::uint32_t events) noexcept {
  if (closed_) {
    discard();
    return;
  }
  handle([&] { deal_with(events); });
}

void TcpTransport::deal_with(std::uint32_t events) {
  constexpr std::uint32_t broken_off = EPOLLERR | EPOLLHUP;
  const bool was_reading = reads();
  if (was_reading && (events & (EPOLLIN | broken_off)) != 0) read();
  if ((events & EPOLLOUT) != 0 && std::exchange(send_waits_, false)) sent(0);
  if (closed_) return;
  // Asked again: callbacks pause and resume.
  const bool reading = reads();
  if (!reading && (events & broken_off) != 0) {
    // It will be told again and again, and there is nothing more to learn from it.
    if (!look_for_error()) leave_poller();
    return;
  }
  // Only once it is told in vain: whoever stops reading may close next.
  const bool in_vain = (events & EPOLLIN) != 0 && !was_reading && !reading;
  const bool has_sent = (events & EPOLLOUT) != 0 && !send_waits_;
  if (in_vain || has_sent) ask_for(wanted_events());
}

std::uint32_t TcpTransport::wanted_events() const noexcept {
  return (reads() ? EPOLLIN : 0U) | (send_waits_ ? EPOLLOUT : 0U);
}

void TcpTransport::ask_for(std::uint32_t events) {
  if (polled_ && asked_ == events) return;
  polled_ ? loop_->poller.change(descriptor_, events, *this)
          : loop_->poller.add(descriptor_, events, *this);
  polled_ = true;
  asked_ = events;
}

void TcpTransport::leave_poller() noexcept {
  asked_ = 0;
  if (std::exchange(polled_, false)) loop_->poller.remove(descriptor_, *this);
}

// ---- reading

// Asked from where nothing may throw: running out of memory costs this connection alone.
void TcpTransport::reading_changed() {
  handle([this] {
    if (closed_ || (polled_ && (asked_ & EPOLLIN) != 0)) return;
    ask_for(wanted_events());
  });
}

// One read, as large as the system gives it, and then it is somebody else's turn.
void TcpTransport::read() {
  // It is told next: fetched while the system reads.
  prefetch(protocol().get(), protocol_lines);
  if (lends_buffer()) {
    const auto room = borrow(AsioLoop::read_buffer_size);
    if (room.empty()) return;
    const auto count = ::recv(descriptor_, room.data(), room.size(), 0);
    count > 0 ? received_in_place(note_read(count, room.size())) : read_ended(count);
  } else {
    const auto room = loop_->read_buffer();
    const auto count = ::recv(descriptor_, room.data(), room.size(), 0);
    count > 0 ? received({room.data(), note_read(count, room.size())}) : read_ended(count);
  }
}

std::size_t TcpTransport::note_read(ssize_t count, std::size_t room) noexcept {
  const auto size = static_cast<std::size_t>(count);
  drained_ = size < room;
  return size;
}

void TcpTransport::read_ended(ssize_t result) {
  if (result == 0) {
    end_seen_ = true;
    ended();
  } else if (!try_again(errno)) {
    broken(failure_from(system_error(errno)));
  }
}

// While nobody reads, a reset must still be noticed.
bool TcpTransport::look_for_error() {
  const int code = option(SOL_SOCKET, SO_ERROR);
  if (code == 0) return false;
  broken(failure_from(system_error(code)));
  return true;
}

// ---- sending

StreamTransport::SendResult TcpTransport::try_send(std::span<const BytesView> pieces) noexcept {
  std::array<iovec, OutputQueue::max_pieces> vectors;
  msghdr message{};
  message.msg_iov = vectors.data();
  std::size_t total = 0;
  for (const auto piece : pieces) {
    vectors[message.msg_iovlen++] = {const_cast<char*>(piece.data()), piece.size()};
    total += piece.size();
  }
  ssize_t count = 0;
  do {
    count = pieces.size() == 1 ? ::send(descriptor_, pieces[0].data(), total, MSG_NOSIGNAL)
                               : ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  if (count < 0) {
    if (try_again(errno)) return {0, true, {}};
    return {0, false, system_error(errno)};
  }
  const auto taken = static_cast<std::size_t>(count);
  return {taken, taken < total, {}};
}

void TcpTransport::send_later(std::span<const BytesView>) {
  send_waits_ = true;
  ask_for(asked_ | EPOLLOUT);
}

void TcpTransport::send_end() noexcept {
  ::shutdown(descriptor_, SHUT_WR);
}

// ---- closing

void TcpTransport::close_descriptor() noexcept {
  closed_ = true;
  if (descriptor_ < 0) return;
  leave_poller();
  ::close(std::exchange(descriptor_, -1));
  discard_call_.cancel_if_active();
}

// Closing a socket with unread input, or that input still comes for, makes the system send a reset,
// and the peer may then never see our last bytes. So we end our direction, and discard what comes
// until the peer ends its own; unless it has said already, in what it sent, that nothing follows,
// and the system has sent all of ours: a peer that does send more would lose the rest of it.
void TcpTransport::close_in_order() noexcept {
  closed_ = true;
  const bool nothing_comes = end_seen_ || (peer_done_ && drained_ && !waits_in_socket(SIOCOUTQNSD));
  if (nothing_comes || turn() == nullptr || !wait_for_peers_end()) close_descriptor();
}

void TcpTransport::linger_less(bool peer_ended) noexcept {
  peer_done_ = peer_ended;
}

bool TcpTransport::wait_for_peers_end() noexcept {
  // As a rule the last of ours has just gone out, and the second look is spared.
  if (!waits_in_socket(SIOCOUTQ) && !waits_in_socket(FIONREAD)) return false;
  try {
    ::shutdown(descriptor_, SHUT_WR);
    ask_for(EPOLLIN);
    // Nobody else need keep it now.
    discard_call_ = clock().call_later(discard_time, [self = self()] { self->close_descriptor(); });
    return true;
  } catch (...) {
    return false;
  }
}

bool TcpTransport::waits_in_socket(unsigned long which) const noexcept {
  int bytes = 0;
  return ::ioctl(descriptor_, which, &bytes) == 0 && bytes > 0;
}

void TcpTransport::discard() noexcept {
  const auto self = shared_from_this();
  const Turn::Scope scope(*turn());
  try {
    const auto room = loop_->read_buffer();
    const auto count = ::recv(descriptor_, room.data(), room.size(), 0);
    if (count > 0 || (count < 0 && try_again(errno))) return;
  } catch (...) {
    // Without memory to read to, the peer sees a reset.
    close_descriptor();
    return;
  }
  close_descriptor();
}

void TcpTransport::close_abruptly() noexcept {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close_descriptor();
  // Nothing is lent to the system: what still waited may go.
  if (std::exchange(send_waits_, false)) sent(0);
}

Failure TcpTransport::failure_from(std::error_code error) const {
  return broken_connection(peer_, error);
}

// ---- what only TCP has

void TcpTransport::set_option(int level, int name, int value) noexcept {
  // It fails only once the connection is gone, which ignores what it is asked.
  ::setsockopt(descriptor_, level, name, &value, sizeof value);
}

int TcpTransport::option(int level, int name) const noexcept {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(descriptor_, level, name, &value, &size) == 0 ? value : 0;
}

void TcpTransport::set_no_delay(bool on) {
  set_option(IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
}

bool TcpTransport::no_delay() const {
  return option(IPPROTO_TCP, TCP_NODELAY) != 0;
}

void TcpTransport::set_keep_alive(bool on) {
  set_option(SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
}

bool TcpTransport::keep_alive() const {
  return option(SOL_SOCKET, SO_KEEPALIVE) != 0;
}

}  // namespace weft::detail::epoll
