// What the carrier of a TLS connection talks to.
#pragma once

#include "../../framework/protocol.hpp"
#include "tls_transport.hpp"

#include <memory>
#include <string>

namespace weft::detail {

class TlsLower final : public Protocol {
 public:
  /// Makes its TLS transport when it is connected, and begins the handshake.
  TlsLower(std::shared_ptr<TlsShared> shared, std::string server_name,
           TlsTransport::HandshakeEnded ended);
  /// Takes the place of a protocol on an open connection.
  explicit TlsLower(std::shared_ptr<TlsTransport> transport);
  ~TlsLower() override;

  /// Null before it is connected, and once it is lost.
  [[nodiscard]] const std::shared_ptr<TlsTransport>& tls() const noexcept { return tls_; }

  void connection_made() override;
  void data_received(BytesView data) override { tls_->carrier_received(data); }
  void eof_received() override { tls_->carrier_ended(); }
  void pause_writing() override { tls_->carrier_full(true); }
  void resume_writing() override { tls_->carrier_full(false); }
  void connection_lost(const Failure& reason) override;
  [[nodiscard]] Transport* carried() noexcept override;

 private:
  std::shared_ptr<TlsShared> shared_;
  std::string server_name_;
  TlsTransport::HandshakeEnded ended_;
  std::shared_ptr<TlsTransport> tls_;
};

}  // namespace weft::detail
