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

// ---- damaged lists

// A block of PEM with a letter that no block has.
Pem damaged(const Pem& pem) {
  auto text = pem.value();
  text[100] = '*';
  return Pem::text(text);
}

Pem both(const Pem& first, const Pem& second) {
  return Pem::text(first.value() + second.value());
}

template <class Options>
std::string complaint_about(const Options& options) {
  try {
    const TlsContext context(options);
    return "none";
  } catch (const CertificateError& error) {
    return error.what();
  }
}

TEST(TlsLists, AreRefusedWhenABlockBehindTheFirstIsDamaged) {
  const TestAuthority other("Other authority");
  const auto good = test_authority().certificate();
  auto client = test_client_options();
  client.trust = both(good, other.certificate());
  EXPECT_EQ(complaint_about(client), "none");
  client.trust = both(good, damaged(other.certificate()));
  EXPECT_THAT(complaint_about(client), HasSubstr("damaged"));
  const auto whole = other.certificate().value();
  client.trust = both(good, Pem::text(whole.substr(0, whole.size() / 2)));
  EXPECT_THAT(complaint_about(client), HasSubstr("damaged"));

  client = test_client_options();
  client.revoked = both(test_authority().revoke({}), damaged(other.revoke({})));
  EXPECT_THAT(complaint_about(client), HasSubstr("damaged"));

  const auto deputy = test_authority().deputy("Deputy");
  auto identity = deputy->issue(test_server_name);
  EXPECT_EQ(complaint_about(TlsServerOptions(identity)), "none");
  identity.chain = both(identity.chain, damaged(other.certificate()));
  EXPECT_THAT(complaint_about(TlsServerOptions(identity)), HasSubstr("damaged"));
}

// ---- names

TEST_P(TlsTrust, TakesAnAbsoluteNameForWhatItNames) {
  connect("server.test.");
  ASSERT_TRUE(connected());
  EXPECT_EQ(server_->way().tls()->server_name, "server.test");
}

TEST_P(TlsTrust, VerifiesALinkLocalAddressWithoutItsScope) {
  CertificateWish wish("somebody.test");
  wish.names = {"IP:fe80::1"};
  server_options_.identities = {test_authority().issue(wish)};
  connect("fe80::1%2");
  EXPECT_TRUE(connected());
  connect("fe80::2%2");
  EXPECT_THAT(refusal<CertificateError>(), HasSubstr("is made out for IP:fe80::1 and not for"));
}

TEST(TlsNames, AreRefusedWhenNoServerCanHaveThem) {
  testing::ManualClock clock;
  const TlsContext context(test_client_options());
  const auto factory = factory_for<testing::AccumulatingProtocol>();
  const std::string with_nul("server.test\0.evil.test", 22);
  for (const auto& name : {std::string(".test"), std::string("."), std::string(".."), with_nul}) {
    EXPECT_THROW(static_cast<void>(tls_connect(clock, {}, context, name, factory)), InvalidArgument)
        << name;
  }
}

// Signed by itself, and made out for `uri` alone.
TlsIdentity made_out_for(const std::string& uri) {
  const detail::KeyHandle key(EVP_EC_gen("P-256"));
  const detail::CertificateHandle made(X509_new());
  X509_set_version(made.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  using Names = std::unique_ptr<GENERAL_NAMES, detail::TlsRelease<&GENERAL_NAMES_free>>;
  const Names names(sk_GENERAL_NAME_new_null());
  auto* const text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, uri.data(), static_cast<int>(uri.size()));
  auto* const name = GENERAL_NAME_new();
  GENERAL_NAME_set0_value(name, GEN_URI, text);
  sk_GENERAL_NAME_push(names.get(), name);
  X509_add1_ext_i2d(made.get(), NID_subject_alt_name, names.get(), 0, 0);
  X509_sign(made.get(), key.get(), EVP_sha256());
  const auto pem_of = [](auto&& write) {
    const detail::BioHandle bio(BIO_new(BIO_s_mem()));
    write(bio.get());
    char* data = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &data);
    return Pem::text(std::string(data, static_cast<std::size_t>(size)));
  };
  return {pem_of([&](BIO* bio) { PEM_write_bio_X509(bio, made.get()); }), pem_of([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

TEST_P(TlsTrust, PutsNoControlCharactersOfACertificateIntoMessages) {
  const auto identity = made_out_for("x\n[error] root logged in\x1b[2J\\");
  server_options_.identities = {identity};
  client_options_.trust = identity.chain;
  connect();
  EXPECT_THAT(refusal<CertificateError>(),
              HasSubstr("URI:x\\0a[error] root logged in\\1b[2J\\5c and not for"));
}

}  // namespace
}  // namespace weft
