#include "watches.hpp"

#include "../../framework/census.hpp"
#include "../../framework/error.hpp"

#include <array>
#include <string>
#include <utility>

#ifndef _WIN32
#include <boost/asio/posix/stream_descriptor.hpp>
#endif

namespace weft::detail::WEFT_BACKEND {

#ifdef _WIN32

class WatchedDescriptor {};

void Watches::describe(std::vector<PendingWork>&) const {}

Watch Watches::watch(Descriptor, Interest, Callback, const SourceLocation&) {
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

  /// Where that watch was begun, or null where there is none.
  [[nodiscard]] const SourceLocation*& watched(Interest interest) noexcept {
    return watched_[static_cast<std::size_t>(interest)];
  }
  [[nodiscard]] bool watched() const noexcept {
    return watched_[0] != nullptr || watched_[1] != nullptr;
  }

 private:
  // The descriptor is the application's: it is given back, not closed.
  void give_back() noexcept {
    try {
      if (handle.is_open()) handle.release();
    } catch (...) {
      return;
    }
  }

  std::array<const SourceLocation*, 2> watched_{};
  // Before the handle, which leaves its context when it goes.
  std::shared_ptr<AsioLoop> loop_;

 public:
  net::posix::stream_descriptor handle;
};

namespace {

class AsioWatcher final : public Watch::Watcher, public std::enable_shared_from_this<AsioWatcher> {
 public:
  AsioWatcher(std::shared_ptr<WatchedDescriptor> target, Interest interest, Callback callback,
              const SourceLocation& where)
      : target_(std::move(target)),
        interest_(interest),
        callback_(std::move(callback)),
        where_(where) {
    target_->watched(interest_) = &where_;
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
    target_->watched(interest_) = nullptr;
    census().watches.fetch_sub(1, std::memory_order_relaxed);
    const auto target = std::move(target_);
    target_ = nullptr;
    // The other interest's wait stays; ours finds nobody when it ends. With none left, all end.
    if (!target->watched()) target->leave();
  }
  [[nodiscard]] bool active() const noexcept override { return target_ != nullptr; }

 private:
  void ready() {
    const auto target = target_;
    auto copy = context_.share();
    const auto where = where_;
    target->turn().enter_logged_in(
        copy, "The callback of a watch threw", [this] { callback_(); }, Turn::Subject(&where));
    if (active()) wait();
  }

  std::shared_ptr<WatchedDescriptor> target_;
  Interest interest_;
  Callback callback_;
  SourceLocation where_;
  HeldContext context_ = HeldContext::capture();
};

}  // namespace

void Watches::describe(std::vector<PendingWork>& pending) const {
  for (const auto& [descriptor, known] : watched_) {
    const auto target = known.lock();
    if (target == nullptr) continue;
    for (const auto interest : {Interest::readable, Interest::writable}) {
      if (const auto* const where = target->watched(interest))
        describe_watch(pending, descriptor, interest, *where);
    }
  }
#if defined(WEFT_BACKEND_SELECT) && defined(__linux__)
  far_->each([&](Descriptor descriptor, Interest interest, const SourceLocation& where) {
    describe_watch(pending, descriptor, interest, where);
  });
#endif
}

Watch Watches::watch(Descriptor descriptor, Interest interest, Callback callback,
                     const SourceLocation& where) {
  if (!callback) throw InvalidArgument("A descriptor was watched without a callback; pass one.");
#if defined(WEFT_BACKEND_SELECT) && defined(__linux__)
  if (FarDescriptors::is_far(descriptor)) {
    return far_->watch(descriptor, interest, std::move(callback), where);
  }
#endif
  auto& known = watched_[descriptor];
  auto target = known.lock();
  if (target != nullptr && target->watched(interest) != nullptr) {
    throw AlreadyWatchedError("Descriptor " + std::to_string(descriptor) +
                              " is watched for this already; cancel that watch first.");
  }
#ifdef WEFT_BACKEND_IO_URING
  // Nothing but the number is known of a descriptor, so what is left of the last watch serves.
  const bool gone = target == nullptr;
#else
  const bool gone = target == nullptr || !target->watched();
#endif
  if (gone) {
    target = std::make_shared<WatchedDescriptor>(loop_, descriptor);
    known = target;
  }
  const auto watcher = std::make_shared<AsioWatcher>(target, interest, std::move(callback), where);
  watcher->wait();
  return Watch(watcher);
}

#endif

}  // namespace weft::detail::WEFT_BACKEND
