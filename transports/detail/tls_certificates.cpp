#include "tls_certificates.hpp"

#include "../../framework/address.hpp"
#include "lower_case.hpp"
#include "tls_errors.hpp"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <iterator>
#include <system_error>

namespace weft::detail {

namespace {

// How messages call where it came from.
std::string source_of(const Pem& pem) {
  return pem.is_file() ? "\"" + pem.value() + "\"" : "the text given";
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) {
    throw CertificateError("\"" + path + "\" cannot be read; check the path and its permissions.");
  }
  return content;
}

class Reader {
 public:
  explicit Reader(const Pem& pem)
      : content_(pem.is_file() ? read_file(pem.value()) : pem.value()),
        bio_(BIO_new_mem_buf(content_.data(), static_cast<int>(content_.size()))) {
    if (bio_ == nullptr) throw std::bad_alloc();
  }
  [[nodiscard]] BIO* bio() const noexcept { return bio_.get(); }

 private:
  std::string content_;
  BioHandle bio_;
};

// A key with a password would have OpenSSL ask the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

std::string text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::string address_text(const ASN1_OCTET_STRING* octets) {
  const auto* const data = ASN1_STRING_get0_data(octets);
  const auto size = ASN1_STRING_length(octets);
  if (size == 4) {
    std::array<std::uint8_t, 4> four{};
    std::copy_n(data, 4, four.begin());
    return Address::ipv4(four, 0).host();
  }
  std::array<std::uint8_t, 16> sixteen{};
  std::copy_n(data, std::min(size, 16), sixteen.begin());
  return Address::ipv6(sixteen, 0).host();
}

std::string hexadecimal(const unsigned char* data, std::size_t size) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * size);
  for (std::size_t i = 0; i < size; ++i) {
    text += digits[data[i] >> 4];
    text += digits[data[i] & 15];
  }
  return text;
}

std::tm fields_of(const ASN1_TIME* time) {
  std::tm fields{};
  ASN1_TIME_to_tm(time, &fields);
  return fields;
}

std::chrono::system_clock::time_point time_point_of(const ASN1_TIME* time) {
  const auto fields = fields_of(time);
  using namespace std::chrono;
  const year_month_day date(year(fields.tm_year + 1900),
                            month(static_cast<unsigned>(fields.tm_mon + 1)),
                            day(static_cast<unsigned>(fields.tm_mday)));
  return sys_days(date) + hours(fields.tm_hour) + minutes(fields.tm_min) + seconds(fields.tm_sec);
}

using NamesHandle = std::unique_ptr<GENERAL_NAMES, TlsRelease<&GENERAL_NAMES_free>>;

NamesHandle names_of(X509* certificate) {
  return NamesHandle(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

// Whoever made the certificate may have put anything in: a line end would begin a line of our log.
std::string printable(const ASN1_STRING* string) {
  std::string text;
  for (const char each : text_of(string)) {
    const auto letter = static_cast<unsigned char>(each);
    if (letter >= ' ' && letter < 0x7f && letter != '\\') {
      text += each;
    } else {
      text += '\\' + hexadecimal(&letter, 1);
    }
  }
  return text;
}

std::string name_of(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS:
      return "DNS:" + printable(name->d.dNSName);
    case GEN_IPADD:
      return "IP:" + address_text(name->d.iPAddress);
    case GEN_EMAIL:
      return "email:" + printable(name->d.rfc822Name);
    case GEN_URI:
      return "URI:" + printable(name->d.uniformResourceIdentifier);
    default:
      return {};
  }
}

// What `read` finds in PEM until there is no more. A damaged block is not the end: what stands
// behind it would be left out, and nobody told.
template <class Handle, class Read>
std::vector<Handle> read_all(const Pem& pem, Read read) {
  const Reader reader(pem);
  std::vector<Handle> all;
  ERR_clear_error();
  while (auto* const found = read(reader.bio(), nullptr, no_password, nullptr)) {
    all.emplace_back(found);
  }
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  if (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
    throw CertificateError("Block " + std::to_string(all.size() + 1) + " of its kind in " +
                           source_of(pem) + " is damaged (" + openssl_reason(code) +
                           "); copy it anew.");
  }
  return all;
}

}  // namespace

// ---- reading

std::vector<CertificateHandle> load_certificates(const Pem& pem) {
  auto certificates = read_all<CertificateHandle>(pem, &PEM_read_bio_X509);
  if (certificates.empty()) {
    throw CertificateError("No certificate in PEM is in " + source_of(pem) +
                           "; it begins with \"-----BEGIN CERTIFICATE-----\".");
  }
  return certificates;
}

std::vector<RevocationHandle> load_revoked(const Pem& pem) {
  auto lists = read_all<RevocationHandle>(pem, &PEM_read_bio_X509_CRL);
  if (lists.empty()) {
    throw CertificateError("No list of revoked certificates in PEM is in " + source_of(pem) +
                           "; it begins with \"-----BEGIN X509 CRL-----\".");
  }
  return lists;
}

LoadedIdentity load_identity(const TlsIdentity& identity) {
  LoadedIdentity loaded;
  loaded.chain = load_certificates(identity.chain);
  const Pem& key = identity.key.empty() ? identity.chain : identity.key;
  const Reader reader(key);
  loaded.key.reset(PEM_read_bio_PrivateKey(reader.bio(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (loaded.key == nullptr) {
    throw CertificateError("No private key in PEM, without a password, is in " + source_of(key) +
                           "; decrypt it first if it has one.");
  }
  if (X509_check_private_key(loaded.chain.front().get(), loaded.key.get()) != 1) {
    ERR_clear_error();
    throw CertificateError("The private key in " + source_of(key) +
                           " does not belong to the certificate of " +
                           name_text(X509_get_subject_name(loaded.chain.front().get())) +
                           "; give the key that it was made for.");
  }
  return loaded;
}

// ---- telling

std::string name_text(const X509_NAME* name) {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  if (bio == nullptr) throw std::bad_alloc();
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  std::string text(data, static_cast<std::size_t>(size));
  return text.empty() ? "(no name)" : text;
}

std::string time_text(const ASN1_TIME* time) {
  const auto fields = fields_of(time);
  std::array<char, 32> text{};
  const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &fields);
  return {text.data(), size};
}

std::vector<std::string> alternative_names(X509* certificate) {
  std::vector<std::string> names;
  const auto list = names_of(certificate);
  for (int i = 0; list != nullptr && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    auto name = name_of(sk_GENERAL_NAME_value(list.get(), i));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> dns_names(X509* certificate) {
  std::vector<std::string> names;
  const auto list = names_of(certificate);
  for (int i = 0; list != nullptr && i < sk_GENERAL_NAME_num(list.get()); ++i) {
    const auto* const name = sk_GENERAL_NAME_value(list.get(), i);
    if (name->type == GEN_DNS) names.push_back(lower_case(text_of(name->d.dNSName)));
  }
  if (!names.empty()) return names;
  const auto* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at >= 0) {
    names.push_back(
        lower_case(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)))));
  }
  return names;
}

TlsCertificate describe(X509* certificate) {
  TlsCertificate told;
  told.subject = name_text(X509_get_subject_name(certificate));
  told.issuer = name_text(X509_get_issuer_name(certificate));
  told.names = alternative_names(certificate);
  const auto* const serial = X509_get0_serialNumber(certificate);
  told.serial_number = hexadecimal(ASN1_STRING_get0_data(serial),
                                   static_cast<std::size_t>(ASN1_STRING_length(serial)));
  told.not_before = time_point_of(X509_get0_notBefore(certificate));
  told.not_after = time_point_of(X509_get0_notAfter(certificate));
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) == 1) {
    told.fingerprint = hexadecimal(digest.data(), size);
  }
  return told;
}

}  // namespace weft::detail
