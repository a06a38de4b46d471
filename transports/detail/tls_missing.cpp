#include "../tls.hpp"

namespace weft {

namespace {

[[noreturn]] void refuse_tls() {
  throw NotSupportedOnThisPlatform(
      "This weft was built without TLS; build it where OpenSSL 3 is installed.");
}

}  // namespace

TlsContext::TlsContext(const TlsServerOptions&) {
  refuse_tls();
}

TlsContext::TlsContext(const TlsClientOptions&) {
  refuse_tls();
}

void TlsContext::reload() {
  refuse_tls();
}

void TlsContext::reload(std::vector<TlsIdentity>) {
  refuse_tls();
}

bool TlsContext::is_server() const noexcept {
  return false;
}

std::size_t TlsContext::handshakes() const noexcept {
  return 0;
}

std::shared_ptr<Factory> tls_server(TlsContext, std::shared_ptr<Factory>) {
  refuse_tls();
}

Deferred<std::shared_ptr<Protocol>> tls_connect(Clock&, ConnectFunction, TlsContext, std::string,
                                                std::shared_ptr<Factory>) {
  refuse_tls();
}

Deferred<std::shared_ptr<Protocol>> connect_tls(Reactor&, TlsTarget, TlsContext,
                                                std::shared_ptr<Factory>, const ConnectOptions&) {
  refuse_tls();
}

Deferred<void> start_tls(Transport&, TlsContext, std::string) {
  refuse_tls();
}

}  // namespace weft
