// Taking turns without blocking: a number of permits, and those who wait for one in the order in
// which they came.
#pragma once

#include "deferred.hpp"

#include <cstddef>
#include <memory>
#include <utility>

namespace weft {

/// Lends out a fixed number of permits. Waiters are served first come, first served; cancelling
/// one's deferred leaves the line. Lifetime: when it is destroyed, those who wait fail with
/// BrokenPromiseError.
class DeferredSemaphore {
 public:
  /// Errors: InvalidArgument for no permits.
  explicit DeferredSemaphore(std::size_t permits);
  ~DeferredSemaphore();
  DeferredSemaphore(const DeferredSemaphore&) = delete;
  DeferredSemaphore& operator=(const DeferredSemaphore&) = delete;

  /// Fires when a permit is the caller's, who gives it back with `release`.
  Deferred<void> acquire(SourceLocation where = SourceLocation::current());
  /// Gives a permit back. Errors: InvalidArgument when none is lent out.
  void release();
  /// Calls `f()` with a permit and releases it when what `f` returned has ended, also when it
  /// threw.
  template <class F>
  auto run(F f) {
    return acquire().add_callback([line = line_, f = std::move(f)]() mutable {
      // Moved, since a task needs what it captured for longer than this is there.
      return maybe_deferred(std::move(f)).add_both([line](auto outcome) {
        release(*line);
        return outcome;
      });
    });
  }

  [[nodiscard]] std::size_t available() const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept;

 private:
  struct Line;
  static void release(Line& line);
  std::shared_ptr<Line> line_;
};

/// One permit: whoever holds the lock is alone.
class DeferredLock : public DeferredSemaphore {
 public:
  DeferredLock() : DeferredSemaphore(1) {}
  [[nodiscard]] bool locked() const noexcept { return available() == 0; }
};

}  // namespace weft
