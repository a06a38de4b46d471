#include "bytes.hpp"

#include <algorithm>

namespace weft {

Bytes::Bytes(BytesView content) : size_(content.size()) {
  if (content.empty()) return;
  auto block = std::make_shared_for_overwrite<char[]>(content.size());
  std::memcpy(block.get(), content.data(), content.size());
  data_ = std::shared_ptr<const char>(block, block.get());
}

Bytes::Bytes(std::string&& content) : size_(content.size()) {
  if (content.empty()) return;
  auto keeper = std::make_shared<const std::string>(std::move(content));
  data_ = std::shared_ptr<const char>(keeper, keeper->data());
}

Bytes Bytes::slice(std::size_t offset, std::size_t count) const {
  Bytes part;
  if (offset >= size_) return part;
  part.size_ = std::min(count, size_ - offset);
  part.data_ = std::shared_ptr<const char>(data_, data_.get() + offset);
  return part;
}

}  // namespace weft
