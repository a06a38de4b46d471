// Where the application asked for what is made now, when that is not where the call stands.
#pragma once

#include "../source_location.hpp"

#include <utility>

namespace weft::detail {

/// While it lives, `AskedAt::place` gives its place: for what passes a request on.
class AskedAt {
 public:
  explicit AskedAt(const SourceLocation& where) noexcept
      : previous_(std::exchange(current_, &where)) {}
  ~AskedAt() { current_ = previous_; }
  AskedAt(const AskedAt&) = delete;
  AskedAt& operator=(const AskedAt&) = delete;

  /// Where the application asked, or `otherwise`.
  [[nodiscard]] static const SourceLocation& place(const SourceLocation& otherwise) noexcept {
    return current_ != nullptr ? *current_ : otherwise;
  }

 private:
  static inline thread_local const SourceLocation* current_ = nullptr;
  const SourceLocation* previous_;
};

}  // namespace weft::detail
