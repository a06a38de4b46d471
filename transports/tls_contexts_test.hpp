// What both ends of a TLS connection need in a test.
#pragma once

#include "test_certificates_test.hpp"
#include "tls.hpp"

namespace weft {

inline constexpr const char* test_server_name = "server.test";

/// The authority of all tests, made once.
inline const TestAuthority& test_authority() {
  static const TestAuthority authority("Test authority");
  return authority;
}

/// A server's context with a certificate for `test_server_name`.
inline TlsServerOptions test_server_options() {
  static const TlsIdentity identity = test_authority().issue(test_server_name);
  return TlsServerOptions(identity);
}

inline TlsClientOptions test_client_options() {
  static const Pem trust = test_authority().certificate();
  TlsClientOptions options;
  options.trust = trust;
  return options;
}

}  // namespace weft
