#include "object_wait.hpp"

#include "../../framework/census.hpp"
#include "../../framework/turn.hpp"
#include "asio_loop.hpp"

#include <boost/asio/post.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <utility>

namespace weft::detail::iocp {

namespace {

// A thread of the system's own waits for many at once, and posts to the loop.
class ObjectWatcher final : public Watch::Watcher,
                            public std::enable_shared_from_this<ObjectWatcher> {
 public:
  ObjectWatcher(AsioLoop& loop, OwnedHandle object, Callback signalled)
      : loop_(loop.shared_from_this()),
        object_(std::move(object)),
        signalled_(std::move(signalled)) {
    census().watches.fetch_add(1, std::memory_order_relaxed);
  }
  ~ObjectWatcher() override { cancel(); }

  void wait();
  void cancel() noexcept override;
  [[nodiscard]] bool active() const noexcept override { return object_.open(); }
  /// Thread: any, as long as it is among the waits.
  void post();

 private:
  void ready() {
    auto signalled = std::exchange(signalled_, Callback());
    loop_->reactor.turn().enter_logged("The callback of a wait threw", [&] { signalled(); });
  }

  std::shared_ptr<AsioLoop> loop_;
  OwnedHandle object_;
  HANDLE wait_ = nullptr;
  std::uintptr_t number_ = 0;
  Callback signalled_;
};

// Who waits. The system's threads are given a number instead of an address: Wine (8.0) may still
// call when UnregisterWaitEx has returned, if the object is signalled just then; and Asio, whose
// waits do not look at that, does not wait for a call that is about to post.
class Waits {
 public:
  std::uintptr_t add(ObjectWatcher& watcher) {
    const std::scoped_lock lock(mutex_);
    watchers_.emplace(++last_, &watcher);
    return last_;
  }
  void remove(std::uintptr_t number) noexcept {
    const std::scoped_lock lock(mutex_);
    watchers_.erase(number);
  }
  // It cannot go while it posts, since it must be removed before.
  void signalled(std::uintptr_t number) {
    const std::scoped_lock lock(mutex_);
    const auto found = watchers_.find(number);
    if (found != watchers_.end()) found->second->post();
  }

 private:
  std::mutex mutex_;
  std::map<std::uintptr_t, ObjectWatcher*> watchers_;
  std::uintptr_t last_ = 0;
};

Waits& waits() {
  static Waits all;
  return all;
}

void CALLBACK object_signalled(void* number, BOOLEAN) {
  waits().signalled(reinterpret_cast<std::uintptr_t>(number));
}

void ObjectWatcher::wait() {
  number_ = waits().add(*this);
  if (!::RegisterWaitForSingleObject(&wait_, object_.get(), &object_signalled,
                                     reinterpret_cast<void*>(number_), INFINITE,
                                     WT_EXECUTEONLYONCE)) {
    throw std::system_error(static_cast<int>(::GetLastError()), std::system_category(),
                            "An object cannot be waited for");
  }
}

void ObjectWatcher::cancel() noexcept {
  if (!active()) return;
  census().watches.fetch_sub(1, std::memory_order_relaxed);
  waits().remove(number_);
  // Waits for a call that is under way.
  if (wait_ != nullptr) ::UnregisterWaitEx(wait_, INVALID_HANDLE_VALUE);
  object_.close();
}

void ObjectWatcher::post() {
  net::post(loop_->io, [weak = weak_from_this()] {
    const auto watcher = weak.lock();
    if (watcher != nullptr && watcher->active()) watcher->ready();
  });
}

}  // namespace

Watch wait_for_object(AsioLoop& loop, OwnedHandle object, Callback signalled) {
  const auto watcher =
      std::make_shared<ObjectWatcher>(loop, std::move(object), std::move(signalled));
  watcher->wait();
  return Watch(watcher);
}

}  // namespace weft::detail::iocp
