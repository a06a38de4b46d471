#include "../../framework/census.hpp"
#include "../../framework/error.hpp"
#include "watches.hpp"

#include <array>
#include <string>
#include <sys/epoll.h>
#include <system_error>
#include <utility>

namespace weft::detail::epoll {

namespace {

class DescriptorWatcher;

std::uint32_t events_of(Interest interest) noexcept {
  return interest == Interest::readable ? EPOLLIN : EPOLLOUT;
}

}  // namespace

// One descriptor may be watched for both interests, but the set takes it once. It is in the set for
// as long as somebody watches it, and not a moment longer: then the number may be somebody else's.
class WatchedDescriptor final : private Polled,
                                public std::enable_shared_from_this<WatchedDescriptor> {
 public:
  WatchedDescriptor(AsioLoop& loop, Descriptor descriptor)
      : loop_(loop.shared_from_this()), descriptor_(static_cast<int>(descriptor)) {}
  ~WatchedDescriptor() = default;
  WatchedDescriptor(const WatchedDescriptor&) = delete;
  WatchedDescriptor& operator=(const WatchedDescriptor&) = delete;

  [[nodiscard]] DescriptorWatcher*& watcher(Interest interest) noexcept {
    return watchers_[static_cast<std::size_t>(interest)];
  }
  [[nodiscard]] Turn& turn() const noexcept { return loop_->reactor.turn(); }
  /// Errors: InvalidArgument when the descriptor cannot be watched.
  void ask_for(Interest interest);
  void leave(Interest interest) noexcept;

 private:
  void ready(std::uint32_t events) noexcept override;
  void tell(Interest interest);

  std::shared_ptr<AsioLoop> loop_;
  int descriptor_;
  std::uint32_t asked_ = 0;
  std::array<DescriptorWatcher*, 2> watchers_{};
};

namespace {

class DescriptorWatcher final : public Watch::Watcher,
                                public std::enable_shared_from_this<DescriptorWatcher> {
 public:
  DescriptorWatcher(std::shared_ptr<WatchedDescriptor> target, Interest interest, Callback callback,
                    const SourceLocation& where)
      : target_(std::move(target)),
        interest_(interest),
        callback_(std::move(callback)),
        where_(where) {
    target_->ask_for(interest_);
    target_->watcher(interest_) = this;
    census().watches.fetch_add(1, std::memory_order_relaxed);
  }
  ~DescriptorWatcher() override { cancel(); }

  void cancel() noexcept override {
    if (target_ == nullptr) return;
    const auto target = std::exchange(target_, nullptr);
    target->watcher(interest_) = nullptr;
    target->leave(interest_);
    census().watches.fetch_sub(1, std::memory_order_relaxed);
  }
  [[nodiscard]] bool active() const noexcept override { return target_ != nullptr; }
  [[nodiscard]] const HeldContext& context() const noexcept { return context_; }
  [[nodiscard]] const SourceLocation& where() const noexcept { return where_; }
  void call() {
    const auto self = shared_from_this();
    callback_();
  }

 private:
  std::shared_ptr<WatchedDescriptor> target_;
  Interest interest_;
  Callback callback_;
  SourceLocation where_;
  HeldContext context_ = HeldContext::capture();
};

}  // namespace

void WatchedDescriptor::ask_for(Interest interest) {
  const auto events = asked_ | events_of(interest);
  try {
    asked_ == 0 ? loop_->poller.add(descriptor_, events, *this)
                : loop_->poller.change(descriptor_, events, *this);
  } catch (const std::system_error& error) {
    throw InvalidArgument("Descriptor " + std::to_string(descriptor_) +
                              " cannot be watched: " + error.code().message() + ".",
                          {}, error.code());
  }
  asked_ = events;
}

void WatchedDescriptor::leave(Interest interest) noexcept {
  asked_ &= ~events_of(interest);
  if (asked_ == 0) return loop_->poller.remove(descriptor_, *this);
  try {
    loop_->poller.change(descriptor_, asked_, *this);
  } catch (...) {
    // The descriptor was closed, and has left the set by that.
    loop_->poller.remove(descriptor_, *this);
  }
}

void WatchedDescriptor::ready(std::uint32_t events) noexcept {
  const auto self = shared_from_this();
  // Whoever waits for either hears of a broken or ended one: trying tells what it is.
  constexpr std::uint32_t broken_off = EPOLLERR | EPOLLHUP;
  if ((events & (EPOLLIN | broken_off)) != 0) tell(Interest::readable);
  if ((events & (EPOLLOUT | broken_off)) != 0) tell(Interest::writable);
}

void WatchedDescriptor::tell(Interest interest) {
  auto* const told = watcher(interest);
  if (told == nullptr) return;
  auto copy = told->context().share();
  const auto where = told->where();
  turn().enter_logged_in(
      copy, "The callback of a watch threw", [told] { told->call(); }, Turn::Subject(&where));
}

void Watches::describe(std::vector<PendingWork>& pending) const {
  for (const auto& [descriptor, known] : watched_) {
    const auto target = known.lock();
    if (target == nullptr) continue;
    for (const auto interest : {Interest::readable, Interest::writable}) {
      if (const auto* const watcher = target->watcher(interest))
        describe_watch(pending, descriptor, interest, watcher->where());
    }
  }
}

Watch Watches::watch(Descriptor descriptor, Interest interest, Callback callback,
                     const SourceLocation& where) {
  if (!callback) throw InvalidArgument("A descriptor was watched without a callback; pass one.");
  auto& known = watched_[descriptor];
  auto target = known.lock();
  if (target != nullptr && target->watcher(interest) != nullptr) {
    throw AlreadyWatchedError("Descriptor " + std::to_string(descriptor) +
                              " is watched for this already; cancel that watch first.");
  }
  if (target == nullptr) {
    target = std::make_shared<WatchedDescriptor>(loop_, descriptor);
    known = target;
  }
  return Watch(std::make_shared<DescriptorWatcher>(target, interest, std::move(callback), where));
}

}  // namespace weft::detail::epoll
