#include "test_certificates_test.hpp"

#include "detail/tls_certificates.hpp"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>

namespace weft {

namespace {

using detail::BioHandle;
using detail::CertificateHandle;
using detail::KeyHandle;
using detail::RevocationHandle;

void check(bool good) {
  if (!good) throw std::runtime_error("OpenSSL could not make a certificate for a test");
}

std::string content_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return content_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  check(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return content_of(bio.get());
}

KeyHandle make_key() {
  KeyHandle key(EVP_EC_gen("P-256"));
  check(key != nullptr);
  return key;
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  check(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

CertificateHandle begin_certificate(const CertificateWish& wish, EVP_PKEY* key) {
  static std::atomic<long> serial{1000};
  CertificateHandle made(X509_new());
  check(made != nullptr);
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), static_cast<long>(wish.begins.count()));
  X509_gmtime_adj(X509_getm_notAfter(made.get()), static_cast<long>(wish.ends.count()));
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1,
                             -1, 0);
  return made;
}

// Signs what is filled in by now.
void sign(X509* certificate, X509* issuer, EVP_PKEY* key) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  check(X509_sign(certificate, key, EVP_sha256()) > 0);
}

void add_names(X509* certificate, X509* issuer, const CertificateWish& wish) {
  std::string names;
  for (const auto& name : wish.names)
    names += (names.empty() ? "" : ",") + name;
  if (!names.empty()) extend(certificate, issuer, NID_subject_alt_name, names);
  if (!wish.purpose.empty()) extend(certificate, issuer, NID_ext_key_usage, wish.purpose);
}

}  // namespace

struct TestAuthority::Parts {
  KeyHandle key = make_key();
  CertificateHandle certificate;
  // What the peers of those below do not have.
  std::string chain;
};

TestAuthority::TestAuthority(const std::string& name) : parts_(std::make_unique<Parts>()) {
  CertificateWish wish;
  wish.common_name = name;
  wish.begins = -std::chrono::hours(24 * 365);
  wish.ends = std::chrono::hours(24 * 365);
  parts_->certificate = begin_certificate(wish, parts_->key.get());
  auto* const own = parts_->certificate.get();
  extend(own, own, NID_basic_constraints, "critical,CA:TRUE");
  extend(own, own, NID_subject_key_identifier, "hash");
  sign(own, own, parts_->key.get());
}

TestAuthority::TestAuthority(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

TestAuthority::~TestAuthority() = default;

Pem TestAuthority::certificate() const {
  return Pem::text(pem_of(parts_->certificate.get()));
}

TlsIdentity TestAuthority::issue(const CertificateWish& wish) const {
  const auto key = make_key();
  const auto made = begin_certificate(wish, key.get());
  add_names(made.get(), parts_->certificate.get(), wish);
  sign(made.get(), parts_->certificate.get(), parts_->key.get());
  return {Pem::text(pem_of(made.get()) + parts_->chain), Pem::text(pem_of(key.get()))};
}

std::unique_ptr<TestAuthority> TestAuthority::deputy(const std::string& name) const {
  auto parts = std::make_unique<Parts>();
  CertificateWish wish;
  wish.common_name = name;
  parts->certificate = begin_certificate(wish, parts->key.get());
  auto* const own = parts->certificate.get();
  extend(own, parts_->certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  extend(own, parts_->certificate.get(), NID_subject_key_identifier, "hash");
  sign(own, parts_->certificate.get(), parts_->key.get());
  parts->chain = pem_of(own) + parts_->chain;
  return std::unique_ptr<TestAuthority>(new TestAuthority(std::move(parts)));
}

Pem TestAuthority::revoke(const std::vector<TlsIdentity>& identities) const {
  const RevocationHandle list(X509_CRL_new());
  X509_CRL_set_version(list.get(), 1);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(parts_->certificate.get()));
  ASN1_TIME* const now = X509_gmtime_adj(nullptr, -60);
  X509_CRL_set1_lastUpdate(list.get(), now);
  for (const auto& identity : identities) {
    const auto certificates = detail::load_certificates(identity.chain);
    X509_REVOKED* const revoked = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(certificates.front().get()));
    X509_REVOKED_set_revocationDate(revoked, now);
    X509_CRL_add0_revoked(list.get(), revoked);
  }
  ASN1_TIME_free(now);
  ASN1_TIME* const next = X509_gmtime_adj(nullptr, 24 * 3600);
  X509_CRL_set1_nextUpdate(list.get(), next);
  ASN1_TIME_free(next);
  check(X509_CRL_sign(list.get(), parts_->key.get(), EVP_sha256()) > 0);
  const BioHandle bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_CRL(bio.get(), list.get());
  return Pem::text(content_of(bio.get()));
}

TlsIdentity TestAuthority::self_signed(const std::string& name) {
  const auto key = make_key();
  const CertificateWish wish(name);
  const auto made = begin_certificate(wish, key.get());
  add_names(made.get(), made.get(), wish);
  sign(made.get(), made.get(), key.get());
  return {Pem::text(pem_of(made.get())), Pem::text(pem_of(key.get()))};
}

}  // namespace weft
