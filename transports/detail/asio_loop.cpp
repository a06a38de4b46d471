#include "asio_loop.hpp"

#include "../../framework/logging.hpp"

namespace weft::detail::WEFT_BACKEND {

AsioLoop::AsioLoop(Reactor& owner) : reactor(owner), io(1) {}

AsioLoop::~AsioLoop() = default;

void AsioLoop::wait(std::optional<TimePoint> until) {
  try {
    if (!until) {
      io.run_one();
    } else if (*until <= reactor.now()) {
      io.poll_one();
    } else {
#ifdef WEFT_BACKEND_IO_URING
      end_wait_at(*until);
      io.run_one();
#else
      io.run_one_until(*until);
#endif
    }
  } catch (...) {
    log_failure("reactor", "A round of the loop threw; the loop goes on", Failure::current());
  }
  // `wake` stops the context, which needs no memory; whoever called it left word before.
  if (io.stopped()) io.restart();
}

#ifdef WEFT_BACKEND_IO_URING
// Asio's own bounded wait gives the ring a timeout that lies on its stack, and may return before
// the ring is done with it: what comes of it later is taken for an operation. A timer lies in the
// context. One that is due too early costs a round, so it stays as it is where that is enough.
void AsioLoop::end_wait_at(TimePoint until) {
  if (wait_is_limited_ && wait_limit_.expiry() <= until) return;
  // Setting it cancels the wait before, and the new one may find no memory.
  wait_is_limited_ = false;
  wait_limit_.expires_at(until);
  wait_limit_.async_wait([this](const ErrorCode& error) {
    if (!error) wait_is_limited_ = false;
  });
  wait_is_limited_ = true;
}
#endif

void AsioLoop::wake() noexcept {
  io.stop();
}

}  // namespace weft::detail::WEFT_BACKEND
