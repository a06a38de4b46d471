#include "../../framework/connect_attempt.hpp"
#include "../../framework/error.hpp"
#include "handle_transport.hpp"
#include "pipe_carrier.hpp"

#include <utility>

namespace weft::detail::iocp {

namespace {

// How often a pipe whose instances are all taken is tried again: waiting for one would take a
// thread. A server that is well makes the next one at once, whatever is ahead of us.
constexpr auto first_pauses = std::chrono::milliseconds(1);
constexpr auto later_pauses = std::chrono::milliseconds(10);
constexpr int first_attempts = 100;

class PipeConnector final : public ConnectAttempt {
 public:
  PipeConnector(AsioLoop& loop, PipeName name, std::shared_ptr<Factory> factory)
      : ConnectAttempt(loop.reactor, std::move(factory)),
        loop_(loop.shared_from_this()),
        name_(std::move(name)) {}

  Deferred<std::shared_ptr<Protocol>> start(const ConnectOptions& options) {
    auto outcome = begin();
    timeout_ = clock().call_later(options.timeout, [self = self()] { self->timed_out(); });
    // Nothing is told inside the call that begins it, however soon it is known.
    try_in(Duration::zero());
    return outcome;
  }

 private:
  void end_attempt() noexcept override {
    timeout_.cancel_if_active();
    next_attempt_.cancel_if_active();
  }
  [[nodiscard]] std::string target() const override { return name_.address().text(); }

  void try_in(Duration pause) {
    next_attempt_ = clock().call_later(pause, [self = self()] {
      try {
        self->attempt();
      } catch (...) {
        self->failed(Failure::current());
      }
    });
  }
  void attempt();
  void refused(DWORD code);
  void timed_out() {
    failed(Failure(ConnectTimeout("Connecting to " + target() +
                                      " took too long; all that it has are taken. Allow more "
                                      "time, or ask whoever runs it.",
                                  name_.address())));
  }
  std::shared_ptr<PipeConnector> self() {
    return std::static_pointer_cast<PipeConnector>(shared_from_this());
  }

  std::shared_ptr<AsioLoop> loop_;
  PipeName name_;
  DelayedCall timeout_;
  DelayedCall next_attempt_;
  int attempts_ = 0;
};

void PipeConnector::attempt() {
  // Whoever made the pipe may ask who we are, and may not act as us.
  OwnedHandle pipe(::CreateFileW(
      name_.wide().c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr, OPEN_EXISTING,
      FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, nullptr));
  if (!pipe.open()) {
    refused(::GetLastError());
    return;
  }
  connected(std::make_shared<HandleTransport>(*loop_, taken_by(*loop_, std::move(pipe)), Address(),
                                              name_.address()));
}

void PipeConnector::refused(DWORD code) {
  if (code == ERROR_PIPE_BUSY) {
    try_in(++attempts_ < first_attempts ? first_pauses : later_pauses);
    return;
  }
  const std::error_code error(static_cast<int>(code), std::system_category());
  const auto what = "Connecting to " + target() + " failed: ";
  if (code == ERROR_FILE_NOT_FOUND) {
    failed(Failure(
        ConnectionRefused(what + "nobody listens there; check the name, and that the server is up.",
                          name_.address(), error)));
  } else {
    failed(Failure(ConnectError(what + error.message() + ".", name_.address(), error)));
  }
}

}  // namespace

Deferred<std::shared_ptr<Protocol>> connect_pipe(AsioLoop& loop, PipeName name,
                                                 std::shared_ptr<Factory> factory,
                                                 const ConnectOptions& options) {
  return std::make_shared<PipeConnector>(loop, std::move(name), std::move(factory))->start(options);
}

}  // namespace weft::detail::iocp
