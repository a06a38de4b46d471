#include "handle_transport.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"
#include "broken_connection.hpp"
#include "handle_carrier.hpp"
#include "handle_facts.hpp"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <utility>

namespace weft::detail::iocp {

namespace {

// A read that waits in an idle connection has so little room; where it fills it, the next has more.
constexpr std::size_t small_read = 1024;
constexpr std::size_t large_read = 64 * 1024;
// One write is done when all of it is: smaller ones show that the peer still reads.
constexpr std::size_t most_at_once = 64 * 1024;
// Pieces from this size on are sent where they are.
constexpr std::size_t worth_no_copy = 4 * 1024;
// Windows tells only those who read that the other end is gone, and some handles cannot be read.
constexpr auto look_pause = std::chrono::seconds(1);

void close(StreamHandle& handle) noexcept {
  if (!handle.is_open()) return;
  ErrorCode ignored;
  handle.cancel(ignored);
  handle.close(ignored);
}

// Whether that is how a pipe says that its other end is closed.
bool says_end(const ErrorCode& error) noexcept {
  if (error == net::error::eof) return true;
  if (error.category() != boost::system::system_category()) return false;
  return error.value() == ERROR_BROKEN_PIPE || error.value() == ERROR_PIPE_NOT_CONNECTED ||
         error.value() == ERROR_NO_DATA || error.value() == ERROR_HANDLE_EOF;
}

// Whether all that is wrong is that a message was longer than the room for it; its rest comes next.
bool says_more(const ErrorCode& error) noexcept {
  return error.category() == boost::system::system_category() && error.value() == ERROR_MORE_DATA;
}

}  // namespace

StreamHandle taken_by(AsioLoop& loop, OwnedHandle handle) {
  StreamHandle taken(loop.io);
  if (!handle.open()) return taken;
  ErrorCode error;
  taken.assign(handle.get(), error);
  if (error) refuse_handle(handle.get(), to_std(error));
  static_cast<void>(handle.release());
  // Files keep a position that nobody would move.
  if (is_file(taken.native_handle())) refuse_file(taken.native_handle());
  return taken;
}

HandleTransport::HandleTransport(AsioLoop& loop, StreamHandle both, Address host, Address peer)
    : StreamTransport(loop.reactor),
      loop_(loop.shared_from_this()),
      input_(std::move(both)),
      output_(loop.io),
      host_(std::move(host)),
      peer_(std::move(peer)),
      serves_both_(true) {}

HandleTransport::HandleTransport(AsioLoop& loop, OwnedHandle input, OwnedHandle output)
    : StreamTransport(loop.reactor),
      loop_(loop.shared_from_this()),
      input_(taken_by(loop, std::move(input))),
      output_(taken_by(loop, std::move(output))) {}

HandleTransport::~HandleTransport() {
  watch_call_.cancel_if_active();
}

Failure HandleTransport::failure_from(std::error_code error) const {
  return broken_connection(peer_, error);
}

// Everything that Asio calls goes through here: one turn, and no exception back into its loop.
template <class F>
void HandleTransport::handle(F&& body) noexcept {
  const Turn::Scope scope(*turn());
  try {
    body();
  } catch (...) {
    broken(Failure::current());
  }
}

// ---- reading

// Asked from where nothing may throw: running out of memory costs this connection alone.
void HandleTransport::reading_changed() {
  handle([this] { only_writes() ? watch_output() : read(); });
}

void HandleTransport::read() {
  if (reading_ || closed_ || end_seen_ || !reading_wanted()) return;
  if (buffer_.empty()) buffer_.resize(small_read);
  input_.async_read_some(net::buffer(buffer_),
                         [self = self()](const ErrorCode& error, std::size_t count) {
                           self->handle([&] { self->read_done(error, count); });
                         });
  reading_ = true;
}

void HandleTransport::read_done(const ErrorCode& error, std::size_t count) {
  if (closed_) return;
  if (error && !says_more(error)) {
    reading_ = false;
    if (says_end(error)) {
      end_seen_ = true;
      ended();
    } else if (error != net::error::operation_aborted) {
      broken(failure_from(to_std(error)));
    }
    return;
  }
  // Still `reading_`: nothing may be read into the bytes that are looked at.
  received({buffer_.data(), count});
  reading_ = false;
  if (closed_) return;
  const bool filled = count == buffer_.size();
  if (filled && count == small_read) {
    buffer_ = std::vector<char>(large_read);
  } else if (count < small_read && buffer_.size() == large_read) {
    buffer_ = std::vector<char>(small_read);
  }
  read();
}

// ---- the end of who reads

// What can be read as well fails with the peer's end; nothing else is expected.
void HandleTransport::watch_output() {
  if (reading_ || closed_ || end_seen_ || !output_.is_open()) return;
  if (buffer_.empty()) buffer_.resize(1);
  output_.async_read_some(net::buffer(buffer_),
                          [self = self()](const ErrorCode& error, std::size_t) {
                            self->handle([&] { self->watch_done(error); });
                          });
  reading_ = true;
}

void HandleTransport::watch_done(const ErrorCode& error) {
  reading_ = false;
  if (closed_ || end_seen_ || error == net::error::operation_aborted) return;
  if (!error || says_more(error)) {
    watch_output();
  } else if (error.value() == ERROR_ACCESS_DENIED) {
    reading_ = true;
    look_at_output();
  } else {
    broken(failure_from(to_std(error)));
  }
}

void HandleTransport::look_at_output() {
  if (closed_ || !output_.is_open()) return;
  if (other_end_closed(output_.native_handle())) {
    broken(failure_from({ERROR_NO_DATA, std::system_category()}));
    return;
  }
  watch_call_ = clock().call_later(look_pause, [weak = weak_from_this()] {
    const auto transport = std::static_pointer_cast<HandleTransport>(weak.lock());
    if (transport != nullptr) transport->handle([&] { transport->look_at_output(); });
  });
}

// ---- sending

// There is no sending to a pipe that may not wait.
StreamTransport::SendResult HandleTransport::try_send(std::span<const BytesView>) noexcept {
  return {0, true, {}};
}

net::const_buffer HandleTransport::next_to_send(std::span<const BytesView> pieces) {
  const auto first = pieces.front().first(most_at_once);
  if (pieces.size() == 1 || first.size() >= worth_no_copy) return {first.data(), first.size()};
  gathered_.clear();
  for (const auto piece : pieces) {
    if (piece.size() >= worth_no_copy || gathered_.size() + piece.size() > most_at_once) break;
    gathered_.append(piece.text());
  }
  return {gathered_.data(), gathered_.size()};
}

void HandleTransport::send_later(std::span<const BytesView> pieces) {
  out().async_write_some(next_to_send(pieces),
                         [self = self()](const ErrorCode& error, std::size_t count) {
                           self->handle([&] {
                             if (error && error != net::error::operation_aborted) {
                               self->broken(self->failure_from(to_std(error)));
                             }
                             self->sent(count);
                           });
                         });
}

void HandleTransport::send_end() noexcept {
  if (serves_both_ || !output_.is_open()) return;
  watch_call_.cancel_if_active();
  if (only_writes()) end_both_directions();
  close(output_);
}

// There never was another direction, so that nothing is left.
void HandleTransport::end_both_directions() noexcept {
  end_seen_ = true;
  try {
    watch_call_ = clock().call_later(Duration::zero(), [self = self()] { self->ended(); });
  } catch (...) {
    log_failure("connection", "A connection that has ended could not say so", Failure::current());
  }
}

// ---- closing

void HandleTransport::close_all() noexcept {
  closed_ = true;
  watch_call_.cancel_if_active();
  close(input_);
  close(output_);
}

// What has been written stays for the peer to read.
void HandleTransport::close_in_order() noexcept {
  close_all();
}

void HandleTransport::close_abruptly() noexcept {
  close_all();
}

// ---- made by others

std::shared_ptr<StreamTransport> over_handle(AsioLoop& loop, OwnedHandle both) {
  if (!both.open()) refuse_handle(both.get(), {ERROR_INVALID_HANDLE, std::system_category()});
  return std::make_shared<HandleTransport>(loop, taken_by(loop, std::move(both)), Address(),
                                           Address());
}

std::shared_ptr<StreamTransport> over_handles(AsioLoop& loop, OwnedHandle input,
                                              OwnedHandle output) {
  return std::make_shared<HandleTransport>(loop, std::move(input), std::move(output));
}

}  // namespace weft::detail::iocp
