#include "../../framework/logging.hpp"
#include "asio_loop.hpp"

#include <algorithm>
#include <limits>
#include <sys/epoll.h>

namespace weft::detail::epoll {

namespace {

// Asio keeps its epoll descriptor to itself and offers no other way of waiting for it beside ours.
// An explicit instantiation may name a private member; a Boost that renames it fails to compile
// here.
template <int net::detail::epoll_reactor::*Member>
struct DescriptorOf {
  friend int descriptor_of(net::detail::epoll_reactor& asio) { return asio.*Member; }
};
int descriptor_of(net::detail::epoll_reactor& asio);
template struct DescriptorOf<&net::detail::epoll_reactor::epoll_fd_>;

// How much of Asio's is done before the connections have their turn again.
constexpr int asio_share = 64;

int milliseconds_until(std::optional<TimePoint> until, TimePoint now) noexcept {
  if (!until) return -1;
  if (*until <= now) return 0;
  // Rounded up: a timer never fires early, and the loop does not spin in the last millisecond.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - now).count();
  return static_cast<int>(std::min<decltype(left)>(left, std::numeric_limits<int>::max()));
}

}  // namespace

struct AsioLoop::AsioSet final : Polled {
  explicit AsioSet(AsioLoop& owner)
      : loop(owner),
        descriptor(descriptor_of(net::use_service<net::detail::epoll_reactor>(loop.io))) {
    // Else Asio looks at its set only once a socket of its own has been made, and the set, which is
    // ready from the beginning, would keep our loop awake until then.
    net::use_service<net::detail::epoll_reactor>(loop.io).init_task();
    loop.poller.add(descriptor, EPOLLIN, *this);
  }
  void ready(std::uint32_t) noexcept override { loop.run_asio(); }

  AsioLoop& loop;
  int descriptor;
};

AsioLoop::AsioLoop(Reactor& owner)
    : reactor(owner), io(1), asio_set_(std::make_unique<AsioSet>(*this)) {}

AsioLoop::~AsioLoop() {
  poller.remove(asio_set_->descriptor, *asio_set_);
}

void AsioLoop::wait(std::optional<TimePoint> until) {
  if (asio_used_) {
    run_asio();
    until = TimePoint::min();
  }
  poller.wait(milliseconds_until(until, reactor.now()));
}

void AsioLoop::wake() noexcept {
  poller.wake();
}

void AsioLoop::run_asio() {
  asio_used_ = false;
  try {
    int done = 0;
    while (done < asio_share && io.poll_one() > 0)
      ++done;
    if (done == asio_share) asio_used_ = true;
  } catch (...) {
    asio_used_ = true;
    log_failure("reactor", "A round of the loop threw; the loop goes on", Failure::current());
  }
}

}  // namespace weft::detail::epoll
