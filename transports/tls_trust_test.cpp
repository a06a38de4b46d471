#include "detail/tls_handles.hpp"
#include "tls_test_case_test.hpp"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace weft {
namespace {

using ::testing::HasSubstr;

// A file that a test writes again and again.
class PemFile {
 public:
  explicit PemFile(const Pem& first)
      : path_((std::filesystem::temp_directory_path() /
               ("weft-pem-" + std::to_string(reinterpret_cast<std::uintptr_t>(this))))
                  .string()) {
    put(first);
  }
  ~PemFile() { std::filesystem::remove(path_); }
  PemFile(const PemFile&) = delete;
  PemFile& operator=(const PemFile&) = delete;

  void put(const Pem& pem) const { std::ofstream(path_) << pem.value(); }
  [[nodiscard]] Pem pem() const { return Pem::file(path_); }

 private:
  std::string path_;
};

class TlsTrust : public TlsCase {};

INSTANTIATE_TEST_SUITE_P(Each, TlsTrust, every_delivery(), delivery_name);

// ---- what was trusted before a reload

TEST_P(TlsTrust, RefusesAClientThatWasRevokedBeforeAReloadThoughItHasASession) {
  const auto client = test_authority().issue("client.test");
  const PemFile revoked(test_authority().revoke({}));
  server_options_.client_certificate = ClientCertificate::required;
  server_options_.client_trust = test_authority().certificate();
  server_options_.revoked = revoked.pem();
  client_options_.identity = client;
  connect();
  ASSERT_TRUE(connected());
  connect_again();
  ASSERT_TRUE(connected());
  ASSERT_TRUE(server_->way().tls()->resumed);
  revoked.put(test_authority().revoke({client}));
  server_context_->reload();
  connect_again();
  EXPECT_FALSE(server_->made());
  ASSERT_TRUE(server_failure_);
  EXPECT_THAT(server_failure_->message(), HasSubstr("has been revoked"));
}

TEST_P(TlsTrust, RefusesAClientThatIsNotTrustedSinceAReloadThoughItHasASession) {
  const TestAuthority other("Other authority");
  const PemFile trust(test_authority().certificate());
  server_options_.client_certificate = ClientCertificate::required;
  server_options_.client_trust = trust.pem();
  client_options_.identity = test_authority().issue("client.test");
  connect();
  ASSERT_TRUE(connected());
  trust.put(other.certificate());
  server_context_->reload();
  connect_again();
  EXPECT_FALSE(server_->made());
  ASSERT_TRUE(server_failure_ && server_failure_->check<CertificateError>() != nullptr);
}

TEST_P(TlsTrust, RefusesAServerThatIsNotTrustedSinceAReloadThoughItsSessionCameLater) {
  const TestAuthority other("Other authority");
  const PemFile trust(test_authority().certificate());
  client_options_.trust = trust.pem();
  // With TLS 1.3, sessions come behind the handshake.
  prepare_ = [&] {
    client_->on_made = [&](Accumulating&) {
      trust.put(other.certificate());
      client_context_->reload();
    };
  };
  connect();
  ASSERT_TRUE(connected());
  prepare_ = nullptr;
  connect_again();
  static_cast<void>(refusal<CertificateError>());
}

}  // namespace
}  // namespace weft
