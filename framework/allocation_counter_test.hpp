// Counts what this thread allocates with operator new: for tests of what must not allocate.
#pragma once

#include <cstdint>

namespace weft {

/// How many allocations this thread has made since the counter was.
class AllocationCounter {
 public:
  AllocationCounter() noexcept : before_(so_far()) {}
  [[nodiscard]] std::int64_t count() const noexcept { return so_far() - before_; }

 private:
  static std::int64_t so_far() noexcept;
  std::int64_t before_;
};

}  // namespace weft
