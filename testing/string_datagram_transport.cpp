#include "string_datagram_transport.hpp"

#include "../framework/error.hpp"

#include <stdexcept>
#include <utility>

namespace weft::testing {

namespace {

bool is_group(const Address& address) {
  const auto first = address.octets().front();
  return address.family() == Address::Family::ipv4
             ? (first & 0xf0) == 0xe0
             : address.family() == Address::Family::ipv6 && first == 0xff;
}

}  // namespace

StringDatagramTransport::StringDatagramTransport(const DatagramOptions& options)
    : StringDatagramTransport(std::make_unique<ManualClock>(), nullptr, options) {}

StringDatagramTransport::StringDatagramTransport(Clock& clock, const DatagramOptions& options)
    : StringDatagramTransport(nullptr, &clock, options) {}

StringDatagramTransport::StringDatagramTransport(std::unique_ptr<ManualClock> own, Clock* given,
                                                 const DatagramOptions& options)
    : BasicDatagramTransport(own != nullptr ? *own : *given, options),
      own_clock_(std::move(own)),
      broadcast_(options.broadcast) {
  set_host(Address::ipv4({127, 0, 0, 1}, 7));
}

StringDatagramTransport::~StringDatagramTransport() = default;

ManualClock& StringDatagramTransport::manual_clock() {
  if (own_clock_ == nullptr) {
    throw std::logic_error("This port is on a clock that it was given; use that.");
  }
  return *own_clock_;
}

void StringDatagramTransport::settle() {
  if (own_clock_ != nullptr && !own_clock_->turn().inside()) own_clock_->settle();
}

// ---- what the network does

void StringDatagramTransport::deliver(BytesView data, const Address& from) {
  if (!open()) return;
  inbox_.push_back({std::string(data.text()), from, host()});
  pump();
  settle();
}

bool StringDatagramTransport::pump() {
  bool moved = false;
  while (receiving_wanted() && !inbox_.empty()) {
    const auto next = std::move(inbox_.front());
    inbox_.pop_front();
    const BytesView data(next.data);
    data.size() > max_datagram_bytes() ? truncated(data.first(max_datagram_bytes()), next.from)
                                       : received(data, next.from);
    moved = true;
  }
  return moved;
}

void StringDatagramTransport::receiving_changed() {
  if (inbox_.empty()) return;
  clock().call_later(Duration::zero(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) static_cast<StringDatagramTransport&>(*self).pump();
  });
}

void StringDatagramTransport::deliver_refusal() {
  refused();
  settle();
}

void StringDatagramTransport::set_blocked(bool on) {
  blocked_ = on;
  if (!on && std::exchange(sends_later_, false)) sendable();
  settle();
}

// ---- what the protocol does

BasicDatagramTransport::Sent StringDatagramTransport::try_send(BytesView data, const Address& to) {
  if (blocked_) return Sent::blocked;
  const auto target = to.family() == Address::Family::none ? peer() : to;
  if (target.host() == "255.255.255.255" && !broadcast_) {
    throw InvalidArgument(target.text() + " reaches many; allow broadcast first.", target);
  }
  SentDatagram datagram{std::string(data.text()), source_for(target), target};
  went_out(datagram);
  sent_.push_back(std::move(datagram));
  return Sent::taken;
}

Address StringDatagramTransport::source_for(const Address&) const {
  return host();
}

void StringDatagramTransport::check_destination(const Address& to) const {
  const bool everywhere = host().host() == "::";
  if (to.port() == 0 || (to.family() != host().family() && !everywhere)) {
    throw InvalidArgument("The port at " + host().text() + " cannot send to " + to.text() +
                              ", which has no port or is of another family.",
                          to);
  }
}

std::size_t StringDatagramTransport::max_bytes_to(const Address& to) const {
  return to.family() == Address::Family::ipv4 ? 65'507 : 65'527;
}

void StringDatagramTransport::join_group(const Address& group, const Address&) {
  if (!is_group(group)) throw InvalidArgument(group.text() + " is no multicast group.", group);
  groups_.insert(group.host());
}

void StringDatagramTransport::leave_group(const Address& group, const Address&) {
  if (groups_.erase(group.host()) == 0) {
    throw InvalidArgument("This port is not in the group " + group.host() + ".", group);
  }
}

std::shared_ptr<StringDatagramTransport> open_port(std::shared_ptr<DatagramProtocol> protocol,
                                                   const DatagramOptions& options) {
  const auto transport = std::make_shared<StringDatagramTransport>(options);
  try {
    transport->start(std::move(protocol));
  } catch (...) {
    transport->settle();
    throw;
  }
  transport->settle();
  return {transport.get(), [transport](StringDatagramTransport*) {
            transport->abort_connection();
            transport->settle();
          }};
}

}  // namespace weft::testing
