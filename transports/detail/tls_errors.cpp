#include "tls_errors.hpp"

#include "../../framework/error.hpp"
#include "tls_certificates.hpp"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

#include <string_view>

namespace weft::detail {

namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names)
    text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "nobody" : text;
}

// What is wrong with it, and what to do, behind "The certificate of X ".
std::string complaint(const TlsDistrust& distrust, const TlsTrouble& trouble) {
  switch (distrust.code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "has expired on " + distrust.not_after + "; its owner must renew it";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "is not yet valid before " + distrust.not_before + "; check the clocks of both sides";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return "is self-signed, and not trusted; if it is the right one, add it to what is trusted";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "was signed by an unknown issuer, " + distrust.issuer +
             "; trust that issuer, or have the peer send the certificates in between";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "is made out for " + distrust.names + " and not for " + trouble.server_name +
             "; connect by a name that it has, or have it made out for this one";
    case X509_V_ERR_INVALID_PURPOSE:
      return std::string("must not be used for the purpose of a ") +
             (trouble.is_server ? "client" : "server") + "; have one made that may";
    case X509_V_ERR_CERT_REVOKED:
      return "has been revoked by " + distrust.issuer + "; its owner must have a new one made";
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return "cannot be checked: the list of what " + distrust.issuer +
             " has revoked is missing or too old; give the latest one";
    default:
      return std::string("is not good enough: ") + X509_verify_cert_error_string(distrust.code) +
             "; have a better one made";
  }
}

// What the peer finds wrong with our certificate, by its alert; empty when it is about something
// else.
std::string_view refusal(int reason) {
  switch (reason) {
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
      return "it is bad";
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return "it is of an unsupported kind or purpose";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
      return "it has been revoked";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "it has expired or is not yet valid";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return "it is not acceptable";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "its issuer is unknown to the peer";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "one is required";
    default:
      return {};
  }
}

std::string explained(const TlsTrouble& trouble, unsigned long code) {
  const auto peer = trouble.peer.text();
  switch (ERR_GET_REASON(code)) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return "The peer " + peer + " speaks plain HTTP to a port for TLS; it must use https.";
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_DATA_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_RECORD:
      if (!trouble.during_handshake) break;
      return "What the peer " + peer +
             " sent is no TLS; check that this port talks TLS, and with " + "what the peer begins.";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "The peer " + peer +
             " and we have no version of TLS in common; allow TLS 1.2 or 1.3 " + "on both sides.";
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
      return "The peer " + peer +
             " and we have no cipher in common; allow one on both sides that " +
             "suits the certificate.";
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
      return "The peer " + peer +
             " and we have no application protocol (ALPN) in common; compare " +
             "the lists of both sides.";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      if (trouble.during_handshake) {
        return "The peer " + peer +
               " finds no agreement with us (handshake_failure); compare the versions, ciphers " +
               "and certificates of both sides.";
      }
      return "The peer " + peer +
             " ended TLS with handshake_failure, as those do who want to negotiate again, which " +
             "is always refused; have it not ask.";
    default:
      break;
  }
  const auto when = trouble.during_handshake ? "The TLS handshake with " : "TLS with ";
  return when + peer + " failed: " + openssl_reason(code) + ".";
}

}  // namespace

std::string openssl_reason(unsigned long code) {
  const char* const reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  return reason != nullptr ? reason : "OpenSSL gives no reason";
}

TlsDistrust distrust_of(X509_STORE_CTX& verification) {
  TlsDistrust distrust;
  distrust.code = X509_STORE_CTX_get_error(&verification);
  auto* const certificate = X509_STORE_CTX_get_current_cert(&verification);
  if (certificate == nullptr) return distrust;
  distrust.subject = name_text(X509_get_subject_name(certificate));
  distrust.issuer = name_text(X509_get_issuer_name(certificate));
  distrust.not_before = time_text(X509_get0_notBefore(certificate));
  distrust.not_after = time_text(X509_get0_notAfter(certificate));
  distrust.names = joined(alternative_names(certificate));
  return distrust;
}

Failure failure_of(const TlsTrouble& trouble, unsigned long code) {
  const auto peer = trouble.peer.text();
  if (trouble.distrust != nullptr) {
    return Failure(CertificateError("The certificate of " + trouble.distrust->subject +
                                        ", shown by " + peer + ", " +
                                        complaint(*trouble.distrust, trouble) + ".",
                                    trouble.peer));
  }
  const int reason = ERR_GET_REASON(code);
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    return Failure(CertificateError("The client " + peer +
                                        " showed no certificate, and one is required; give it an "
                                        "identity.",
                                    trouble.peer));
  }
  if (const auto refused = refusal(reason); !refused.empty()) {
    const auto what = trouble.own_subject.empty() ? "that we show no certificate"
                                                  : "our certificate of " + trouble.own_subject;
    return Failure(CertificateError("The peer " + peer + " does not accept " + what + ": " +
                                        std::string(refused) + "; have one made that it accepts.",
                                    trouble.peer));
  }
  return Failure(TlsError(explained(trouble, code), trouble.peer));
}

}  // namespace weft::detail
