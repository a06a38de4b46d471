// One attempt to connect and talk TLS, until there is a protocol or a reason why not.
#pragma once

#include "../../framework/connect_attempt.hpp"
#include "../tls.hpp"
#include "tls_lower.hpp"

#include <memory>
#include <string>

namespace weft::detail {

class TlsConnecting final : public ConnectAttempt {
 public:
  TlsConnecting(Clock& clock, ConnectFunction connect, TlsContext context, std::string server_name,
                std::shared_ptr<Factory> factory);

  Deferred<std::shared_ptr<Protocol>> start();

 private:
  void end_attempt() noexcept override;
  [[nodiscard]] std::string target() const override { return server_name_; }

  void dial();
  [[nodiscard]] std::shared_ptr<Protocol> build_lower();
  std::shared_ptr<TlsConnecting> self() {
    return std::static_pointer_cast<TlsConnecting>(shared_from_this());
  }

  ConnectFunction connect_;
  TlsContext context_;
  std::string server_name_;
  Canceller dialling_;
  std::weak_ptr<TlsLower> lower_;
};

}  // namespace weft::detail
