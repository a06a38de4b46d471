#include "../../framework/logging.hpp"
#include "lower_case.hpp"
#include "tls_certificates.hpp"
#include "tls_errors.hpp"
#include "tls_shared.hpp"
#include "tls_transport.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace weft::detail {

// ---- sessions

void TlsSessions::put(const std::string& server, SessionHandle session) {
  const std::lock_guard lock(mutex_);
  entries_.push_front({server, std::move(session)});
  if (entries_.size() > limit_) entries_.pop_back();
}

SessionHandle TlsSessions::take(const std::string& server) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.server == server; });
  if (found == entries_.end()) return nullptr;
  auto session = std::move(found->session);
  entries_.erase(found);
  return session;
}

// ---- certificates by name

void TlsKeys::add(SslContextHandle context, const std::vector<std::string>& names) {
  for (const auto& name : names)
    by_name_.emplace(name, context.get());
  contexts_.push_back(std::move(context));
}

SSL_CTX* TlsKeys::find(std::string_view name) const {
  auto found = by_name_.find(std::string(name));
  if (found == by_name_.end() && name.find('.') != std::string_view::npos) {
    // A star stands for exactly one label (RFC 6125, 6.4.3).
    found = by_name_.find("*" + std::string(name.substr(name.find('.'))));
  }
  return found != by_name_.end() ? found->second : first();
}

// ---- options

namespace {

int protocol_version(TlsVersion version) noexcept {
  return version == TlsVersion::tls_1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

std::string alpn_wire(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const auto& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) {
      throw InvalidArgument("A protocol for ALPN has 1 to 255 bytes; \"" + protocol + "\" has " +
                            std::to_string(protocol.size()) + ".");
    }
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

[[noreturn]] void refuse_setting(const char* what) {
  const auto reason = openssl_reason(ERR_get_error());
  ERR_clear_error();
  throw TlsError(std::string(what) + ": " + reason + ".");
}

// So that one who was verified for one server is not taken for verified by another.
constexpr std::string_view session_context = "weft";

}  // namespace

TlsShared::TlsShared(const TlsServerOptions& options)
    : server_(options), alpn_(alpn_wire(options.alpn)) {
  check_options();
  if (options.identities.empty()) {
    throw InvalidArgument("A TLS server needs a certificate and its key; give an identity.");
  }
  keys_ = make_keys(identities());
}

TlsShared::TlsShared(const TlsClientOptions& options)
    : client_(options), alpn_(alpn_wire(options.alpn)) {
  check_options();
  keys_ = make_keys(identities());
}

void TlsShared::check_options() const {
  if (options().min_version > options().max_version) {
    throw InvalidArgument(
        "The lowest version of TLS that is wanted is above the highest; exchange them.");
  }
  if (options().handshake_timeout <= Duration::zero()) {
    throw InvalidArgument("A TLS handshake takes time; give it more than none.");
  }
}

std::vector<TlsIdentity> TlsShared::identities() const {
  if (server_) return server_->identities;
  if (client_->identity.chain.empty()) return {};
  return {client_->identity};
}

std::shared_ptr<const TlsKeys> TlsShared::keys() const {
  const std::lock_guard lock(keys_mutex_);
  return keys_;
}

void TlsShared::reload() {
  const std::unique_lock lock(keys_mutex_);
  keys_ = make_keys(identities());
}

void TlsShared::reload(std::vector<TlsIdentity> identities) {
  if (identities.empty() || (client_ && identities.size() > 1)) {
    throw InvalidArgument("Give a server at least one identity to reload, and a client one.");
  }
  const std::unique_lock lock(keys_mutex_);
  keys_ = make_keys(identities);
  if (server_) {
    server_->identities = std::move(identities);
  } else {
    client_->identity = std::move(identities.front());
  }
}

// ---- contexts

std::shared_ptr<TlsKeys> TlsShared::make_keys(const std::vector<TlsIdentity>& identities) {
  auto made = std::make_shared<TlsKeys>(client_ ? client_->max_sessions : 0);
  if (identities.empty()) made->add(make_context(nullptr, nullptr), {});
  for (const auto& identity : identities) {
    std::vector<std::string> names;
    auto context = make_context(&identity, &names);
    made->add(std::move(context), names);
  }
  // Sessions outlive certificates. Those of clients that were verified do not: nobody verifies them
  // again when they are taken up, whatever is trusted or revoked by then.
  const bool verifies = server_ && server_->client_certificate != ClientCertificate::none;
  if (keys_ != nullptr && server_ && !verifies) {
    std::array<unsigned char, 80> tickets{};
    if (SSL_CTX_get_tlsext_ticket_keys(keys_->first(), tickets.data(), tickets.size()) == 1) {
      SSL_CTX_set_tlsext_ticket_keys(made->first(), tickets.data(), tickets.size());
    }
  }
  return made;
}

SslContextHandle TlsShared::make_context(const TlsIdentity* identity,
                                         std::vector<std::string>* names) {
  SslContextHandle context(SSL_CTX_new(TLS_method()));
  if (context == nullptr) refuse_setting("OpenSSL gives no context");
  SSL_CTX_set_app_data(context.get(), this);
  SSL_CTX_set_min_proto_version(context.get(), protocol_version(options().min_version));
  SSL_CTX_set_max_proto_version(context.get(), protocol_version(options().max_version));
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  if (identity != nullptr) {
    const auto loaded = load_identity(*identity);
    auto* const leaf = loaded.chain.front().get();
    if (SSL_CTX_use_certificate(context.get(), leaf) != 1 ||
        SSL_CTX_use_PrivateKey(context.get(), loaded.key.get()) != 1) {
      const auto reason = openssl_reason(ERR_get_error());
      ERR_clear_error();
      throw CertificateError("The certificate of " + name_text(X509_get_subject_name(leaf)) +
                             " cannot be used: " + reason + "; make a stronger one.");
    }
    for (std::size_t i = 1; i < loaded.chain.size(); ++i) {
      if (SSL_CTX_add1_chain_cert(context.get(), loaded.chain[i].get()) != 1) {
        refuse_setting("A certificate of the chain cannot be used");
      }
    }
    *names = dns_names(leaf);
  }
  set_trust(*context);
  server_ ? set_server(*context) : set_client(*context);
  set_key_log(*context);
  return context;
}

void TlsShared::set_trust(SSL_CTX& context) const {
  if (server_ && server_->client_certificate == ClientCertificate::none) return;
  if (client_ && client_->trust_anybody_insecurely) return;
  const Pem& trust = server_ ? server_->client_trust : client_->trust;
  X509_STORE* const store = SSL_CTX_get_cert_store(&context);
  if (trust.empty()) {
    if (SSL_CTX_set_default_verify_paths(&context) != 1) {
      refuse_setting("What the system trusts cannot be found");
    }
  } else {
    for (const auto& certificate : load_certificates(trust)) {
      if (X509_STORE_add_cert(store, certificate.get()) != 1) {
        refuse_setting("A certificate to trust cannot be used");
      }
      if (server_) SSL_CTX_add_client_CA(&context, certificate.get());
    }
  }
  if (options().revoked.empty()) return;
  for (const auto& list : load_revoked(options().revoked)) {
    if (X509_STORE_add_crl(store, list.get()) != 1) {
      refuse_setting("A list of revoked certificates cannot be used");
    }
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

void TlsShared::set_server(SSL_CTX& context) {
  SSL_CTX_set_options(&context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  if (!server_->session_tickets) {
    SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(&context, 0);
  }
  SSL_CTX_set_session_id_context(&context,
                                 reinterpret_cast<const unsigned char*>(session_context.data()),
                                 static_cast<unsigned int>(session_context.size()));
  int mode = SSL_VERIFY_NONE;
  if (server_->client_certificate != ClientCertificate::none) mode = SSL_VERIFY_PEER;
  if (server_->client_certificate == ClientCertificate::required) {
    mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_CTX_set_verify(&context, mode, &TlsTransport::note_verification);
  // What the macro for it does, without its old-style cast.
  SSL_CTX_callback_ctrl(&context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(&TlsShared::choose_certificate));
  SSL_CTX_set_tlsext_servername_arg(&context, this);
  if (!alpn_.empty()) {
    SSL_CTX_set_alpn_select_cb(&context, &TlsShared::choose_alpn, this);
  }
}

void TlsShared::set_client(SSL_CTX& context) const {
  const int mode = client_->trust_anybody_insecurely ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
  SSL_CTX_set_verify(&context, mode, &TlsTransport::note_verification);
  if (!alpn_.empty()) {
    SSL_CTX_set_alpn_protos(&context, reinterpret_cast<const unsigned char*>(alpn_.data()),
                            static_cast<unsigned int>(alpn_.size()));
  }
  if (!client_->resume_sessions || client_->max_sessions == 0) {
    SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
    return;
  }
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(&context, &TlsTransport::note_session);
}

TlsShared* TlsShared::of(const SSL_CTX* context) noexcept {
  return static_cast<TlsShared*>(SSL_CTX_get_app_data(context));
}

int TlsShared::choose_certificate(SSL* ssl, int*, void* self) {
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
  try {
    const auto keys = static_cast<TlsShared*>(self)->keys();
    SSL_set_SSL_CTX(ssl, keys->find(lower_case(name)));
    return SSL_TLSEXT_ERR_OK;
  } catch (...) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
}

int TlsShared::choose_alpn(SSL*, const unsigned char** chosen, unsigned char* size,
                           const unsigned char* offered, unsigned int offered_size, void* self) {
  const auto& own = static_cast<TlsShared*>(self)->alpn_;
  const auto* const ours = reinterpret_cast<const unsigned char*>(own.data());
  unsigned char* found = nullptr;
  // The first of ours that the client has as well.
  const int result = SSL_select_next_proto(
      &found, size, ours, static_cast<unsigned int>(own.size()), offered, offered_size);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

// ---- keys for debuggers

void TlsShared::set_key_log(SSL_CTX& context) const {
  if (!options().key_log && options().key_log_file.empty()) return;
  SSL_CTX_set_keylog_callback(
      &context, [](const SSL* ssl, const char* line) { of(SSL_get_SSL_CTX(ssl))->log_key(line); });
}

void TlsShared::log_key(std::string_view line) const noexcept {
  try {
    const std::lock_guard lock(key_log_mutex_);
    if (options().key_log) options().key_log(line);
    if (options().key_log_file.empty()) return;
    std::ofstream file(options().key_log_file, std::ios::app);
    file << line << '\n';
  } catch (...) {
    log_failure("tls", "The secrets of a connection could not be logged", Failure::current());
  }
}

// ---- limits

bool TlsShared::begin_handshake() noexcept {
  if (handshakes_.fetch_add(1, std::memory_order_relaxed) < options().max_handshakes) return true;
  end_handshake();
  return false;
}

void TlsShared::tell_failed(const Failure& reason, const Address& peer) const noexcept {
  try {
    log(LogLevel::info, "tls", reason.message());
    if (server_ && server_->handshake_failed) server_->handshake_failed(reason, peer);
  } catch (...) {
    log_failure("tls", "The function that is told of failed handshakes threw", Failure::current());
  }
}

}  // namespace weft::detail
