#include "tls_lower.hpp"

#include <utility>

namespace weft::detail {

TlsLower::TlsLower(std::shared_ptr<TlsShared> shared, std::string server_name,
                   TlsTransport::HandshakeEnded ended)
    : shared_(std::move(shared)), server_name_(std::move(server_name)), ended_(std::move(ended)) {}

TlsLower::TlsLower(std::shared_ptr<TlsTransport> transport) : tls_(std::move(transport)) {}

TlsLower::~TlsLower() = default;

void TlsLower::connection_made() {
  tls_ = std::make_shared<TlsTransport>(transport(), std::move(shared_), std::move(server_name_));
  server_name_ = std::string();
  tls_->keep_carrier(shared_from_this());
  tls_->begin(std::exchange(ended_, nullptr));
}

void TlsLower::connection_lost(const Failure& reason) {
  // Whichever goes last takes the other along.
  const auto self = shared_from_this();
  std::exchange(tls_, nullptr)->carrier_lost(reason);
}

Transport* TlsLower::carried() noexcept {
  if (tls_ == nullptr || !tls_->secured()) return nullptr;
  auto* const further = tls_->protocol() != nullptr ? tls_->protocol()->carried() : nullptr;
  return further != nullptr ? further : tls_.get();
}

}  // namespace weft::detail
