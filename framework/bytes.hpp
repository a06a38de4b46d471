// Bytes that are looked at (BytesView) and bytes that are kept and shared (Bytes).
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// A run of bytes that somebody else owns; as cheap to copy as a pointer and a size.
class BytesView {
 public:
  constexpr BytesView() noexcept = default;
  constexpr BytesView(const char* data, std::size_t size) noexcept : data_(data), size_(size) {}
  /// A string literal or C string, without its final NUL.
  constexpr BytesView(const char* text) noexcept : BytesView(std::string_view(text)) {}
  constexpr BytesView(std::string_view text) noexcept : data_(text.data()), size_(text.size()) {}
  BytesView(const std::string& text) noexcept : data_(text.data()), size_(text.size()) {}
  BytesView(std::span<const std::byte> bytes) noexcept
      : data_(reinterpret_cast<const char*>(bytes.data())), size_(bytes.size()) {}
  BytesView(const std::vector<std::byte>& bytes) noexcept
      : BytesView(std::span<const std::byte>(bytes)) {}

  [[nodiscard]] constexpr const char* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr std::string_view text() const noexcept { return {data_, size_}; }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {reinterpret_cast<const std::byte*>(data_), size_};
  }

  /// What is left from `offset` on; empty when `offset` is the size or more.
  [[nodiscard]] constexpr BytesView from(std::size_t offset) const noexcept {
    return offset >= size_ ? BytesView() : BytesView(data_ + offset, size_ - offset);
  }
  /// The first `count` bytes, or all when there are fewer.
  [[nodiscard]] constexpr BytesView first(std::size_t count) const noexcept {
    return {data_, count < size_ ? count : size_};
  }

  friend constexpr bool operator==(BytesView a, BytesView b) noexcept {
    return a.text() == b.text();
  }

 private:
  const char* data_ = "";
  std::size_t size_ = 0;
};

/// Owned bytes that never change and are cheap to copy, since copies share them: one message can be
/// written to ten thousand transports without ten thousand copies.
/// Thread: copies may live in different threads.
class Bytes {
 public:
  Bytes() noexcept = default;
  /// Copies `content`.
  explicit Bytes(BytesView content);
  /// Takes the string over, without a copy of its content.
  explicit Bytes(std::string&& content);

  [[nodiscard]] BytesView view() const noexcept { return {data_.get(), size_}; }
  operator BytesView() const noexcept { return view(); }
  [[nodiscard]] const char* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::string_view text() const noexcept { return view().text(); }

  /// A part that shares the same memory; cut at the end where it would pass it.
  [[nodiscard]] Bytes slice(std::size_t offset, std::size_t count = SIZE_MAX) const;

  friend bool operator==(const Bytes& a, const Bytes& b) noexcept { return a.view() == b.view(); }

 private:
  std::shared_ptr<const char> data_;
  std::size_t size_ = 0;
};

}  // namespace weft
