#include "object_wait.hpp"

#include "../../framework/census.hpp"
#include "../../framework/turn.hpp"
#include "asio_loop.hpp"

#include <boost/asio/windows/object_handle.hpp>

#include <atomic>
#include <memory>
#include <utility>

namespace weft::detail::iocp {

namespace {

// A thread of the system's own waits for many at once, and posts to the loop.
class ObjectWatcher final : public Watch::Watcher,
                            public std::enable_shared_from_this<ObjectWatcher> {
 public:
  ObjectWatcher(AsioLoop& loop, OwnedHandle object, Callback signalled)
      : loop_(loop.shared_from_this()), object_(loop.io), signalled_(std::move(signalled)) {
    object_.assign(object.get());
    static_cast<void>(object.release());
    census().watches.fetch_add(1, std::memory_order_relaxed);
  }
  ~ObjectWatcher() override { cancel(); }

  void wait() {
    loop_->asio_used();
    object_.async_wait([weak = weak_from_this()](const ErrorCode& error) {
      const auto watcher = weak.lock();
      if (watcher != nullptr && watcher->active() && !error) watcher->ready();
    });
  }
  void cancel() noexcept override {
    if (!active()) return;
    census().watches.fetch_sub(1, std::memory_order_relaxed);
    loop_->asio_used();
    ErrorCode ignored;
    object_.close(ignored);
  }
  [[nodiscard]] bool active() const noexcept override { return object_.is_open(); }

 private:
  void ready() {
    auto signalled = std::exchange(signalled_, Callback());
    loop_->reactor.turn().enter_logged("The callback of a wait threw", [&] { signalled(); });
  }

  // Before the handle, which leaves its context when it goes.
  std::shared_ptr<AsioLoop> loop_;
  net::windows::object_handle object_;
  Callback signalled_;
};

}  // namespace

Watch wait_for_object(AsioLoop& loop, OwnedHandle object, Callback signalled) {
  const auto watcher =
      std::make_shared<ObjectWatcher>(loop, std::move(object), std::move(signalled));
  watcher->wait();
  return Watch(watcher);
}

}  // namespace weft::detail::iocp
