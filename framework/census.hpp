// How many of the things that must end are still there: for tests that check for leaks.
#pragma once

#include <atomic>
#include <cstdint>

namespace weft {

/// Counts over the whole process.
/// Thread: any.
struct Census {
  /// Connections whose `connection_lost` has not returned.
  std::atomic<std::int64_t> connections{0};
  /// Descriptors that a reactor watches for the application.
  std::atomic<std::int64_t> watches{0};
  /// Calls that were still scheduled when their clock ended.
  std::atomic<std::int64_t> abandoned_timers{0};
  /// Failures that nobody handled, ever.
  std::atomic<std::int64_t> unhandled_failures{0};
  /// Tasks that were dropped before anybody awaited them, ever.
  std::atomic<std::int64_t> unawaited_tasks{0};
};

[[nodiscard]] Census& census() noexcept;

}  // namespace weft
