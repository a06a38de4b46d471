#include "tcp_transport.hpp"

#include "broken_connection.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>

#include <algorithm>
#include <utility>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/ioctl.h>
#endif
#ifdef __linux__
#include <linux/sockios.h>
#endif
#ifdef WEFT_BACKEND_IO_URING
#include <cerrno>
#include <sys/socket.h>
#include <sys/uio.h>
#endif

namespace weft::detail::WEFT_BACKEND {

namespace {

// Pieces as Asio wants them, on the stack.
class Buffers {
 public:
  explicit Buffers(std::span<const BytesView> pieces) noexcept
      : count_(std::min(pieces.size(), buffers_.size())) {
    for (std::size_t i = 0; i < count_; ++i) {
      std::construct_at(&buffers_[i], pieces[i].data(), pieces[i].size());
    }
  }
  static constexpr std::size_t max_count = 16;
  using value_type = net::const_buffer;
  using const_iterator = const net::const_buffer*;
  [[nodiscard]] const_iterator begin() const noexcept { return buffers_.data(); }
  [[nodiscard]] const_iterator end() const noexcept { return buffers_.data() + count_; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t total = 0;
    for (const auto& buffer : *this)
      total += buffer.size();
    return total;
  }

 private:
  // Linux sends up to 1,024 pieces at once, Asio passes on 64; beyond 16 copying would be no
  // dearer.
  std::array<net::const_buffer, max_count> buffers_;
  std::size_t count_;
};

#ifdef WEFT_BACKEND_IO_URING

// One system call each, which does not wait though the socket is a blocking one.
template <class Call>
std::size_t at_once(Call call, ErrorCode& error) noexcept {
  const auto count = call();
  error = {};
  if (count >= 0) return static_cast<std::size_t>(count);
  error = ErrorCode(errno, boost::system::system_category());
  return 0;
}

std::size_t read_now(Tcp::socket& socket, std::span<char> room, ErrorCode& error) noexcept {
  const auto count = at_once(
      [&] { return ::recv(socket.native_handle(), room.data(), room.size(), MSG_DONTWAIT); },
      error);
  if (count == 0 && !error) error = net::error::eof;
  return count;
}

std::size_t send_now(Tcp::socket& socket, const Buffers& buffers, ErrorCode& error) noexcept {
  std::array<iovec, Buffers::max_count> vectors;
  msghdr message{};
  message.msg_iov = vectors.data();
  for (const auto& buffer : buffers) {
    vectors[message.msg_iovlen++] = {const_cast<void*>(buffer.data()), buffer.size()};
  }
  return at_once(
      [&] { return ::sendmsg(socket.native_handle(), &message, MSG_DONTWAIT | MSG_NOSIGNAL); },
      error);
}

#else

std::size_t read_now(Tcp::socket& socket, std::span<char> room, ErrorCode& error) noexcept {
  return socket.read_some(net::buffer(room.data(), room.size()), error);
}

std::size_t send_now(Tcp::socket& socket, const Buffers& buffers, ErrorCode& error) noexcept {
  return socket.write_some(buffers, error);
}

#endif

// How long input is discarded after a close, so that it does not destroy what we sent last.
constexpr auto discard_time = std::chrono::seconds(5);

}  // namespace

void prepare_socket(Tcp::socket& socket, ErrorCode& error) {
#ifndef _WIN32
  ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
#endif
#ifdef WEFT_BACKEND_IO_URING
  // On a non-blocking socket Asio polls before each operation, and tries again by number when a
  // cancelled one ends: by then the number may be that of another connection.
  socket.native_non_blocking(false, error);
#else
  socket.non_blocking(true, error);
#endif
  if (!error) socket.set_option(Tcp::no_delay(true), error);
}

TcpTransport::TcpTransport(AsioLoop& loop, Tcp::socket socket, const Address& peer)
    : StreamTransport(loop.reactor),
      loop_(loop.shared_from_this()),
      socket_(std::move(socket)),
      peer_(peer) {
  ErrorCode error;
#ifdef WEFT_BACKEND_IO_URING
  // Connecting made it non-blocking again.
  if (socket_.native_non_blocking()) socket_.native_non_blocking(false, error);
#endif
  const auto host = socket_.local_endpoint(error);
  if (!error) host_ = to_address(host);
}

TcpTransport::~TcpTransport() {
  discard_call_.cancel_if_active();
}

// Everything that Asio calls goes through here: one turn, and no exception back into its loop.
template <class F>
void TcpTransport::handle(F&& body) noexcept {
  const Turn::Scope scope(*turn());
  try {
    body();
  } catch (...) {
    broken(Failure::current());
  }
}

// ---- reading

// Asked from where nothing may throw: running out of memory costs this connection alone.
void TcpTransport::reading_changed() {
  handle([this] {
    if (reading_wanted()) stop_watching();
    go_on_reading();
  });
}

void TcpTransport::read() {
  if (reading_ || delivering_ || closed_ || end_seen_) return;
  reading_ = true;
  try {
    if (lends_buffer()) {
      socket_.async_wait(Tcp::socket::wait_read, [self = self()](const ErrorCode& error) {
        self->handle([&] { self->read_in_place(error); });
      });
    } else {
      socket_.async_read_some(net::buffer(buffer_),
                              [self = self()](const ErrorCode& error, std::size_t count) {
                                self->handle([&] { self->read_done(error, count); });
                              });
    }
  } catch (...) {
    reading_ = false;
    throw;
  }
}

void TcpTransport::read_done(const ErrorCode& error, std::size_t count) {
  reading_ = false;
  if (closed_) {
    discard(error);
    return;
  }
  if (ended_by(error)) return;
  delivering_ = true;
  received({buffer_.data(), count});
  if (count == buffer_.size()) drain();
  delivering_ = false;
  go_on_reading();
}

// The small buffer was filled, so there is more: one large read takes what waits, up to its size,
// and then it is somebody else's turn.
void TcpTransport::drain() {
  if (closed_ || !reading_wanted()) return;
  const auto room = loop_->read_buffer();
  ErrorCode error;
  const auto count = read_now(socket_, room, error);
  if (error == net::error::would_block || error == net::error::interrupted) return;
  if (!ended_by(error)) received({room.data(), count});
}

void TcpTransport::read_in_place(const ErrorCode& failed) {
  reading_ = false;
  if (closed_) {
    discard(failed);
    return;
  }
  if (ended_by(failed)) return;
  if (lends_buffer()) {
    const auto room = borrow(AsioLoop::read_buffer_size);
    if (room.empty()) return;
    ErrorCode error;
    const auto count =
        read_now(socket_, {reinterpret_cast<char*>(room.data()), room.size()}, error);
    if (error != net::error::would_block && error != net::error::interrupted) {
      if (ended_by(error)) return;
      received_in_place(count);
    }
  }
  go_on_reading();
}

void TcpTransport::go_on_reading() {
  if (closed_ || end_seen_) return;
  if (reading_wanted()) {
    read();
  } else {
    watch_for_errors();
  }
}

bool TcpTransport::ended_by(const ErrorCode& error) {
  if (!error) return false;
  if (error == net::error::interrupted) {
    read();
  } else if (error == net::error::eof) {
    end_seen_ = true;
    ended();
    if (!closed_) watch_for_errors();
  } else if (error != net::error::operation_aborted) {
    broken(failure_from(to_std(error)));
  }
  return true;
}

// While nobody reads, a reset must still be noticed.
void TcpTransport::watch_for_errors() {
  if (watching_ || closed_) return;
  watching_ = true;
#ifdef WEFT_BACKEND_IO_URING
  socket_.async_wait(
      Tcp::socket::wait_error,
      net::bind_cancellation_slot(watch_signal_.slot(), [self = self()](const ErrorCode& error) {
        self->handle([&] {
          self->watching_ = false;
          if (self->closed_) self->close_if_done();
          if (!error) self->look_for_error();
        });
      }));
#else
  // select tells of nothing but data, and data is what waits here; so it is asked once a second.
  watch_call_ = clock().call_later(std::chrono::seconds(1), [weak = weak_from_this()] {
    const auto transport = std::static_pointer_cast<TcpTransport>(weak.lock());
    if (transport == nullptr) return;
    transport->handle([&] {
      transport->watching_ = false;
      transport->look_for_error();
      transport->go_on_reading();
    });
  });
#endif
}

void TcpTransport::stop_watching() {
  if (!watching_) return;
#ifdef WEFT_BACKEND_IO_URING
  watch_signal_.emit(net::cancellation_type::all);
#else
  watching_ = false;
  watch_call_.cancel_if_active();
#endif
}

void TcpTransport::look_for_error() {
  if (closed_) return;
  net::detail::socket_option::integer<SOL_SOCKET, SO_ERROR> pending;
  ErrorCode failed;
  socket_.get_option(pending, failed);
  const int code = failed ? 0 : pending.value();
  if (code != 0) broken(failure_from({code, std::system_category()}));
}

// ---- sending

StreamTransport::SendResult TcpTransport::try_send(std::span<const BytesView> pieces) noexcept {
  const Buffers buffers(pieces);
  ErrorCode error;
  std::size_t taken = 0;
  do {
    taken = send_now(socket_, buffers, error);
  } while (error == net::error::interrupted);
  if (error == net::error::would_block) return {0, true, {}};
  if (error) return {0, false, to_std(error)};
  return {taken, taken < buffers.bytes(), {}};
}

void TcpTransport::send_later(std::span<const BytesView> pieces) {
  send_pending_ = true;
  socket_.async_write_some(Buffers(pieces),
                           [self = self()](const ErrorCode& error, std::size_t count) {
                             self->send_pending_ = false;
                             self->handle([&] {
                               if (self->closed_) self->close_if_done();
                               const bool again = !error || error == net::error::interrupted;
                               if (!again && error != net::error::operation_aborted) {
                                 self->broken(self->failure_from(to_std(error)));
                               }
                               self->sent(count);
                             });
                           });
}

void TcpTransport::send_end() noexcept {
  ErrorCode ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

// ---- closing

void TcpTransport::close_socket() noexcept {
  closing_socket_ = true;
  discard_call_.cancel_if_active();
  stop_watching();
  detail::WEFT_BACKEND::close_socket(*loop_, socket_, reading_ || watching_ || send_pending_);
}

void TcpTransport::close_if_done() noexcept {
  if (closing_socket_) close_socket();
}

bool TcpTransport::output_unacknowledged() {
#ifdef __linux__
  int unsent = 0;
  return ::ioctl(socket_.native_handle(), SIOCOUTQ, &unsent) == 0 && unsent > 0;
#else
  return false;
#endif
}

// Closing a socket with unread input, or that input still comes for, makes the system send a reset,
// and the peer may then never see our last bytes. So we end our direction, and discard what comes
// until the peer ends its own.
void TcpTransport::close_in_order() noexcept {
  closed_ = true;
  ErrorCode ignored;
  const bool unread = !end_seen_ && socket_.available(ignored) > 0;
  if (end_seen_ || turn() == nullptr || (!unread && !output_unacknowledged())) {
    close_socket();
    return;
  }
  try {
    socket_.shutdown(Tcp::socket::shutdown_send, ignored);
    discard_call_ = clock().call_later(discard_time, [weak = weak_from_this()] {
      const auto transport = std::static_pointer_cast<TcpTransport>(weak.lock());
      if (transport != nullptr) transport->close_socket();
    });
    if (!reading_) discard({});
  } catch (...) {
    close_socket();
  }
}

void TcpTransport::discard(const ErrorCode& error) {
  if (!socket_.is_open()) return;
  if (closing_socket_ || (error && error != net::error::interrupted)) {
    close_socket();
    return;
  }
  reading_ = true;
  socket_.async_read_some(net::buffer(buffer_),
                          [self = self()](const ErrorCode& failed, std::size_t) {
                            self->handle([&] {
                              self->reading_ = false;
                              self->discard(failed);
                            });
                          });
}

void TcpTransport::close_abruptly() noexcept {
  closed_ = true;
  ErrorCode ignored;
  socket_.set_option(net::socket_base::linger(true, 0), ignored);
  close_socket();
}

Failure TcpTransport::failure_from(std::error_code error) const {
  return broken_connection(peer_, error);
}

// ---- what only TCP has

void TcpTransport::set_no_delay(bool on) {
  ErrorCode ignored;
  socket_.set_option(Tcp::no_delay(on), ignored);
}

bool TcpTransport::no_delay() const {
  Tcp::no_delay option;
  ErrorCode error;
  socket_.get_option(option, error);
  return !error && option.value();
}

void TcpTransport::set_keep_alive(bool on) {
  ErrorCode ignored;
  socket_.set_option(net::socket_base::keep_alive(on), ignored);
}

bool TcpTransport::keep_alive() const {
  net::socket_base::keep_alive option;
  ErrorCode error;
  socket_.get_option(option, error);
  return !error && option.value();
}

}  // namespace weft::detail::WEFT_BACKEND
