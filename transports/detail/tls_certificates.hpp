// Reads certificates, keys and revocation lists, and tells what a certificate says.
#pragma once

#include "../../framework/tls_info.hpp"
#include "../tls.hpp"
#include "tls_handles.hpp"

#include <string>
#include <vector>

namespace weft::detail {

/// A chain, the leaf first, and the leaf's key.
struct LoadedIdentity {
  std::vector<CertificateHandle> chain;
  KeyHandle key;
};

/// Errors: CertificateError, which names the file and the certificate.
[[nodiscard]] LoadedIdentity load_identity(const TlsIdentity& identity);
[[nodiscard]] std::vector<CertificateHandle> load_certificates(const Pem& pem);
[[nodiscard]] std::vector<RevocationHandle> load_revoked(const Pem& pem);

/// "CN=example.org,O=Example".
[[nodiscard]] std::string name_text(const X509_NAME* name);
/// "2030-01-31 12:00:00 UTC".
[[nodiscard]] std::string time_text(const ASN1_TIME* time);
/// The DNS names that a certificate is made out for, in lower case; its common name when there are
/// none.
[[nodiscard]] std::vector<std::string> dns_names(X509* certificate);
[[nodiscard]] std::vector<std::string> alternative_names(X509* certificate);
[[nodiscard]] TlsCertificate describe(X509* certificate);

}  // namespace weft::detail
