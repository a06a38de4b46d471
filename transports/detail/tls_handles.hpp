// OpenSSL's objects, owned.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

namespace weft::detail {

template <auto release>
struct TlsRelease {
  template <class T>
  void operator()(T* object) const noexcept {
    release(object);
  }
};

using SslHandle = std::unique_ptr<SSL, TlsRelease<&SSL_free>>;
using SslContextHandle = std::unique_ptr<SSL_CTX, TlsRelease<&SSL_CTX_free>>;
using SessionHandle = std::unique_ptr<SSL_SESSION, TlsRelease<&SSL_SESSION_free>>;
using CertificateHandle = std::unique_ptr<X509, TlsRelease<&X509_free>>;
using RevocationHandle = std::unique_ptr<X509_CRL, TlsRelease<&X509_CRL_free>>;
using StoreHandle = std::unique_ptr<X509_STORE, TlsRelease<&X509_STORE_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, TlsRelease<&EVP_PKEY_free>>;
using BioHandle = std::unique_ptr<BIO, TlsRelease<&BIO_free_all>>;

}  // namespace weft::detail
