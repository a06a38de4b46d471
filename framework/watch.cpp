#include "watch.hpp"

#include <utility>

namespace weft {

Watch::Watcher::~Watcher() = default;

Watch::Watch() noexcept = default;

Watch::Watch(std::shared_ptr<Watcher> watcher) noexcept : watcher_(std::move(watcher)) {}

Watch::Watch(Watch&&) noexcept = default;

Watch& Watch::operator=(Watch&& other) noexcept {
  if (this != &other) {
    cancel();
    watcher_ = std::move(other.watcher_);
  }
  return *this;
}

Watch::~Watch() {
  cancel();
}

void Watch::cancel() noexcept {
  // Let go of first: ending the watch destroys the callback, which may own this object.
  const auto watcher = std::move(watcher_);
  if (watcher) watcher->cancel();
}

bool Watch::active() const noexcept {
  return watcher_ && watcher_->active();
}

}  // namespace weft
