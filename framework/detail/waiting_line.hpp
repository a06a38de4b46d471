// Promises in the order in which they came, for locks and queues.
#pragma once

#include "../deferred.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <utility>

namespace weft::detail {

/// Those who wait. One who cancels has fired, and is skipped; such ones are swept out before they
/// make up half of the line.
template <class T>
class WaitingLine {
 public:
  Deferred<T> join(SourceLocation where) {
    if (promises_.size() >= sweep_at_) sweep();
    return promises_.emplace_back(Callback(), where).deferred();
  }
  [[nodiscard]] bool empty() noexcept {
    while (!promises_.empty() && promises_.front().fired())
      promises_.pop_front();
    return promises_.empty();
  }
  /// The first in line, which must not be empty.
  [[nodiscard]] Promise<T> leave() {
    auto first = std::move(promises_.front());
    promises_.pop_front();
    return first;
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(std::count_if(
        promises_.begin(), promises_.end(), [](const auto& promise) { return !promise.fired(); }));
  }
  /// Fails everybody with BrokenPromiseError.
  void abandon() { const auto stranded = std::move(promises_); }

 private:
  void sweep() {
    std::erase_if(promises_, [](const auto& promise) { return promise.fired(); });
    sweep_at_ = std::max(min_sweep, 2 * promises_.size());
  }

  static constexpr std::size_t min_sweep = 16;
  std::deque<Promise<T>> promises_;
  std::size_t sweep_at_ = min_sweep;
};

}  // namespace weft::detail
