// Says what went wrong between two who speak TLS, and what to do about it.
#pragma once

#include "../../framework/address.hpp"
#include "../../framework/failure.hpp"
#include "tls_handles.hpp"

#include <string>

namespace weft::detail {

/// Why the peer's certificate, or one of its chain, was not good enough.
struct TlsDistrust {
  int code = 0;
  std::string subject;
  std::string issuer;
  std::string not_before;
  std::string not_after;
  /// Whom it is made out for.
  std::string names;
};

[[nodiscard]] TlsDistrust distrust_of(X509_STORE_CTX& verification);

/// What one connection knows when it fails.
struct TlsTrouble {
  const Address& peer;
  /// Whom the client wanted to talk to; empty for a server.
  const std::string& server_name;
  bool is_server;
  bool during_handshake;
  /// Null where the peer's certificate was not the reason.
  const TlsDistrust* distrust;
  /// Whom our own certificate names; empty where we showed none.
  std::string own_subject;
};

/// From what OpenSSL left in its queue of errors.
[[nodiscard]] Failure failure_of(const TlsTrouble& trouble, unsigned long code);
[[nodiscard]] std::string openssl_reason(unsigned long code);

}  // namespace weft::detail
