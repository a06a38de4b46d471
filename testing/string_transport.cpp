#include "string_transport.hpp"

#include "../framework/error.hpp"

#include <stdexcept>
#include <utility>

namespace weft::testing {

StringTransport::StringTransport() : StringTransport(std::make_unique<ManualClock>(), nullptr) {}

StringTransport::StringTransport(Clock& clock) : StringTransport(nullptr, &clock) {}

StringTransport::StringTransport(std::unique_ptr<ManualClock> own, Clock* given)
    : StreamTransport(own != nullptr ? *own : *given),
      own_clock_(std::move(own)),
      host_(Address::ipv4({127, 0, 0, 1}, 7)),
      peer_(Address::ipv4({127, 0, 0, 1}, 54321)) {}

StringTransport::~StringTransport() = default;

ManualClock& StringTransport::manual_clock() {
  if (own_clock_ == nullptr) {
    throw std::logic_error("This transport is on a clock that it was given; use that.");
  }
  return *own_clock_;
}

void StringTransport::settle() {
  if (own_clock_ != nullptr && !own_clock_->turn().inside()) own_clock_->settle();
}

std::string StringTransport::value() {
  if (!clock().turn().inside()) clock().turn().settle();
  std::string all;
  for (const auto& flush : flushes_)
    all += flush;
  return all;
}

void StringTransport::clear() {
  static_cast<void>(value());
  flushes_.clear();
}

void StringTransport::deliver(BytesView data) {
  received(data);
  settle();
}

void StringTransport::deliver_end() {
  ended();
  settle();
}

void StringTransport::break_with(Failure reason) {
  broken(std::move(reason));
  settle();
}

void StringTransport::set_blocked(bool on) {
  blocked_ = on;
  if (!on) take(waiting_.size());
}

void StringTransport::take(std::size_t count) {
  if (!sends_later_) return;
  sends_later_ = false;
  count = std::min(count, waiting_.size());
  if (count > 0) flushes_.push_back(waiting_.substr(0, count));
  waiting_.clear();
  sent(count);
  settle();
}

StreamTransport::SendResult StringTransport::try_send(std::span<const BytesView> pieces) noexcept {
  if (blocked_) return {0, true, {}};
  try {
    std::string together;
    for (const auto piece : pieces)
      together += piece.text();
    const auto size = together.size();
    flushes_.push_back(std::move(together));
    return {size, false, {}};
  } catch (const std::bad_alloc&) {
    return {0, false, std::make_error_code(std::errc::not_enough_memory)};
  }
}

void StringTransport::send_later(std::span<const BytesView> pieces) {
  sends_later_ = true;
  waiting_.clear();
  for (const auto piece : pieces)
    waiting_ += piece.text();
}

Failure StringTransport::failure_from(std::error_code error) const {
  return Failure(
      ConnectionLost("The test's transport broke: " + error.message() + ".", peer_, error));
}

namespace {

// The test's handle: when it is dropped, so is the connection, which would otherwise keep itself
// alive.
std::shared_ptr<StringTransport> begin(std::shared_ptr<Protocol> protocol) {
  const auto transport = std::make_shared<StringTransport>();
  transport->establish(std::move(protocol));
  transport->settle();
  return {transport.get(), [transport](StringTransport*) {
            transport->abort_connection();
            transport->settle();
          }};
}

}  // namespace

std::shared_ptr<StringTransport> connect(std::shared_ptr<Protocol> protocol) {
  return begin(std::move(protocol));
}

std::shared_ptr<StringTransport> connect(Factory& factory) {
  auto protocol = factory.build_protocol(Address::ipv4({127, 0, 0, 1}, 54321));
  if (protocol == nullptr) {
    throw std::logic_error("The factory refused the connection: build_protocol returned null.");
  }
  return begin(std::move(protocol));
}

}  // namespace weft::testing
