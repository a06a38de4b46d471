#include "tls_scratch.hpp"

#include <utility>
#include <vector>

namespace weft::detail {

namespace {

constexpr std::size_t max_spare = 4;

std::vector<std::unique_ptr<char[]>>& spare() {
  static thread_local std::vector<std::unique_ptr<char[]>> buffers;
  return buffers;
}

}  // namespace

std::unique_ptr<char[]> TlsScratch::take() {
  auto& buffers = spare();
  if (buffers.empty()) {
    buffers.reserve(max_spare);
    return std::make_unique_for_overwrite<char[]>(size);
  }
  auto memory = std::move(buffers.back());
  buffers.pop_back();
  return memory;
}

void TlsScratch::give_back(std::unique_ptr<char[]> memory) noexcept {
  auto& buffers = spare();
  if (memory != nullptr && buffers.size() < buffers.capacity()) {
    buffers.push_back(std::move(memory));
  }
}

}  // namespace weft::detail
