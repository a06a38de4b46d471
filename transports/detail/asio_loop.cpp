#include "asio_loop.hpp"

#include "../../framework/logging.hpp"

namespace weft::detail::WEFT_BACKEND {

AsioLoop::AsioLoop(Reactor& owner) : reactor(owner), io(1) {}

AsioLoop::~AsioLoop() {
#ifdef WEFT_BACKEND_IO_URING
  ::close(nowhere_);
#endif
}

void AsioLoop::wait(std::optional<TimePoint> until) {
  try {
    if (!until) {
      io.run_one();
    } else if (*until <= reactor.now()) {
      io.poll_one();
    } else {
      io.run_one_until(*until);
    }
  } catch (...) {
    log_failure("reactor", "A round of the loop threw; the loop goes on", Failure::current());
  }
  // `wake` stops the context, which needs no memory; whoever called it left word before.
  if (io.stopped()) io.restart();
}

void AsioLoop::wake() noexcept {
  io.stop();
}

}  // namespace weft::detail::WEFT_BACKEND
