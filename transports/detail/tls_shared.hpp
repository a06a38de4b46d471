// What all connections of one TlsContext share: OpenSSL's contexts, sessions, limits.
#pragma once

#include "../tls.hpp"
#include "tls_handles.hpp"

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace weft::detail {

/// Sessions that a client may take up again, by server; the oldest are forgotten.
class TlsSessions {
 public:
  explicit TlsSessions(std::size_t limit) noexcept : limit_(limit) {}
  void put(const std::string& server, SessionHandle session);
  /// The newest, which is given out once; null where there is none.
  [[nodiscard]] SessionHandle take(const std::string& server);

 private:
  struct Entry {
    std::string server;
    SessionHandle session;
  };
  std::mutex mutex_;
  // Newest first.
  std::list<Entry> entries_;
  std::size_t limit_;
};

/// One set of certificates: what `reload` replaces.
class TlsKeys {
 public:
  explicit TlsKeys(std::size_t max_sessions) noexcept : sessions_(max_sessions) {}
  /// The one for a client, or for who names no server.
  [[nodiscard]] SSL_CTX* first() const noexcept { return contexts_.front().get(); }
  /// The one whose certificate is made out for `name`, in lower case; the first when there is none.
  [[nodiscard]] SSL_CTX* find(std::string_view name) const;
  /// A certificate's own names may begin with "*.".
  void add(SslContextHandle context, const std::vector<std::string>& names);
  /// What a client has settled by these keys. Those that come after a reload, from a connection
  /// that began before it, end up here as well, where nobody looks any more.
  [[nodiscard]] TlsSessions& sessions() const noexcept { return sessions_; }

 private:
  std::vector<SslContextHandle> contexts_;
  std::unordered_map<std::string, SSL_CTX*> by_name_;
  mutable TlsSessions sessions_;
};

/// Thread: any.
class TlsShared {
 public:
  explicit TlsShared(const TlsServerOptions& options);
  explicit TlsShared(const TlsClientOptions& options);

  [[nodiscard]] bool is_server() const noexcept { return server_.has_value(); }
  [[nodiscard]] const TlsOptions& options() const noexcept {
    return server_ ? static_cast<const TlsOptions&>(*server_) : *client_;
  }
  [[nodiscard]] bool verifies_server() const noexcept {
    return client_ && !client_->trust_anybody_insecurely;
  }

  void reload();
  void reload(std::vector<TlsIdentity> identities);
  [[nodiscard]] std::shared_ptr<const TlsKeys> keys() const;

  /// Counts a handshake in; false when there are too many.
  [[nodiscard]] bool begin_handshake() noexcept;
  void end_handshake() noexcept { handshakes_.fetch_sub(1, std::memory_order_relaxed); }
  [[nodiscard]] std::size_t handshakes() const noexcept {
    return handshakes_.load(std::memory_order_relaxed);
  }

  [[nodiscard]] bool resumes() const noexcept { return client_ && client_->resume_sessions; }

  /// Nobody else hears of a handshake that failed before there was a protocol.
  void tell_failed(const Failure& reason, const Address& peer) const noexcept;

 private:
  [[nodiscard]] std::shared_ptr<TlsKeys> make_keys(const std::vector<TlsIdentity>& identities);
  [[nodiscard]] SslContextHandle make_context(const TlsIdentity* identity,
                                              std::vector<std::string>* names);
  void set_trust(SSL_CTX& context) const;
  void set_server(SSL_CTX& context);
  void set_client(SSL_CTX& context) const;
  void set_key_log(SSL_CTX& context) const;
  [[nodiscard]] std::vector<TlsIdentity> identities() const;
  void log_key(std::string_view line) const noexcept;
  void check_options() const;

  static TlsShared* of(const SSL_CTX* context) noexcept;
  static int choose_certificate(SSL* ssl, int* alert, void* self);
  static int choose_alpn(SSL* ssl, const unsigned char** chosen, unsigned char* size,
                         const unsigned char* offered, unsigned int offered_size, void* self);

  std::optional<TlsServerOptions> server_;
  std::optional<TlsClientOptions> client_;
  // As it goes over the wire.
  std::string alpn_;
  std::atomic<std::size_t> handshakes_{0};
  mutable std::mutex key_log_mutex_;
  mutable std::mutex keys_mutex_;
  std::shared_ptr<const TlsKeys> keys_;
};

}  // namespace weft::detail
