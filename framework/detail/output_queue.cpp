#include "output_queue.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace weft::detail {

namespace {

// Small writes of one turn gather in a block; a larger one costs a copy of its own size.
constexpr std::size_t block_size = 4096;
// Blocks and entry lists kept by each thread so that steady traffic allocates nothing, yet idle
// connections hold none.
constexpr std::size_t max_spare_blocks = 64;

struct SpareBlocks {
  std::vector<std::unique_ptr<char[]>> blocks;
};

SpareBlocks& spare_blocks() {
  static thread_local SpareBlocks spare;
  return spare;
}

}  // namespace

class OutputQueue::Block {
 public:
  static std::unique_ptr<char[]> take() {
    auto& spare = spare_blocks().blocks;
    if (spare.empty()) {
      spare.reserve(max_spare_blocks);
      return std::make_unique_for_overwrite<char[]>(block_size);
    }
    auto block = std::move(spare.back());
    spare.pop_back();
    return block;
  }
  static void give_back(std::unique_ptr<char[]> block) noexcept {
    auto& spare = spare_blocks().blocks;
    if (spare.size() < spare.capacity()) spare.push_back(std::move(block));
  }
};

std::size_t OutputQueue::Entry::room() const noexcept {
  return block ? block_size - end : 0;
}

OutputQueue::OutputQueue() noexcept = default;

OutputQueue::~OutputQueue() {
  clear();
}

void OutputQueue::make_room() {
  if (end_ < capacity_) return;
  Entry* const from = entries();
  if (first_ > 0 && first_ >= capacity_ / 2) {
    std::move(from + first_, from + end_, from);
  } else {
    const auto capacity = std::max<std::size_t>(8, 2 * capacity_);
    auto larger = std::make_unique<Entry[]>(capacity);
    std::move(from + first_, from + end_, larger.get());
    more_ = std::move(larger);
    capacity_ = capacity;
  }
  end_ -= std::exchange(first_, 0);
}

std::size_t OutputQueue::fill_last_block(BytesView data) noexcept {
  Entry* const entry = last();
  if (entry == nullptr) return 0;
  const std::size_t count = std::min(entry->room(), data.size());
  if (count > 0) std::memcpy(entry->block.get() + entry->end, data.data(), count);
  entry->end += count;
  return count;
}

void OutputQueue::append(BytesView data) {
  if (data.empty()) return;
  const std::size_t room = end_ > first_ ? last()->room() : 0;
  const BytesView rest = data.from(room);
  if (rest.empty()) {
    fill_last_block(data);
  } else if (rest.size() > block_size) {
    make_room();
    Bytes copy(rest);
    fill_last_block(data);
    Entry& entry = add();
    entry.end = copy.size();
    entry.shared = std::move(copy);
  } else {
    make_room();
    auto block = Block::take();
    fill_last_block(data);
    Entry& entry = add();
    entry.block = std::move(block);
    fill_last_block(rest);
  }
  size_ += data.size();
}

void OutputQueue::append(std::span<const BytesView> pieces) {
  std::size_t total = 0;
  for (const auto piece : pieces)
    total += piece.size();
  Entry* const entry = last();
  // The usual case is short, and kept so: a line is two pieces.
  if (entry == nullptr || entry->room() < total || total == 0) {
    return append_elsewhere(pieces, total);
  }
  char* end = entry->block.get() + entry->end;
  for (const auto piece : pieces) {
    if (!piece.empty()) std::memcpy(end, piece.data(), piece.size());
    end += piece.size();
  }
  entry->end += total;
  size_ += total;
}

void OutputQueue::append_elsewhere(std::span<const BytesView> pieces, std::size_t total) {
  if (total == 0) return;
  if (total > block_size) {
    std::string joined;
    joined.reserve(total);
    for (const auto piece : pieces)
      joined += piece.text();
    append(Bytes(std::move(joined)));
    return;
  }
  make_room();
  auto block = Block::take();
  for (const auto piece : pieces) {
    const BytesView rest = piece.from(fill_last_block(piece));
    if (rest.empty()) continue;
    add().block = std::move(block);
    fill_last_block(rest);
  }
  size_ += total;
}

void OutputQueue::append(Bytes data) {
  if (data.empty()) return;
  make_room();
  Entry& entry = add();
  entry.end = data.size();
  size_ += data.size();
  entry.shared = std::move(data);
}

std::span<const BytesView> OutputQueue::front(Pieces& pieces) const noexcept {
  const std::size_t count = std::min(end_ - first_, max_pieces);
  const Entry* const waiting = entries() + first_;
  for (std::size_t i = 0; i < count; ++i) {
    std::construct_at(&pieces.views[i], waiting[i].unsent());
  }
  return {pieces.views.data(), count};
}

void OutputQueue::drop_front() noexcept {
  Entry& entry = entries()[first_];
  if (entry.block) Block::give_back(std::move(entry.block));
  entry.shared = Bytes();
  ++first_;
}

void OutputQueue::consume(std::size_t count) noexcept {
  size_ -= count;
  while (count > 0) {
    Entry& entry = entries()[first_];
    const std::size_t taken = std::min(count, entry.end - entry.begin);
    entry.begin += taken;
    count -= taken;
    if (entry.begin == entry.end) drop_front();
  }
  if (first_ == end_) first_ = end_ = 0;
}

void OutputQueue::clear() noexcept {
  consume(size_);
}

}  // namespace weft::detail
