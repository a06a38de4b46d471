#include "connect_attempt.hpp"

#include "error.hpp"
#include "turn.hpp"

#include <utility>

namespace weft {

ConnectAttempt::ConnectAttempt(Clock& clock, std::shared_ptr<Factory> factory)
    : Turn::Participant(clock.turn()),
      clock_(clock),
      factory_(std::move(factory)),
      context_(detail::HeldContext::capture()) {
  if (factory_ == nullptr) {
    throw InvalidArgument("A connect was given no factory, so nobody would talk; pass one.");
  }
}

ConnectAttempt::~ConnectAttempt() = default;

Deferred<std::shared_ptr<Protocol>> ConnectAttempt::begin() {
  factory_->add_user();
  // With its place, or that would be one inside the library.
  promise_.emplace(
      [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->cancelled();
      },
      where());
  return promise_->deferred();
}

PendingWork ConnectAttempt::describe() const {
  if (over_) return {};
  return {"connect", target(), where()};
}

void ConnectAttempt::cancelled() {
  if (std::exchange(over_, true)) return;
  const auto self = shared_from_this();
  context_ = detail::HeldContext();
  end_attempt();
  release_factory();
  promise_->errback(Failure(ConnectingCancelled("Connecting to " + target() + " was cancelled.")));
}

void ConnectAttempt::failed(Failure reason) noexcept {
  if (std::exchange(over_, true)) return;
  const auto self = shared_from_this();
  context_ = detail::HeldContext();
  end_attempt();
  clock_.turn().enter_logged("The callback of a failed connect threw", [&] {
    release_factory();
    promise_->errback(std::move(reason));
  });
}

void ConnectAttempt::connected(const std::shared_ptr<StreamTransport>& transport) noexcept {
  if (std::exchange(over_, true)) {
    transport->abort_connection();
    return;
  }
  const auto self = shared_from_this();
  const Turn::Scope scope(clock_.turn());
  end_attempt();
  std::shared_ptr<Protocol> protocol;
  std::optional<Failure> reason;
  transport->begin_context(std::move(context_));
  clock_.turn().enter_in(
      *transport->context(), [&] { protocol = factory_->build_protocol(transport->peer()); },
      [&](const Failure& failure) { reason = failure; });
  if (protocol == nullptr) {
    transport->lose_connection();
    release_factory();
    clock_.turn().enter_logged("The callback of a failed connect threw", [&] {
      if (!reason) {
        reason = Failure(NoProtocol("The factory gave no protocol for the connection with " +
                                        target() + "; build_protocol returned null.",
                                    transport->peer()));
      }
      promise_->errback(*reason);
    });
    return;
  }
  transport->made_at(where());
  reason = transport->establish(protocol, self);
  clock_.turn().enter_logged("The callback of a connect threw", [&] {
    reason ? promise_->errback(*reason) : promise_->callback(std::move(protocol));
  });
}

void ConnectAttempt::connection_closed(StreamTransport&) noexcept {
  release_factory();
}

void ConnectAttempt::release_factory() noexcept {
  clock_.turn().enter_logged("A factory's stop_factory threw",
                             [this] { std::exchange(factory_, nullptr)->remove_user(); });
}

}  // namespace weft
