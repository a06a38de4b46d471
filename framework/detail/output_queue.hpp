// What a transport has been given to send and has not sent yet: small writes copied together, Bytes
// by reference.
#pragma once

#include "../bytes.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <span>

namespace weft::detail {

/// A queue of bytes that gives out its front as pieces for one vectored send. Pieces stay where
/// they are until consumed.
class OutputQueue {
 public:
  /// Enough for one vectored send everywhere (POSIX promises 16, Linux takes 1,024, Asio passes on
  /// 64).
  static constexpr std::size_t max_pieces = 64;
  /// Room for the pieces of one send, on the stack and not initialised.
  union Pieces {
    Pieces() noexcept {}
    std::array<BytesView, max_pieces> views;
  };

  OutputQueue() noexcept;
  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;
  ~OutputQueue();

  /// Copies `data`. Errors: std::bad_alloc, which leaves the queue as it was.
  void append(BytesView data);
  /// Copies each, or none when there is no memory for all.
  void append(std::span<const BytesView> pieces);
  /// Keeps a reference.
  void append(Bytes data);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Fills `pieces` with the front of the queue and gives the part that it filled.
  [[nodiscard]] std::span<const BytesView> front(Pieces& pieces) const noexcept;
  /// Forgets the first `count` bytes, which must be there.
  void consume(std::size_t count) noexcept;
  void clear() noexcept;

 private:
  class Block;
  // Either a block of copied bytes that may still have room, or a reference to somebody's Bytes.
  struct Entry {
    [[nodiscard]] const char* data() const noexcept { return block ? block.get() : shared.data(); }
    [[nodiscard]] BytesView unsent() const noexcept { return {data() + begin, end - begin}; }
    [[nodiscard]] std::size_t room() const noexcept;

    std::unique_ptr<char[]> block;
    Bytes shared;
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  [[nodiscard]] Entry* entries() noexcept { return more_ ? more_.get() : &only_; }
  [[nodiscard]] const Entry* entries() const noexcept { return more_ ? more_.get() : &only_; }
  /// The one that may have room, or null.
  [[nodiscard]] Entry* last() noexcept { return end_ > first_ ? entries() + end_ - 1 : nullptr; }
  /// Makes room for another entry, which `add` then takes without throwing.
  void make_room();
  Entry& add() noexcept { return entries()[end_++] = Entry(); }
  [[gnu::noinline]] void append_elsewhere(std::span<const BytesView> pieces, std::size_t total);
  void drop_front() noexcept;
  std::size_t fill_last_block(BytesView data) noexcept;

  // Those from `first_` to `end_` wait. One has its place here: most queues never have two, and
  // what is sent to thousands touches less memory.
  Entry only_;
  std::unique_ptr<Entry[]> more_;
  std::size_t capacity_ = 1;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
  std::size_t size_ = 0;
};

}  // namespace weft::detail
