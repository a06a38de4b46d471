// What TLS has settled with a peer: versions, names and certificates as plain data.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// What a certificate says.
struct TlsCertificate {
  /// Whom it names, and who signed it: "CN=example.org,O=Example" (RFC 2253).
  std::string subject;
  std::string issuer;
  /// The subject's alternative names: "DNS:example.org", "IP:127.0.0.1", "email:me@example.org",
  /// "URI:...".
  std::vector<std::string> names;
  /// In hexadecimal.
  std::string serial_number;
  std::chrono::system_clock::time_point not_before;
  std::chrono::system_clock::time_point not_after;
  /// SHA-256 of the whole certificate, in lower-case hexadecimal.
  std::string fingerprint;
};

/// What both sides agreed upon: see `Transport::tls`.
struct TlsInfo {
  /// "TLSv1.2" or "TLSv1.3".
  std::string version;
  /// As OpenSSL and the RFCs of TLS 1.3 write it: "TLS_AES_256_GCM_SHA384".
  std::string cipher;
  /// The application's protocol that both want (ALPN); empty where none was settled.
  std::string alpn;
  /// The name that the client asked for (SNI); empty where it named none.
  std::string server_name;
  /// An earlier session was taken up again, which is faster.
  bool resumed = false;
  /// Whether the peer's certificate was held against what we trust.
  bool verified = false;
  /// None where the peer showed none.
  std::optional<TlsCertificate> peer_certificate;
};

}  // namespace weft
