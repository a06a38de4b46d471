#include "basic_datagram_transport.hpp"

#include "census.hpp"
#include "detail/water_marks.hpp"
#include "error.hpp"
#include "logging.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace weft {

BasicDatagramTransport::BasicDatagramTransport(Clock& clock, const DatagramOptions& options)
    : Turn::Participant(clock.turn()),
      clock_(clock),
      context_(detail::HeldContext::capture()),
      options_(options),
      high_water_(std::min(default_high_water, options.max_queue_bytes / 2)),
      low_water_(std::min(default_low_water, options.max_queue_bytes / 8)) {
  if (options.max_datagram_bytes == 0 || options.max_datagram_bytes > largest_datagram) {
    throw InvalidArgument("A port takes datagrams of at most 1 to " +
                          std::to_string(largest_datagram) + " bytes; this was asked for " +
                          std::to_string(options.max_datagram_bytes) + ".");
  }
}

BasicDatagramTransport::~BasicDatagramTransport() = default;

void BasicDatagramTransport::start(std::shared_ptr<DatagramProtocol> protocol) {
  self_ = shared_from_this();
  const auto self = self_;
  try {
    if (protocol == nullptr) {
      throw InvalidArgument("A port was given no protocol, so nobody would listen; pass one.");
    }
    protocol_ = std::move(protocol);
    census().connections.fetch_add(1, std::memory_order_relaxed);
    const Turn::Scope scope(*turn());
    const detail::ContextSwitch inside(context_);
    protocol_->make_connection(self);
    if (receiving_wanted()) receiving_changed();
  } catch (...) {
    if (std::exchange(protocol_, nullptr) != nullptr) {
      census().connections.fetch_sub(1, std::memory_order_relaxed);
    }
    close_now();
    self_.reset();
    throw;
  }
}

// ---- into user code

void BasicDatagramTransport::check_thread() const {
#ifndef NDEBUG
  if (turn() != nullptr) turn()->check_thread();
#endif
}

template <class F>
void BasicDatagramTransport::call_user(std::string_view what, F&& callback) noexcept {
  turn()->enter_in(context_, std::forward<F>(callback), [&](const Failure& failure) {
    try {
      log_failure("datagrams", std::string(what) + " of the port at " + host_.text() + " threw",
                  failure);
    } catch (...) {
      log_failure("datagrams", "A callback of a port threw", failure);
    }
  });
}

// What came before it was connected may be anybody's. A UNIX socket's name may be written in
// several ways, so there the system alone decides.
bool BasicDatagramTransport::wanted_from(const Address& sender) const noexcept {
  const bool any =
      peer_.family() == Address::Family::none || peer_.family() == Address::Family::unix_socket;
  return open() && (any || sender == peer_);
}

void BasicDatagramTransport::received(BytesView data, const Address& sender) {
  if (!wanted_from(sender)) return;
  ++counters_.received;
  call_user("datagram_received", [&] { protocol_->datagram_received(data, sender); });
}

void BasicDatagramTransport::truncated(BytesView beginning, const Address& sender) {
  if (!wanted_from(sender)) return;
  ++counters_.received;
  ++counters_.truncated;
  call_user("datagram_truncated", [&] { protocol_->datagram_truncated(beginning, sender); });
}

void BasicDatagramTransport::refused() noexcept {
  if (!open() || peer_.family() == Address::Family::none) return;
  refused_ = true;
  turn()->wake_later(shared_from_this());
}

void BasicDatagramTransport::pause_producing() {
  check_thread();
  if (open()) ++pauses_;
}

void BasicDatagramTransport::resume_producing() {
  check_thread();
  if (!open() || pauses_ == 0 || --pauses_ > 0) return;
  receiving_changed();
}

// ---- sending

void BasicDatagramTransport::send(BytesView data, const Address& to) {
  check_thread();
  if (peer_.family() != Address::Family::none) {
    if (to != peer_) {
      throw InvalidArgument("This port is connected to " + peer_.text() + " and sends to " +
                                to.text() + " no more; open another one for that.",
                            to);
    }
    send(data);
    return;
  }
  check_destination(to);
  send_or_queue(data, to);
}

void BasicDatagramTransport::send(BytesView data) {
  check_thread();
  if (peer_.family() == Address::Family::none) {
    throw NotConnectedError(
        "This port is connected to nobody; connect it first, or say where to send to.");
  }
  send_or_queue(data, {});
}

void BasicDatagramTransport::refuse_length(std::size_t size, const Address& to) {
  throw MessageTooLong("A datagram of " + std::to_string(size) +
                           " bytes is too long to be sent to " + to.text() +
                           "; send several, or use a stream.",
                       to, std::make_error_code(std::errc::message_size));
}

void BasicDatagramTransport::send_or_queue(BytesView data, const Address& to) {
  const auto& target = to.family() == Address::Family::none ? peer_ : to;
  if (data.size() > max_bytes_to(target)) refuse_length(data.size(), target);
  if (!open()) {
    ++counters_.dropped;
    return;
  }
  const auto result = queue_.empty() ? try_send(data, to) : Sent::blocked;
  switch (result) {
    case Sent::taken:
      ++counters_.sent;
      break;
    case Sent::failed:
      ++counters_.failed;
      break;
    default:
      enqueue(data, to);
  }
}

void BasicDatagramTransport::enqueue(BytesView data, const Address& to) {
  Waiting waiting{std::string(data.text()), to};
  const auto cost = waiting.cost();
  if (!make_room(cost)) {
    ++counters_.dropped;
    return;
  }
  ask_to_send_later();
  queue_.push_back(std::move(waiting));
  queued_ += cost;
  queue_changed();
}

bool BasicDatagramTransport::make_room(std::size_t cost) {
  const auto most = options_.max_queue_bytes;
  if (cost > most) return false;
  if (options_.drop_when_full == Drop::newest) return queued_ + cost <= most;
  while (queued_ + cost > most) {
    queued_ -= queue_.front().cost();
    queue_.pop_front();
    ++counters_.dropped;
  }
  return true;
}

void BasicDatagramTransport::ask_to_send_later() {
  if (sends_later_) return;
  send_later();
  sends_later_ = true;
}

void BasicDatagramTransport::sendable() {
  const auto self = shared_from_this();
  sends_later_ = false;
  if (state_ == State::closed) return;
  try {
    send_queued();
    if (!queue_.empty()) ask_to_send_later();
  } catch (...) {
    // Nobody would tell when to go on.
    log_failure("datagrams", "A port's queue could not be sent; it is dropped", Failure::current());
    counters_.dropped += queue_.size();
    queue_.clear();
    queued_ = 0;
  }
  queue_changed();
  if (state_ == State::flushing && queue_.empty()) close_now();
}

// In order for each address; one that takes none does not hold up the others.
void BasicDatagramTransport::send_queued() {
  std::unordered_set<Address> full;
  for (auto next = queue_.begin(); next != queue_.end();) {
    const auto result = full.contains(next->to) ? Sent::address_blocked : try_queued(*next);
    if (result == Sent::blocked) return;
    if (result == Sent::address_blocked) {
      full.insert(next->to);
      ++next;
      continue;
    }
    ++(result == Sent::taken ? counters_.sent : counters_.failed);
    queued_ -= next->cost();
    next = queue_.erase(next);
  }
}

BasicDatagramTransport::Sent BasicDatagramTransport::try_queued(const Waiting& waiting) {
  try {
    return try_send(waiting.data, waiting.to);
  } catch (const Error&) {
    // Whoever sent it cannot be told any more.
    return Sent::failed;
  }
}

// ---- marks

void BasicDatagramTransport::set_write_buffer_limits(std::size_t high, std::size_t low) {
  check_thread();
  detail::check_water_marks(high, low);
  high_water_ = high;
  low_water_ = low;
  queue_changed();
}

void BasicDatagramTransport::queue_changed() noexcept {
  if (open() && turn() != nullptr) turn()->flush_later(shared_from_this());
}

void BasicDatagramTransport::check_marks() noexcept {
  const bool over = queued_ > (writing_paused_ ? low_water_ : high_water_);
  if (!open() || std::exchange(writing_paused_, over) == over) return;
  if (over) {
    call_user("pause_writing", [this] { protocol_->pause_writing(); });
  } else {
    call_user("resume_writing", [this] { protocol_->resume_writing(); });
  }
}

// ---- connecting and closing

void BasicDatagramTransport::connect(const Address& peer) {
  check_thread();
  if (!open()) return;
  if (peer_.family() != Address::Family::none) {
    throw AlreadyCalledError("This port is connected to " + peer_.text() +
                                 " already; open another one for " + peer.text() + ".",
                             peer);
  }
  check_destination(peer);
  peer_ = connect_to(peer);
}

void BasicDatagramTransport::lose_connection(Duration linger) {
  check_thread();
  if (state_ == State::closed) return;
  const auto end = clock_.now() + linger;
  if (queue_.empty()) {
    close_now();
  } else if (!linger_call_.active() || end < linger_call_.due()) {
    auto call = clock_.call_later(linger, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->close_now();
    });
    linger_call_.cancel_if_active();
    linger_call_ = std::move(call);
    state_ = State::flushing;
  }
}

void BasicDatagramTransport::abort_connection() {
  check_thread();
  close_now();
}

void BasicDatagramTransport::close_now() noexcept {
  if (std::exchange(state_, State::closed) == State::closed) return;
  counters_.dropped += queue_.size();
  queue_.clear();
  queued_ = 0;
  linger_call_.cancel_if_active();
  close();
  if (turn() != nullptr) turn()->wake_later(shared_from_this());
}

Deferred<void> BasicDatagramTransport::stopped() {
  if (state_ == State::closed && protocol_ == nullptr) return succeed();
  return waiting_for_stop_.join(SourceLocation::current());
}

void BasicDatagramTransport::deliver_stop() noexcept {
  if (protocol_ == nullptr) return;
  call_user("stop_protocol", [this] { protocol_->stop_protocol(); });
  context_ = detail::HeldContext();
  census().connections.fetch_sub(1, std::memory_order_relaxed);
  turn()->release_later(std::exchange(protocol_, nullptr));
  turn()->release_later(std::exchange(self_, nullptr));
  while (!waiting_for_stop_.empty())
    waiting_for_stop_.leave().callback();
}

void BasicDatagramTransport::wake() noexcept {
  const Turn::Scope scope(*turn());
  if (state_ == State::closed) {
    deliver_stop();
  } else if (std::exchange(refused_, false) && open()) {
    call_user("connection_refused", [this] { protocol_->connection_refused(); });
  }
}

void BasicDatagramTransport::loop_ended() noexcept {
  const auto self = weak_from_this().lock();
  if (self == nullptr) return;
  close_now();
  deliver_stop();
}

}  // namespace weft
