// A handle of Windows that is closed when its owner goes.
#pragma once

#include <utility>
#include <windows.h>

namespace weft::detail {

class OwnedHandle {
 public:
  OwnedHandle() noexcept = default;
  /// Null and INVALID_HANDLE_VALUE are none.
  explicit OwnedHandle(HANDLE handle) noexcept
      : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
  OwnedHandle(OwnedHandle&& other) noexcept : handle_(other.release()) {}
  OwnedHandle& operator=(OwnedHandle&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  OwnedHandle(const OwnedHandle&) = delete;
  OwnedHandle& operator=(const OwnedHandle&) = delete;
  ~OwnedHandle() { close(); }

  [[nodiscard]] HANDLE get() const noexcept { return handle_; }
  [[nodiscard]] bool open() const noexcept { return handle_ != nullptr; }
  [[nodiscard]] HANDLE release() noexcept { return std::exchange(handle_, nullptr); }
  void close() noexcept {
    if (open()) ::CloseHandle(release());
  }

 private:
  HANDLE handle_ = nullptr;
};

}  // namespace weft::detail
