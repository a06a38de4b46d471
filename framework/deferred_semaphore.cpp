#include "deferred_semaphore.hpp"

#include "detail/run_queue.hpp"
#include "detail/waiting_line.hpp"
#include "error.hpp"

namespace weft {

struct DeferredSemaphore::Line : std::enable_shared_from_this<Line> {
  explicit Line(std::size_t count) : permits(count), free(count) {}

  const std::size_t permits;
  std::size_t free;
  detail::WaitingLine<void> waiters;

  /// Hands a permit to the first in line, or keeps it.
  void hand_on() {
    if (waiters.empty()) {
      ++free;
      return;
    }
    detail::run_in_queue([self = shared_from_this(), first = waiters.leave()]() mutable {
      // It may have been cancelled since: then the permit goes to the next.
      first.fired() ? self->hand_on() : first.callback();
    });
  }
};

DeferredSemaphore::DeferredSemaphore(std::size_t permits) : line_(std::make_shared<Line>(permits)) {
  if (permits == 0) {
    throw InvalidArgument(
        "A semaphore without permits would never let anybody in; give at least one.");
  }
}

DeferredSemaphore::~DeferredSemaphore() {
  line_->waiters.abandon();
}

Deferred<void> DeferredSemaphore::acquire(SourceLocation where) {
  if (line_->free == 0) return line_->waiters.join(where);
  --line_->free;
  return succeed();
}

void DeferredSemaphore::release() {
  release(*line_);
}

void DeferredSemaphore::release(Line& line) {
  if (line.free == line.permits) {
    throw InvalidArgument("A permit was released that nobody had acquired; release each once.");
  }
  line.hand_on();
}

std::size_t DeferredSemaphore::available() const noexcept {
  return line_->free;
}

std::size_t DeferredSemaphore::waiting() const noexcept {
  return line_->waiters.size();
}

}  // namespace weft
