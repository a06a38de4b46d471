// Where the memory lies that a task needs to go on.
#pragma once

#include "../../detail/prefetch.hpp"

namespace weft::detail {

/// Of many tasks that take turns none is in a cache, and its parts are found one through the other.
/// Who fires what a task waits for remembers these, and has them fetched all at once. They are
/// addresses only: the task may be gone.
class TaskMemory {
 public:
  /// Of the task that runs now; of none outside of tasks.
  [[nodiscard]] static TaskMemory current() noexcept;
  void fetch() const noexcept {
    if (run_ == nullptr) return;
    prefetch(run_, run_lines);
    prefetch(frame_, frame_lines);
  }

  /// As much of a frame as most have.
  static constexpr int frame_lines = 6;

 private:
  static constexpr int run_lines = 3;

  const void* run_ = nullptr;
  const void* frame_ = nullptr;
};

}  // namespace weft::detail
