#include "output_queue.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

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

// Either a block of copied bytes that may still have room, or a reference to somebody's Bytes.
struct OutputQueue::Entry {
  Entry(std::unique_ptr<char[]> memory, BytesView content)
      : block(std::move(memory)), end(content.size()) {
    std::memcpy(block.get(), content.data(), content.size());
  }
  explicit Entry(Bytes content) : shared(std::move(content)), end(shared.size()) {}

  [[nodiscard]] const char* data() const noexcept { return block ? block.get() : shared.data(); }
  [[nodiscard]] BytesView unsent() const noexcept { return {data() + begin, end - begin}; }
  [[nodiscard]] std::size_t room() const noexcept { return block ? block_size - end : 0; }

  std::unique_ptr<char[]> block;
  Bytes shared;
  std::size_t begin = 0;
  std::size_t end = 0;
};

OutputQueue::OutputQueue() noexcept = default;

OutputQueue::~OutputQueue() {
  clear();
}

void OutputQueue::reserve_entries(std::size_t count) {
  if (entries_.size() + count <= entries_.capacity()) return;
  if (first_ >= entries_.size() / 2 && first_ > 0) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  if (entries_.size() + count > entries_.capacity()) {
    entries_.reserve(std::max(entries_.size() + count, 2 * entries_.capacity()));
  }
}

std::size_t OutputQueue::fill_last_block(BytesView data) noexcept {
  if (entries_.empty()) return 0;
  Entry& last = entries_.back();
  const std::size_t count = std::min(last.room(), data.size());
  if (count > 0) std::memcpy(last.block.get() + last.end, data.data(), count);
  last.end += count;
  return count;
}

void OutputQueue::append(BytesView data) {
  if (data.empty()) return;
  reserve_entries(1);
  const std::size_t room = entries_.empty() ? 0 : entries_.back().room();
  const BytesView rest = data.from(room);
  if (rest.size() > block_size) {
    Bytes copy(rest);
    fill_last_block(data);
    entries_.emplace_back(std::move(copy));
  } else if (!rest.empty()) {
    auto block = Block::take();
    fill_last_block(data);
    entries_.emplace_back(std::move(block), rest);
  } else {
    fill_last_block(data);
  }
  size_ += data.size();
}

void OutputQueue::append(std::span<const BytesView> pieces) {
  std::size_t total = 0;
  for (const auto piece : pieces)
    total += piece.size();
  // The usual case is short, and kept so: a line is two pieces.
  if (entries_.empty() || entries_.back().room() < total) return append_elsewhere(pieces, total);
  Entry& last = entries_.back();
  char* end = last.block.get() + last.end;
  for (const auto piece : pieces) {
    std::memcpy(end, piece.data(), piece.size());
    end += piece.size();
  }
  last.end += total;
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
  reserve_entries(1);
  entries_.emplace_back(Block::take(), BytesView());
  append(pieces);
}

void OutputQueue::append(Bytes data) {
  if (data.empty()) return;
  reserve_entries(1);
  size_ += data.size();
  entries_.emplace_back(std::move(data));
}

std::span<const BytesView> OutputQueue::front(Pieces& pieces) const noexcept {
  const std::size_t count = std::min(entries_.size() - first_, max_pieces);
  for (std::size_t i = 0; i < count; ++i) {
    std::construct_at(&pieces.views[i], entries_[first_ + i].unsent());
  }
  return {pieces.views.data(), count};
}

void OutputQueue::drop_front() noexcept {
  Entry& entry = entries_[first_];
  if (entry.block) Block::give_back(std::move(entry.block));
  entry.shared = Bytes();
  ++first_;
}

void OutputQueue::consume(std::size_t count) noexcept {
  size_ -= count;
  while (count > 0) {
    Entry& entry = entries_[first_];
    const std::size_t taken = std::min(count, entry.end - entry.begin);
    entry.begin += taken;
    count -= taken;
    if (entry.begin == entry.end) drop_front();
  }
  if (first_ == entries_.size()) {
    entries_.clear();
    first_ = 0;
  }
}

void OutputQueue::clear() noexcept {
  consume(size_);
}

}  // namespace weft::detail
