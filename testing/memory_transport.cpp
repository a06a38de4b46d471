#include "memory_transport.hpp"

#include "../framework/error.hpp"

#include <algorithm>

namespace weft::testing {

MemoryTransport::MemoryTransport(Clock& clock, Address host, Address peer, std::size_t capacity)
    : StreamTransport(clock), host_(std::move(host)), peer_(std::move(peer)), capacity_(capacity) {}

std::pair<std::shared_ptr<MemoryTransport>, std::shared_ptr<MemoryTransport>>
MemoryTransport::make_pair(Clock& clock, std::size_t capacity) {
  const auto left = Address::ipv4({10, 0, 0, 1}, 40'001);
  const auto right = Address::ipv4({10, 0, 0, 2}, 80);
  auto first = std::make_shared<MemoryTransport>(clock, left, right, capacity);
  auto second = std::make_shared<MemoryTransport>(clock, right, left, capacity);
  first->other_ = second;
  second->other_ = first;
  return {std::move(first), std::move(second)};
}

StreamTransport::SendResult MemoryTransport::try_send(std::span<const BytesView> pieces) noexcept {
  const auto other = other_.lock();
  if (other == nullptr || other->gone_) {
    return {0, false, std::make_error_code(std::errc::broken_pipe)};
  }
  SendResult result;
  for (const auto piece : pieces) {
    const auto room = other->capacity_ - std::min(other->capacity_, other->inbox_.size());
    const auto part = piece.first(room);
    other->inbox_ += part.text();
    result.taken += part.size();
    if (part.size() < piece.size()) {
      result.blocked = true;
      break;
    }
  }
  return result;
}

void MemoryTransport::send_later(std::span<const BytesView>) {
  waiting_for_room_ = true;
}

void MemoryTransport::send_end() noexcept {
  if (const auto other = other_.lock()) other->end_coming_ = true;
}

// What was sent stays in the peer's inbox, and its end comes behind.
void MemoryTransport::close_in_order() noexcept {
  gone_ = true;
  send_end();
}

void MemoryTransport::close_abruptly() noexcept {
  gone_ = true;
  if (const auto other = other_.lock()) other->reset_coming_ = true;
}

Failure MemoryTransport::failure_from(std::error_code error) const {
  return Failure(ConnectionLost(
      "The connection with " + peer_.text() + " is gone at its other end.", peer_, error));
}

bool MemoryTransport::room_came() {
  const auto other = other_.lock();
  if (!waiting_for_room_ || other == nullptr) return false;
  if (!other->gone_ && other->inbox_.size() >= other->capacity_) return false;
  waiting_for_room_ = false;
  sent(0);
  return true;
}

bool MemoryTransport::deliver(std::size_t max_bytes) {
  if (room_came()) return true;
  if (std::exchange(reset_coming_, false) && !gone_) {
    inbox_.clear();
    broken(Failure(
        ConnectionReset("The connection with " + peer_.text() + " was reset by the peer.", peer_)));
    return true;
  }
  if (gone_ || !reading_wanted()) return false;
  if (!inbox_.empty() && max_bytes > 0) {
    const auto chunk = inbox_.substr(0, max_bytes);
    inbox_.erase(0, chunk.size());
    if (lends_buffer()) {
      const auto room = borrow(chunk.size());
      const auto fits = std::min(room.size(), chunk.size());
      std::copy_n(reinterpret_cast<const std::byte*>(chunk.data()), fits, room.data());
      inbox_.insert(0, chunk, fits, std::string::npos);
      if (fits > 0) received_in_place(fits);
    } else {
      received(chunk);
    }
    return true;
  }
  if (inbox_.empty() && end_coming_ && !std::exchange(end_told_, true)) {
    ended();
    return true;
  }
  return false;
}

}  // namespace weft::testing
