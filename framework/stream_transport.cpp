#include "stream_transport.hpp"

#include "census.hpp"
#include "context.hpp"
#include "detail/names.hpp"
#include "detail/water_marks.hpp"
#include "error.hpp"
#include "logging.hpp"

#include <algorithm>
#include <typeinfo>
#include <utility>

namespace weft {

namespace {

Failure loop_over(const Address& peer) noexcept {
  try {
    return Failure(ConnectionLost("The reactor stopped while the connection was open.", peer));
  } catch (...) {
    return Failure::current();
  }
}

}  // namespace

StreamOwner::~StreamOwner() = default;

StreamTransport::StreamTransport(Clock& clock) noexcept
    : Turn::Participant(clock.turn()), context_(detail::HeldContext::capture()), clock_(clock) {}

StreamTransport::~StreamTransport() = default;

// ---- small questions

bool StreamTransport::connected() const {
  return !ended_for_good();
}

bool StreamTransport::closing() const {
  return state_ == StreamState::flushing || state_ == StreamState::closing_tls || ended_for_good();
}

std::size_t StreamTransport::write_buffer_size() const {
  return ended_for_good() ? 0 : output_.size();
}

bool StreamTransport::reading_wanted() const noexcept {
  switch (state_) {
    case StreamState::open:
    case StreamState::write_closed:
      return pauses_ == 0 && held_input_.empty() && !end_held_;
    case StreamState::flushing:
    case StreamState::closing_tls:
      // What comes now is discarded, so that a peer who sends before it reads is not stuck, and
      // unread input does not turn our close into a reset.
      return true;
    default:
      return false;
  }
}

bool StreamTransport::lends_buffer() const noexcept {
  const bool delivering = state_ == StreamState::open || state_ == StreamState::write_closed;
  return buffered_ != nullptr && delivering && reading_wanted();
}

void StreamTransport::check_thread() const {
#ifndef NDEBUG
  if (turn() != nullptr) turn()->check_thread();
#endif
}

PendingWork StreamTransport::describe() const {
  if (protocol_ == nullptr) return {};
  return {"connection", detail::type_text(subject_type()) + " with " + peer().text(), where()};
}

const char* StreamTransport::subject_type() const noexcept {
  const auto* const protocol = protocol_.get();
  return protocol != nullptr ? typeid(*protocol).name() : nullptr;
}

// ---- into user code

template <class F>
void StreamTransport::call_user(F&& callback) {
  turn()->enter_in(
      *context(), std::forward<F>(callback),
      [this](const Failure& failure) { callback_threw(failure); }, Turn::Subject(this));
}

void StreamTransport::log_thrown(std::string_view what, const Failure& failure) const noexcept {
  try {
    const auto message = std::string(what) + " of the connection with " + peer().text() + " threw";
    log_failure("connection", message, failure);
  } catch (...) {
    log_failure("connection", "A callback of a connection threw", failure);
  }
}

void StreamTransport::callback_threw(const Failure& failure) noexcept {
  log_thrown("A callback", failure);
  abort_connection(failure);
}

void StreamTransport::begin_context(detail::HeldContext context) noexcept {
  if (this->context() == &context_) context_ = std::move(context);
}

std::optional<Failure> StreamTransport::establish(std::shared_ptr<Protocol> protocol,
                                                  std::shared_ptr<StreamOwner> owner) {
  const auto self = shared_from_this();
  protocol_ = std::move(protocol);
  owner_ = std::move(owner);
  buffered_ = protocol_->buffered();
  count_connection();
  std::optional<Failure> thrown;
  turn()->enter_in(
      *context(), [&] { protocol_->make_connection(self); },
      [&](const Failure& failure) {
        thrown = failure;
        callback_threw(failure);
      },
      Turn::Subject(this));
  if (!ended_for_good()) reading_changed();
  return thrown;
}

void StreamTransport::count_connection() noexcept {
  census().connections.fetch_add(1, std::memory_order_relaxed);
  if (counts_) ++turn()->counts().connections_made;
}

// ---- changing places

std::optional<StreamUse> StreamTransport::give_up_use() {
  check_thread();
  if (turn() == nullptr) return std::nullopt;
  if (take(StreamEvent::start_tls).action != StreamAction::upgrade) return std::nullopt;
  StreamUse use;
  use.producer = std::exchange(producer_, nullptr);
  use.streaming = streaming_;
  use.writing_paused = writing_paused_;
  use.producer_paused = std::exchange(producer_paused_, false);
  use.pauses = std::exchange(pauses_, 0);
  use.high_water = std::exchange(high_water_, default_high_water);
  use.low_water = std::exchange(low_water_, default_low_water);
  pull_due_ = false;
  return use;
}

std::shared_ptr<Protocol> StreamTransport::exchange_protocol(std::shared_ptr<Protocol> protocol) {
  check_thread();
  auto before = std::exchange(protocol_, std::move(protocol));
  buffered_ = protocol_->buffered();
  protocol_->change_transport(shared_from_this());
  // Input that was held back is delivered when the loop comes round, and the marks are looked at.
  if (turn() != nullptr) turn()->wake_later(shared_from_this());
  output_changed();
  return before;
}

void StreamTransport::adopt(StreamUse use) {
  protocol_ = std::move(use.protocol);
  buffered_ = protocol_->buffered();
  producer_ = std::move(use.producer);
  streaming_ = use.streaming;
  writing_paused_ = use.writing_paused;
  producer_paused_ = use.producer_paused;
  pauses_ = use.pauses;
  high_water_ = use.high_water;
  low_water_ = use.low_water;
  count_connection();
  protocol_->change_transport(shared_from_this());
  if (producer_ != nullptr && streaming_ == Streaming::pull) {
    pull_due_ = true;
    turn()->wake_later(shared_from_this());
  }
  output_changed();
}

// ---- what users ask for

void StreamTransport::output_changed() noexcept {
  if (flush_is_due()) return;
  if (turn() != nullptr && !ended_for_good()) turn()->flush_later(shared_from_this());
}

bool StreamTransport::writable_now() noexcept {
  switch (take(StreamEvent::write).action) {
    case StreamAction::send:
      return true;
    case StreamAction::send_for_producer:
      return producer_ != nullptr;
    default:
      return false;
  }
}

void StreamTransport::write(BytesView data) {
  check_thread();
  if (!writable_now()) return;
  output_.append(data.size() < large_write ? data : send_at_once(data));
  output_changed();
}

void StreamTransport::write(Bytes data) {
  check_thread();
  if (!writable_now()) return;
  output_.append(std::move(data));
  output_changed();
}

void StreamTransport::write_sequence(std::span<const BytesView> pieces) {
  check_thread();
  if (!writable_now()) return;
  output_.append(pieces);
  output_changed();
}

// Sends what it can out of the caller's memory; what is left is for the queue.
BytesView StreamTransport::send_at_once(BytesView data) noexcept {
  if (sending_ || !output_.empty() || turn() == nullptr) return data;
  const SendResult result = try_send({&data, 1});
  if (result.error) {
    broken(failure_from(result.error));
    return {};
  }
  if (result.taken == 0) return data;
  count_sent(result.taken);
  sent_early_ = true;
  try {
    output_.append(data.from(result.taken));
    if (result.blocked) send_rest_later();
  } catch (...) {
    // Half a message has gone out: nothing may come behind it.
    broken(Failure::current());
  }
  return {};
}

void StreamTransport::lose_connection() {
  lose(StreamEvent::lose, linger_);
}

void StreamTransport::lose_connection(Duration linger) {
  lose(StreamEvent::lose, linger);
}

void StreamTransport::lose_write_connection() {
  lose(StreamEvent::lose_write, linger_);
}

void StreamTransport::lose(StreamEvent event, Duration linger) {
  check_thread();
  const bool was_reading = reading_wanted();
  switch (take(event).action) {
    case StreamAction::begin_close:
      linger_ = linger;
      held_input_.clear();
      end_held_ = false;
      if (!was_reading) reading_changed();
      output_changed();
      break;
    case StreamAction::shorten_linger:
      if (linger < linger_) {
        linger_ = linger;
        linger_call_.cancel_if_active();
        output_changed();
      }
      break;
    case StreamAction::begin_half_close:
      output_changed();
      break;
    default:
      break;
  }
}

void StreamTransport::abort_connection() {
  check_thread();
  if (ended_for_good()) return;
  abort_connection(Failure(ConnectionAborted("This side aborted the connection.", peer())));
}

void StreamTransport::abort_connection(Failure reason) {
  check_thread();
  if (take(StreamEvent::abort).action == StreamAction::give_up) end(std::move(reason), true);
}

void StreamTransport::pause_producing() {
  check_thread();
  if (take(StreamEvent::pause).action == StreamAction::hold) ++pauses_;
}

void StreamTransport::resume_producing() {
  check_thread();
  if (take(StreamEvent::resume).action != StreamAction::release) return;
  if (pauses_ == 0 || --pauses_ > 0) return;
  if (reading_wanted()) {
    reading_changed();
  } else if (turn() != nullptr) {
    turn()->wake_later(shared_from_this());
  }
}

void StreamTransport::register_producer(std::shared_ptr<Producer> producer, Streaming streaming) {
  check_thread();
  if (producer == nullptr) {
    throw InvalidArgument("A transport was given no producer; pass an object.");
  }
  if (producer_ != nullptr) {
    throw ProducerAlreadyRegisteredError(
        "The connection with " + peer().text() +
        " has a producer already; unregister it before another one is registered.");
  }
  if (take(StreamEvent::register_producer).action != StreamAction::adopt_producer) {
    producer->stop_producing();
    return;
  }
  producer_ = std::move(producer);
  streaming_ = streaming;
  producer_paused_ = false;
  if (streaming == Streaming::pull) {
    pull_due_ = true;
    turn()->wake_later(shared_from_this());
  }
  output_changed();
}

void StreamTransport::unregister_producer() {
  check_thread();
  take(StreamEvent::unregister_producer);
  pull_due_ = false;
  if (producer_ == nullptr) return;
  if (turn() != nullptr) turn()->release_later(std::move(producer_));
  producer_ = nullptr;
  output_changed();
}

void StreamTransport::set_write_buffer_limits(std::size_t high, std::size_t low) {
  check_thread();
  detail::check_water_marks(high, low);
  high_water_ = high;
  low_water_ = low;
  output_changed();
}

// ---- what the carrier reports

void StreamTransport::received(BytesView data) {
  if (data.empty() || take(StreamEvent::data).action != StreamAction::deliver) return;
  if (pauses_ == 0 && held_input_.empty()) {
    deliver(data);
    return;
  }
  try {
    held_input_.append(data.text());
  } catch (...) {
    broken(Failure::current());
  }
}

std::span<std::byte> StreamTransport::borrow(std::size_t size_hint) {
  std::span<std::byte> room;
  call_user([&] {
    room = buffered_->buffer(size_hint);
    if (room.empty()) {
      throw InvalidArgument("A BufferedProtocol lent an empty buffer; lend at least one byte.");
    }
  });
  return ended_for_good() ? std::span<std::byte>() : room;
}

void StreamTransport::received_in_place(std::size_t count) {
  if (take(StreamEvent::data).action != StreamAction::deliver) return;
  if (counts_) turn()->counts().bytes_received += count;
  call_user([&] { buffered_->buffer_updated(count); });
}

void StreamTransport::deliver(BytesView data) {
  if (counts_) turn()->counts().bytes_received += data.size();
  call_user([&] { protocol_->data_received(data); });
}

void StreamTransport::ended() {
  const bool gated = state_ == StreamState::open || state_ == StreamState::write_closed;
  if (gated && (pauses_ > 0 || !held_input_.empty())) {
    end_held_ = true;
    return;
  }
  deliver_end(take(StreamEvent::end_of_stream).action);
}

void StreamTransport::deliver_end(StreamAction action) {
  switch (action) {
    case StreamAction::deliver_end:
      call_user([&] { protocol_->eof_received(); });
      break;
    case StreamAction::deliver_end_and_close:
      call_user([&] { protocol_->eof_received(); });
      output_changed();
      break;
    case StreamAction::complete:
      end(Failure(ConnectionDone(peer())), false);
      break;
    default:
      break;
  }
}

void StreamTransport::sent(std::size_t count) {
  sending_ = false;
  if (ended_for_good()) {
    output_.clear();
    return;
  }
  count_sent(count);
  output_.consume(count);
  if (count > 0 && output_.empty() && producer_ != nullptr && streaming_ == Streaming::pull) {
    // The flush finds nothing left to send, and would not ask for more.
    pull_due_ = true;
    turn()->wake_later(shared_from_this());
  }
  flush();
}

void StreamTransport::broken(Failure reason) {
  switch (take(StreamEvent::error).action) {
    case StreamAction::fail:
      end(std::move(reason), true);
      break;
    case StreamAction::complete:
      end(Failure(ConnectionDone(peer())), false);
      break;
    default:
      break;
  }
}

void StreamTransport::goodbye_done() {
  if (state_ != StreamState::closing_tls) return;
  take(StreamEvent::drained);
  end(Failure(ConnectionDone(peer())), false);
}

// ---- sending

void StreamTransport::flush() noexcept {
  if (ended_for_good()) return;
  try {
    const Turn::Scope scope(*turn());
    const bool sent_before = std::exchange(sent_early_, false);
    const bool progress = send_queued() || sent_before;
    check_marks();
    check_drained(progress);
    arm_linger();
  } catch (...) {
    broken(Failure::current());
  }
}

bool StreamTransport::send_queued() {
  bool progress = false;
  detail::OutputQueue::Pieces pieces;
  while (!sending_ && !output_.empty() && !ended_for_good()) {
    const SendResult result = try_send(output_.front(pieces));
    if (result.error) {
      broken(failure_from(result.error));
      return false;
    }
    count_sent(result.taken);
    output_.consume(result.taken);
    progress = true;
    if (result.blocked) send_rest_later();
  }
  return progress;
}

void StreamTransport::send_rest_later() {
  if (output_.empty()) return;
  detail::OutputQueue::Pieces pieces;
  sending_ = true;
  send_later(output_.front(pieces));
}

void StreamTransport::check_marks() {
  const std::size_t size = output_.size();
  const bool over = writing_paused_ ? size > low_water_ : size > high_water_;
  if (over != writing_paused_) {
    writing_paused_ = over;
    if (state_ == StreamState::open || state_ == StreamState::read_closed) {
      call_user([&] { over ? protocol_->pause_writing() : protocol_->resume_writing(); });
    }
  }
  if (producer_ == nullptr || streaming_ != Streaming::push || ended_for_good()) return;
  if (std::exchange(producer_paused_, writing_paused_) == writing_paused_) return;
  call_user([producer = producer_, over] {
    over ? producer->pause_producing() : producer->resume_producing();
  });
}

void StreamTransport::check_drained(bool progress) {
  if (sending_ || !output_.empty() || ended_for_good()) return;
  if (producer_ != nullptr) {
    if (streaming_ != Streaming::pull || !progress) return;
    pull_due_ = true;
    turn()->wake_later(shared_from_this());
    return;
  }
  if (end_sent_ && state_ == StreamState::write_closed) return;
  if (state_ == StreamState::closing_tls) return;
  switch (take(StreamEvent::drained).action) {
    case StreamAction::send_end:
      end_sent_ = true;
      send_end();
      break;
    case StreamAction::finish:
      finish();
      break;
    default:
      break;
  }
}

void StreamTransport::finish() {
  if (begin_goodbye()) return;
  take(StreamEvent::drained);
  end(Failure(ConnectionDone(peer())), false);
}

void StreamTransport::arm_linger() {
  const bool closing = state_ == StreamState::flushing || state_ == StreamState::closing_tls;
  if (!closing || linger_call_.active()) return;
  // Whoever ends the turn in which this is sent may be somebody else.
  const auto nobody_s = Context::suppress();
  linger_call_ = clock_.call_later(linger_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->linger_over();
  });
}

void StreamTransport::linger_over() {
  if (take(StreamEvent::timer).action != StreamAction::expire) return;
  end(Failure(LingerTimeout("The peer did not take what was written within the linger time; the "
                            "connection was aborted.",
                            peer())),
      true);
}

// ---- the end

void StreamTransport::end(Failure reason, bool abruptly) noexcept {
  loss_ = std::move(reason);
  linger_call_.cancel_if_active();
  held_input_ = std::string();
  end_held_ = false;
  // What the carrier is still sending must stay where it is until it says so.
  if (!sending_) output_.clear();
  abruptly ? close_abruptly() : close_in_order();
  if (turn() != nullptr) turn()->wake_later(shared_from_this());
}

void StreamTransport::wake() noexcept {
  const Turn::Scope scope(*turn());
  if (loss_) {
    deliver_loss();
    return;
  }
  deliver_held();
  resume_pull_producer();
}

void StreamTransport::deliver_held() {
  if (pauses_ > 0 || ended_for_good()) return;
  if (!held_input_.empty()) {
    const auto data = std::exchange(held_input_, {});
    if (take(StreamEvent::data).action == StreamAction::deliver) deliver(data);
  }
  if (pauses_ == 0 && end_held_) {
    end_held_ = false;
    deliver_end(take(StreamEvent::end_of_stream).action);
  }
  if (reading_wanted()) reading_changed();
}

void StreamTransport::resume_pull_producer() {
  if (producer_ == nullptr || streaming_ != Streaming::pull || ended_for_good()) return;
  if (sending_ || !output_.empty() || !std::exchange(pull_due_, false)) return;
  call_user([producer = producer_] { producer->resume_producing(); });
}

void StreamTransport::deliver_loss() {
  // Whoever is told may end the loop, which tells everybody.
  if (protocol_ == nullptr || std::exchange(loss_told_, true)) return;
  if (producer_ != nullptr) {
    turn()->enter_in(
        *context(), [producer = std::exchange(producer_, nullptr)] { producer->stop_producing(); },
        [this](const Failure& failure) { log_thrown("The producer", failure); });
  }
  turn()->enter_in(
      *context(), [this] { protocol_->connection_lost(*loss_); },
      [this](const Failure& failure) { log_thrown("connection_lost", failure); },
      Turn::Subject(this));
  // Our own: that of a carrier lasts until its loss is told, which may come after ours.
  drop_context();
  census().connections.fetch_sub(1, std::memory_order_relaxed);
  if (counts_) ++turn()->counts().connections_lost;
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->connection_closed(*this);
  turn()->release_later(std::exchange(protocol_, nullptr));
}

void StreamTransport::loop_ended() noexcept {
  const auto self = weak_from_this().lock();
  if (self == nullptr) return;
  if (!ended_for_good()) {
    const bool cut_off = !output_.empty();
    take(StreamEvent::abort);
    end(loop_over(peer()), cut_off);
  }
  deliver_loss();
  loop_gone();
}

}  // namespace weft
