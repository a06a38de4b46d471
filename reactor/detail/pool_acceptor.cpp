#include "pool_acceptor.hpp"

#include "../../framework/logging.hpp"
#include "../../transports/detail/accepting.hpp"
#include "../../transports/detail/socket_address.hpp"

#include <fcntl.h>
#include <utility>

namespace weft::detail {

namespace {

// As every port of ours that has no descriptor left.
constexpr auto rest_time = std::chrono::milliseconds(100);

}  // namespace

PoolAcceptor::PoolAcceptor(Reactor& reactor, OwnedDescriptor listening,
                           std::shared_ptr<UnixBinding> binding, Give give)
    : reactor_(reactor),
      binding_(std::move(binding)),
      listening_(std::move(listening)),
      give_(std::move(give)) {
  ::fcntl(listening_.get(), F_SETFL, ::fcntl(listening_.get(), F_GETFL) | O_NONBLOCK);
  wait();
}

PoolAcceptor::~PoolAcceptor() {
  rest_call_.cancel_if_active();
  watch_.cancel();
}

void PoolAcceptor::wait() {
  watch_ = reactor_.watch(
      listening_.get(), Interest::readable, [this] { ready(); }, SourceLocation());
}

void PoolAcceptor::ready() {
  const auto error = accept_some(
      listening_.get(), [this](int descriptor, const sockaddr_storage& peer, socklen_t size) {
        OwnedDescriptor connection(descriptor);
        short_of_resources_ = false;
        // Who connects to a UNIX socket has no name, as a rule.
        give_(std::move(connection),
              binding_ != nullptr ? Address::unix_socket("") : to_address(&peer, size));
        return true;
      });
  if (error) rest(error);
}

void PoolAcceptor::rest(std::error_code reason) {
  watch_.cancel();
  if (!std::exchange(short_of_resources_, true)) {
    log(LogLevel::warning, "pool",
        "Accepting for a pool failed: " + reason.message() + "; it is tried again every 100 ms");
  }
  rest_call_ = reactor_.call_later(rest_time, [this] { wait(); });
}

}  // namespace weft::detail
