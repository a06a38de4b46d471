// Certificates made for a test, by an authority of its own.
#pragma once

#include "tls.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace weft {

/// What a certificate shall say.
struct CertificateWish {
  CertificateWish() {}
  explicit CertificateWish(std::string name) : common_name(name), names{"DNS:" + name} {}
  std::string common_name;
  /// "DNS:example.org", "IP:127.0.0.1".
  std::vector<std::string> names;
  std::chrono::seconds begins = -std::chrono::hours(1);
  std::chrono::seconds ends = std::chrono::hours(24);
  /// "serverAuth", "clientAuth", or empty for any.
  std::string purpose;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();

  /// To be trusted.
  [[nodiscard]] Pem certificate() const;
  /// Without the authority's own certificate, which the peer has.
  [[nodiscard]] TlsIdentity issue(const CertificateWish& wish) const;
  [[nodiscard]] TlsIdentity issue(const std::string& name) const {
    return issue(CertificateWish(name));
  }
  /// An authority below this one; what it issues comes with its certificate.
  [[nodiscard]] std::unique_ptr<TestAuthority> deputy(const std::string& name) const;
  /// The list of what is revoked.
  [[nodiscard]] Pem revoke(const std::vector<TlsIdentity>& identities) const;
  /// A certificate that nobody signed but itself.
  [[nodiscard]] static TlsIdentity self_signed(const std::string& name);

 private:
  struct Parts;
  explicit TestAuthority(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace weft
