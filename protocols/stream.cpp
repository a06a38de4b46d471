#include "stream.hpp"

#include "../framework/stream_transport.hpp"
#include "line_receiver.hpp"

#include <algorithm>

namespace weft {

namespace {

constexpr std::size_t max_idle_buffer = 2 * 1024;

}  // namespace

Stream::Stream(std::size_t max_buffered)
    : high_water_(StreamTransport::default_high_water), max_buffered_(max_buffered) {}

Stream::~Stream() {
  // With a result its canceller goes, which knows this stream.
  drop_unwanted_read();
}

// ---- reading

bool Stream::awaited() const noexcept {
  const auto has_reader = [](const auto* promise) {
    return promise != nullptr && promise->wanted() && !promise->fired();
  };
  return has_reader(std::get_if<Promise<Piece>>(&waiting_)) ||
         has_reader(std::get_if<Promise<std::string>>(&waiting_));
}

// A read that nobody waits for any more takes no bytes.
void Stream::drop_unwanted_read() {
  if (waiting() && !awaited()) answer(Piece(std::in_place));
}

void Stream::check_not_reading() {
  drop_unwanted_read();
  if (!waiting()) return;
  throw AlreadyReadingError("A read of the stream from " + transport().peer().text() +
                            " waits already; a stream has one reader.");
}

template <class T>
Deferred<T> Stream::read(Kind kind, std::size_t limit, SourceLocation where) {
  check_not_reading();
  kind_ = kind;
  limit_ = limit;
  searched_ = 0;
  if (auto found = attempt()) {
    if constexpr (std::is_same_v<T, Piece>) {
      return Deferred<T>(std::move(*found));
    } else {
      if (!found->succeeded()) return fail<T>(found->failure());
      return Deferred<T>(Outcome<T>(*std::move(*found).value()));
    }
  }
  // One that waits for any bytes at all leaves none to hold the peer back for when it is cancelled:
  // it is enough to see that when some come.
  Callback canceller;
  if (kind != Kind::some) canceller = [this] { cancel_read(); };
  auto& promise = waiting_.template emplace<Promise<T>>(std::move(canceller), where);
  reader_ = detail::TaskMemory::current();
  auto deferred = promise.deferred();
  release_hold();
  return deferred;
}

Deferred<std::optional<std::string>> Stream::read_some(std::size_t max, SourceLocation where) {
  if (max == 0) {
    throw InvalidArgument("A read was to give at most no bytes; ask for one or more.");
  }
  return read<Piece>(Kind::some, max, where);
}

Deferred<std::optional<std::string>> Stream::read_line(std::size_t max_line_bytes,
                                                       SourceLocation where) {
  return read<Piece>(Kind::line, max_line_bytes, where);
}

Deferred<std::string> Stream::read_exactly(std::size_t count, SourceLocation where) {
  return read<std::string>(Kind::exactly, count, where);
}

Deferred<std::string> Stream::read_until(std::string delimiter, std::size_t max_bytes,
                                         SourceLocation where) {
  if (delimiter.empty()) {
    throw InvalidArgument("A read was to end at an empty delimiter; give at least one byte.");
  }
  check_not_reading();
  delimiter_ = std::move(delimiter);
  return read<std::string>(Kind::until, max_bytes, where);
}

Deferred<std::string> Stream::read_all(std::size_t max_bytes, SourceLocation where) {
  return read<std::string>(Kind::all, max_bytes, where);
}

// The promise fails with CancelledError as it goes.
void Stream::cancel_read() noexcept {
  const auto cancelled = std::exchange(waiting_, std::monostate());
  hold_back();
}

// Whoever is answered may read again.
template <class T>
Promise<T> Stream::end_waiting() {
  auto promise = std::move(std::get<Promise<T>>(waiting_));
  waiting_ = std::monostate();
  return promise;
}

void Stream::answer(Outcome<Piece> outcome) {
  if (std::holds_alternative<Promise<Piece>>(waiting_)) {
    end_waiting<Piece>().fire(std::move(outcome));
  } else if (outcome) {
    end_waiting<std::string>().callback(*std::move(outcome).value());
  } else {
    end_waiting<std::string>().errback(outcome.failure());
  }
}

void Stream::answer_if_complete() {
  drop_unwanted_read();
  if (!waiting()) return;
  if (auto found = attempt()) answer(std::move(*found));
}

// The answer of the read that is wanted, when there is one.
Stream::Answer Stream::attempt() {
  // What is there belongs to the transport that comes.
  if (giving_up_) return std::nullopt;
  const auto size = available();
  switch (kind_) {
    case Kind::some:
      if (size > 0) return take(std::min(limit_, size));
      break;
    case Kind::exactly:
      if (size >= limit_) return take(limit_);
      break;
    case Kind::line:
      if (auto found = find_end("\n")) return found;
      break;
    case Kind::until:
      if (auto found = find_end(delimiter_)) return found;
      break;
    case Kind::all:
      if (size > limit_) return Outcome<Piece>(too_long());
      break;
  }
  if (ended_) return at_end();
  if (loss_) return Outcome<Piece>(*loss_);
  return std::nullopt;
}

Stream::Answer Stream::find_end(std::string_view end) {
  const auto unread = held();
  const auto overlap = end.size() - 1;
  const auto found = unread.find(end, searched_ > overlap ? searched_ - overlap : 0);
  searched_ = unread.size();
  if (found == std::string_view::npos) {
    // A CR, or a part of the delimiter, may still turn out to be the beginning of the end.
    const auto slack = kind_ == Kind::line ? std::size_t{unread.ends_with('\r')} : overlap;
    if (unread.size() - std::min(slack, unread.size()) <= limit_) return std::nullopt;
    return Outcome<Piece>(too_long());
  }
  const bool carriage_return = kind_ == Kind::line && unread.substr(0, found).ends_with('\r');
  const auto length = found - std::size_t{carriage_return};
  if (length > limit_) return Outcome<Piece>(too_long());
  return take(length, found + end.size() - length);
}

Outcome<Stream::Piece> Stream::at_end() {
  const auto size = available();
  switch (kind_) {
    case Kind::all:
      return take(size);
    case Kind::some:
    case Kind::line:
      if (size == 0) return Piece();
      break;
    default:
      break;
  }
  auto partial = *take(size).value();
  return Failure(IncompleteRead("The peer " + transport().peer().text() +
                                    " ended its stream in the middle of what was read, after " +
                                    std::to_string(size) + " bytes of it.",
                                transport().peer(), std::move(partial)));
}

Failure Stream::too_long() const {
  const auto peer = transport().peer();
  const auto limit = std::to_string(limit_) + " bytes";
  if (kind_ == Kind::line) {
    return Failure(
        LineTooLong("The peer " + peer.text() + " sent a line of more than " + limit + ".", peer));
  }
  return Failure(ReadTooLong(
      "The peer " + peer.text() + " sent more than " + limit + " before the end of what was read.",
      peer));
}

// ---- what came and was not read

Outcome<Stream::Piece> Stream::take(std::size_t count, std::size_t skipped) {
  Piece piece(std::in_place);
  // Given away only where it is not much larger than what is in it.
  if (taken_ == 0 && count == buffer_.size() && count >= buffer_.capacity() / 2) {
    *piece = std::exchange(buffer_, {});
  } else {
    piece->assign(buffer_, taken_, count);
    taken_ += count + skipped;
    if (taken_ == buffer_.size()) empty_buffer();
  }
  if (available() <= max_buffered_ / 4) release_hold();
  return piece;
}

// A stream that waits for its peer shall not keep much memory for it.
void Stream::empty_buffer() noexcept {
  taken_ = 0;
  buffer_.clear();
  if (buffer_.capacity() > max_idle_buffer) std::string().swap(buffer_);
}

void Stream::keep(BytesView data) {
  // So rarely that it costs no more than what was taken meanwhile.
  if (taken_ > 0 && taken_ >= buffer_.size() / 2) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  buffer_.append(data.text());
}

void Stream::hold_back() {
  if (waiting() || available() <= max_buffered_ || std::exchange(holding_, true)) return;
  transport().pause_producing();
}

void Stream::release_hold() {
  if (std::exchange(holding_, false)) transport().resume_producing();
}

void Stream::data_received(BytesView data) {
  if (waiting()) reader_.fetch();
  drop_unwanted_read();
  if (waiting() && kind_ == Kind::some && available() == 0) {
    // The usual case is copied once.
    const auto piece = data.first(limit_);
    if (piece.size() < data.size()) keep(data.from(piece.size()));
    end_waiting<Piece>().fire(Piece(piece.text()));
  } else {
    keep(data);
    answer_if_complete();
  }
  hold_back();
}

void Stream::eof_received() {
  ended_ = true;
  answer_if_complete();
}

void Stream::connection_lost(const Failure& reason) {
  loss_ = reason;
  look_call_.cancel_if_active();
  // It was for a transport that has not come to take it.
  if (std::exchange(giving_up_, false)) empty_buffer();
  answer_if_complete();
  for (auto& writer : std::exchange(writers_, {})) {
    if (!writer.fired()) writer.errback(reason);
  }
  const bool in_order = reason.check<ConnectionDone>() != nullptr;
  for (auto& closer : std::exchange(closers_, {})) {
    if (!closer.fired()) closer.fire(in_order ? Outcome<void>() : Outcome<void>(reason));
  }
}

// ---- writing

std::optional<Failure> Stream::refusal() const {
  if (loss_) return loss_;
  if (writing_ended_ || transport().closing()) {
    const auto peer = transport().peer();
    return Failure(ConnectionDone(
        "This side has closed the connection with " + peer.text() + "; write before that.", peer));
  }
  return std::nullopt;
}

Deferred<void> Stream::write(BytesView data, SourceLocation where) {
  if (auto refused = refusal()) return fail<void>(std::move(*refused));
  transport().write(data);
  return room(where);
}

Deferred<void> Stream::write(Bytes data, SourceLocation where) {
  if (auto refused = refusal()) return fail<void>(std::move(*refused));
  transport().write(std::move(data));
  return room(where);
}

Deferred<void> Stream::drain(SourceLocation where) {
  if (auto refused = refusal()) return fail<void>(std::move(*refused));
  return room(where);
}

Deferred<void> Stream::room(SourceLocation where) {
  if (!writing_paused_) {
    if (transport().write_buffer_size() <= high_water_) return succeed();
    // The marks are looked at when the turn is over: this tells what became of them.
    if (!look_call_.active()) {
      look_call_ = transport().clock().call_later(Duration::zero(), [weak = weak_from_this()] {
        const auto self = std::static_pointer_cast<Stream>(weak.lock());
        if (self != nullptr && !self->writing_paused_) self->let_writers_go();
      });
    }
  }
  return join(writers_, where);
}

Deferred<void> Stream::join(Waiters& waiters, SourceLocation where) {
  // Those who were cancelled go before more memory is taken.
  if (waiters.size() == waiters.capacity()) {
    std::erase_if(waiters, [](const auto& waiter) { return waiter.fired(); });
  }
  return waiters.emplace_back(Callback(), where).deferred();
}

// Once this side has closed there is no room any more, however much has gone out.
void Stream::let_writers_go() {
  if (writers_.empty()) return;
  const auto refused = refusal();
  for (auto& writer : std::exchange(writers_, {})) {
    if (writer.fired()) continue;
    if (!refused) {
      writer.callback();
    } else if (writer.wanted()) {
      writer.errback(*refused);
    }
  }
}

void Stream::pause_writing() {
  writing_paused_ = true;
}

void Stream::resume_writing() {
  writing_paused_ = false;
  let_writers_go();
}

void Stream::set_write_buffer_limits(std::size_t high, std::size_t low) {
  transport().set_write_buffer_limits(high, low);
  high_water_ = high;
}

void Stream::lose_write_connection() {
  writing_ended_ = true;
  transport().lose_write_connection();
  // Nobody is told of the marks any more.
  let_writers_go();
}

// ---- the connection

Deferred<void> Stream::close(SourceLocation where) {
  if (loss_) return succeed();
  auto closed = join(closers_, where);
  writing_ended_ = true;
  transport().lose_connection();
  let_writers_go();
  return closed;
}

void Stream::abort() {
  transport().abort_connection();
}

void Stream::change_transport(std::shared_ptr<Transport> transport) {
  giving_up_ = true;
  Protocol::change_transport(std::move(transport));
}

std::string Stream::take_undelivered() {
  giving_up_ = false;
  auto undelivered = std::exchange(buffer_, {});
  undelivered.erase(0, std::exchange(taken_, 0));
  searched_ = 0;
  release_hold();
  return undelivered;
}

}  // namespace weft
