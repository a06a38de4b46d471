#include "far_descriptors.hpp"

#if defined(WEFT_BACKEND_SELECT) && defined(__linux__)

#include "../../framework/census.hpp"
#include "../../framework/error.hpp"
#include "../../framework/turn.hpp"

#include <string>
#include <sys/epoll.h>
#include <sys/select.h>
#include <system_error>
#include <utility>

namespace weft::detail::select {

class FarDescriptors::Watcher final : public Watch::Watcher,
                                      private Polled,
                                      public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(std::shared_ptr<FarDescriptors> sets, Descriptor descriptor, Interest interest,
          Callback callback, const SourceLocation& where)
      : sets_(std::move(sets)),
        set_(sets_->set(interest)),
        descriptor_(static_cast<int>(descriptor)),
        callback_(std::move(callback)),
        where_(where) {
    const auto [place, added] = set_.watched.emplace(descriptor_, &where_);
    try {
      set_.poller.add(descriptor_, interest == Interest::readable ? EPOLLIN : EPOLLOUT, *this);
    } catch (...) {
      if (added) set_.watched.erase(place);
      throw;
    }
    active_ = true;
    census().watches.fetch_add(1, std::memory_order_relaxed);
  }
  ~Watcher() override { cancel(); }

  void cancel() noexcept override {
    if (!std::exchange(active_, false)) return;
    set_.poller.remove(descriptor_, *this);
    set_.watched.erase(descriptor_);
    census().watches.fetch_sub(1, std::memory_order_relaxed);
  }
  [[nodiscard]] bool active() const noexcept override { return active_; }

 private:
  void ready(std::uint32_t) noexcept override {
    const auto self = shared_from_this();
    auto copy = context_.share();
    const auto where = where_;
    sets_->loop_->reactor.turn().enter_logged_in(copy, "The callback of a watch threw", callback_,
                                                 Turn::Subject(&where));
  }

  std::shared_ptr<FarDescriptors> sets_;
  Set& set_;
  int descriptor_;
  Callback callback_;
  SourceLocation where_;
  HeldContext context_ = HeldContext::capture();
  bool active_ = false;
};

FarDescriptors::FarDescriptors(AsioLoop& loop)
    : loop_(loop.shared_from_this()), readable_(loop), writable_(loop) {}

FarDescriptors::~FarDescriptors() {
  // The descriptors are those of the sets, which close them.
  try {
    readable_.handle.release();
    writable_.handle.release();
  } catch (...) {
    return;
  }
}

bool FarDescriptors::is_far(Descriptor descriptor) noexcept {
  return descriptor >= FD_SETSIZE;
}

Watch FarDescriptors::watch(Descriptor descriptor, Interest interest, Callback callback,
                            const SourceLocation& where) {
  try {
    const auto watcher = std::make_shared<Watcher>(shared_from_this(), descriptor, interest,
                                                   std::move(callback), where);
    wait(set(interest));
    return Watch(watcher);
  } catch (const std::system_error& error) {
    const auto what = "Descriptor " + std::to_string(descriptor);
    if (error.code() == std::errc::file_exists) {
      throw AlreadyWatchedError(what + " is watched for this already; cancel that watch first.");
    }
    throw InvalidArgument(what + " cannot be watched: " + error.code().message() + ".", {},
                          error.code());
  }
}

void FarDescriptors::wait(Set& set) {
  if (set.watched.empty() || std::exchange(set.waiting, true)) return;
  loop_->asio_used();
  set.handle.async_wait(net::posix::stream_descriptor::wait_read,
                        [weak = weak_from_this(), &set](const ErrorCode& error) {
                          const auto self = weak.lock();
                          if (self == nullptr || error) return;
                          set.waiting = false;
                          // First, since a callback may run the loop.
                          self->wait(set);
                          set.poller.wait(0);
                        });
}

}  // namespace weft::detail::select

#endif
