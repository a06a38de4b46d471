#include "memory_transport.hpp"

#include "../framework/error.hpp"

#include <algorithm>

namespace weft::testing {

MemoryTransport::MemoryTransport(Clock& clock, Address host, Address peer, std::size_t capacity)
    : StreamTransport(clock), host_(std::move(host)), peer_(std::move(peer)), capacity_(capacity) {}

std::pair<std::shared_ptr<MemoryTransport>, std::shared_ptr<MemoryTransport>>
MemoryTransport::make_pair(Clock& clock, std::size_t capacity) {
  return make_pair(clock, Address::ipv4({10, 0, 0, 1}, 40'001), Address::ipv4({10, 0, 0, 2}, 80),
                   capacity);
}

std::pair<std::shared_ptr<MemoryTransport>, std::shared_ptr<MemoryTransport>>
MemoryTransport::make_pair(Clock& clock, const Address& left, const Address& right,
                           std::size_t capacity) {
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
    const auto room = other->capacity_ - std::min(other->capacity_, other->inbox_size());
    const auto part = piece.first(room);
    other->inbox_ += part.text();
    other->forget_taken();
    result.taken += part.size();
    if (part.size() < piece.size()) {
      result.blocked = true;
      break;
    }
  }
  return result;
}

// Moves what is left to the front when as much has been taken: constant time a byte.
void MemoryTransport::forget_taken() {
  if (taken_ <= inbox_size()) return;
  inbox_.erase(0, taken_);
  taken_ = 0;
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
  if (!other->gone_ && other->inbox_size() >= other->capacity_) return false;
  waiting_for_room_ = false;
  sent(0);
  return true;
}

std::string MemoryTransport::take(std::size_t max_bytes) {
  auto chunk = inbox_.substr(taken_, max_bytes);
  taken_ += chunk.size();
  return chunk;
}

bool MemoryTransport::deliver(std::size_t max_bytes) {
  if (room_came()) return true;
  if (std::exchange(reset_coming_, false) && !gone_) {
    inbox_.clear();
    taken_ = 0;
    broken(Failure(
        ConnectionReset("The connection with " + peer_.text() + " was reset by the peer.", peer_)));
    return true;
  }
  if (gone_ || !reading_wanted()) return false;
  if (inbox_size() > 0 && max_bytes > 0) {
    const auto chunk = take(max_bytes);
    if (lends_buffer()) {
      const auto room = borrow(chunk.size());
      const auto fits = std::min(room.size(), chunk.size());
      std::copy_n(reinterpret_cast<const std::byte*>(chunk.data()), fits, room.data());
      taken_ -= chunk.size() - fits;
      if (fits > 0) received_in_place(fits);
    } else {
      received(chunk);
    }
    return true;
  }
  if (inbox_size() == 0 && end_coming_ && !std::exchange(end_told_, true)) {
    ended();
    return true;
  }
  return false;
}

}  // namespace weft::testing
