#include "watches.hpp"

#include "../../framework/census.hpp"
#include "../../framework/error.hpp"

#include <string>
#include <utility>

#ifndef _WIN32
#include <boost/asio/posix/stream_descriptor.hpp>
#endif

namespace weft::detail::WEFT_BACKEND {

#ifdef _WIN32

class WatchedDescriptor {};

Watch Watches::watch(Descriptor, Interest, Callback) {
  throw NotSupportedOnThisPlatform(
      "Windows has no descriptors to watch; use a transport of the reactor instead.");
}

#else

// One descriptor may be watched for both interests, but the poller takes it once.
class WatchedDescriptor {
 public:
  WatchedDescriptor(AsioLoop& loop, Descriptor descriptor)
      : loop_(loop.shared_from_this()), handle(loop.io) {
    ErrorCode error;
    handle.assign(static_cast<int>(descriptor), error);
    if (error) {
      throw InvalidArgument("Descriptor " + std::to_string(descriptor) +
                                " cannot be watched: " + to_std(error).message() + ".",
                            {}, to_std(error));
    }
  }
  ~WatchedDescriptor() { give_back(); }
  WatchedDescriptor(const WatchedDescriptor&) = delete;
  WatchedDescriptor& operator=(const WatchedDescriptor&) = delete;

  [[nodiscard]] Turn& turn() const noexcept { return loop_->reactor.turn(); }
  void asio_used() noexcept { loop_->asio_used(); }

  /// Nobody watches it any more. The number may be somebody else's as soon as this returns, so Asio
  /// must forget it now.
  void leave() noexcept {
    asio_used();
#ifdef WEFT_BACKEND_IO_URING
    // Nothing but the number is known of a descriptor, so it may be watched again.
    ErrorCode ignored;
    handle.cancel(ignored);
#else
    give_back();
#endif
  }

  bool watched[2] = {false, false};

 private:
  // The descriptor is the application's: it is given back, not closed.
  void give_back() noexcept {
    try {
      if (handle.is_open()) handle.release();
    } catch (...) {
      return;
    }
  }

  // Before the handle, which leaves its context when it goes.
  std::shared_ptr<AsioLoop> loop_;

 public:
  net::posix::stream_descriptor handle;
};

namespace {

class AsioWatcher final : public Watch::Watcher, public std::enable_shared_from_this<AsioWatcher> {
 public:
  AsioWatcher(std::shared_ptr<WatchedDescriptor> target, Interest interest, Callback callback)
      : target_(std::move(target)), interest_(interest), callback_(std::move(callback)) {
    taken() = true;
    census().watches.fetch_add(1, std::memory_order_relaxed);
  }
  ~AsioWatcher() override { cancel(); }

  void wait() {
    const auto what = interest_ == Interest::readable ? net::posix::stream_descriptor::wait_read
                                                      : net::posix::stream_descriptor::wait_write;
    target_->asio_used();
    target_->handle.async_wait(what,
                               [weak = weak_from_this(), target = target_](const ErrorCode& error) {
                                 const auto watcher = weak.lock();
                                 if (watcher != nullptr && watcher->active() && !error)
                                   watcher->ready();
                               });
  }
  void cancel() noexcept override {
    if (target_ == nullptr) return;
    taken() = false;
    census().watches.fetch_sub(1, std::memory_order_relaxed);
    const auto target = std::move(target_);
    target_ = nullptr;
    // The other interest's wait stays; ours finds nobody when it ends. With none left, all end.
    if (!target->watched[0] && !target->watched[1]) target->leave();
  }
  [[nodiscard]] bool active() const noexcept override { return target_ != nullptr; }

 private:
  bool& taken() noexcept { return target_->watched[static_cast<int>(interest_)]; }
  void ready() {
    const auto target = target_;
    auto copy = context_.share();
    target->turn().enter_logged_in(copy, "The callback of a watch threw", [this] { callback_(); });
    if (active()) wait();
  }

  std::shared_ptr<WatchedDescriptor> target_;
  Interest interest_;
  Callback callback_;
  HeldContext context_ = HeldContext::capture();
};

}  // namespace

Watch Watches::watch(Descriptor descriptor, Interest interest, Callback callback) {
  if (!callback) throw InvalidArgument("A descriptor was watched without a callback; pass one.");
#if defined(WEFT_BACKEND_SELECT) && defined(__linux__)
  if (FarDescriptors::is_far(descriptor)) {
    return far_->watch(descriptor, interest, std::move(callback));
  }
#endif
  auto& known = watched_[descriptor];
  auto target = known.lock();
  if (target != nullptr && target->watched[static_cast<int>(interest)]) {
    throw AlreadyWatchedError("Descriptor " + std::to_string(descriptor) +
                              " is watched for this already; cancel that watch first.");
  }
#ifdef WEFT_BACKEND_IO_URING
  // Nothing but the number is known of a descriptor, so what is left of the last watch serves.
  const bool gone = target == nullptr;
#else
  const bool gone = target == nullptr || (!target->watched[0] && !target->watched[1]);
#endif
  if (gone) {
    target = std::make_shared<WatchedDescriptor>(loop_, descriptor);
    known = target;
  }
  const auto watcher = std::make_shared<AsioWatcher>(target, interest, std::move(callback));
  watcher->wait();
  return Watch(watcher);
}

#endif

}  // namespace weft::detail::WEFT_BACKEND
