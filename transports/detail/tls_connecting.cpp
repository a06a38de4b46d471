#include "tls_connecting.hpp"

#include "../../framework/error.hpp"

#include <utility>

namespace weft::detail {

TlsConnecting::TlsConnecting(Clock& clock, ConnectFunction connect, TlsContext context,
                             std::string server_name, std::shared_ptr<Factory> factory)
    : ConnectAttempt(clock, std::move(factory)),
      connect_(std::move(connect)),
      context_(std::move(context)),
      server_name_(std::move(server_name)) {}

Deferred<std::shared_ptr<Protocol>> TlsConnecting::start() {
  auto outcome = begin();
  // Nothing is told inside the call that begins it, however soon it is known.
  clock().call_later(Duration::zero(), [self = self()] {
    if (!self->over()) self->dial();
  });
  return outcome;
}

void TlsConnecting::dial() {
  auto dialling =
      maybe_deferred([this] {
        return connect_(factory_from([self = self()] { return self->build_lower(); }));
      })
          .add_callbacks([](const std::shared_ptr<Protocol>&) {},
                         [self = self()](const Failure& failure) { self->failed(failure); });
  dialling_ = dialling.canceller();
}

std::shared_ptr<Protocol> TlsConnecting::build_lower() {
  // Whom nobody waits for any more is refused.
  if (over()) return nullptr;
  auto lower = std::make_shared<TlsLower>(
      context_.shared(), server_name_, [self = self()](TlsTransport& tls, const Failure* failure) {
        failure != nullptr ? self->failed(*failure) : self->connected(tls.shared_from_this());
      });
  lower_ = lower;
  return lower;
}

void TlsConnecting::end_attempt() noexcept {
  dialling_.cancel();
  const auto lower = lower_.lock();
  if (lower == nullptr || lower->tls() == nullptr || lower->tls()->secured()) return;
  lower->tls()->abort_connection();
}

}  // namespace weft::detail
