// TLS over any transport, on either side: from the beginning of a connection, or later (STARTTLS).
#pragma once

#include "../framework/deferred.hpp"
#include "../framework/error.hpp"
#include "../framework/factory.hpp"
#include "../framework/reactor.hpp"
#include "../framework/tls_info.hpp"
#include "../framework/unique_function.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

namespace detail {
class TlsShared;
}

/// TLS cannot begin on a transport: its connection is closing, half-closed or gone.
class StartTlsRefused : public TlsError {
 public:
  using TlsError::TlsError;
};
/// As many handshakes are under way as `max_handshakes` allows.
class TooManyHandshakes : public TlsError {
 public:
  using TlsError::TlsError;
};

/// Certificates, keys or revocation lists as PEM: in a file, or as text.
class Pem {
 public:
  /// None.
  Pem() {}
  /// Read when a context is made, and again by `TlsContext::reload`.
  [[nodiscard]] static Pem file(std::string path);
  [[nodiscard]] static Pem text(std::string content);

  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }
  [[nodiscard]] bool is_file() const noexcept { return is_file_; }
  /// The path, or the text.
  [[nodiscard]] const std::string& value() const noexcept { return value_; }

 private:
  std::string value_;
  bool is_file_ = false;
};

/// Who we are: a certificate with its chain, the leaf first, and its private key.
struct TlsIdentity {
  TlsIdentity() {}
  TlsIdentity(Pem certificate_chain, Pem private_key)
      : chain(std::move(certificate_chain)), key(std::move(private_key)) {}
  Pem chain;
  Pem key;
};

enum class TlsVersion : std::uint8_t { tls_1_2, tls_1_3 };
enum class ClientCertificate : std::uint8_t { none, optional, required };

/// What servers and clients have in common.
struct TlsOptions {
  TlsOptions() {}
  TlsVersion min_version = TlsVersion::tls_1_2;
  TlsVersion max_version = TlsVersion::tls_1_3;
  /// The application's protocols, best first. A server that has some refuses a client that wants
  /// others only.
  std::vector<std::string> alpn;
  /// Certificates that have been revoked. With any, each certificate of a peer's chain must have a
  /// list of its issuer.
  Pem revoked;
  /// How long a handshake may take; then it fails with HandshakeTimeout.
  Duration handshake_timeout = std::chrono::seconds(10);
  /// How many may be under way at once, over all connections of the context; one more fails with
  /// TooManyHandshakes.
  std::size_t max_handshakes = 4'096;
  /// For debugging only: the secrets of each connection, a line at a time in the format of
  /// SSLKEYLOGFILE. Whoever has them reads everything. Called from any thread.
  std::function<void(std::string_view line)> key_log;
  /// The same, appended to a file.
  std::string key_log_file;
};

/// How a server talks TLS.
struct TlsServerOptions : TlsOptions {
  TlsServerOptions() {}
  explicit TlsServerOptions(TlsIdentity identity) { identities.push_back(std::move(identity)); }
  /// At least one. A client that asks for a name (SNI) is shown the first that is made out for it;
  /// any other is shown the first.
  std::vector<TlsIdentity> identities;
  ClientCertificate client_certificate = ClientCertificate::none;
  /// Who may sign certificates of clients; what the system trusts, when empty.
  Pem client_trust;
  /// Lets clients take up their sessions again.
  bool session_tickets = true;
  /// Told of each handshake that failed: nobody else is, since no protocol was built yet.
  std::function<void(const Failure& reason, const Address& peer)> handshake_failed;
};

/// How a client talks TLS.
struct TlsClientOptions : TlsOptions {
  TlsClientOptions() {}
  /// Who may sign certificates of servers; what the system trusts, when empty.
  Pem trust;
  /// What servers are shown that ask for a certificate.
  TlsIdentity identity;
  /// Takes up earlier sessions with the same server again.
  bool resume_sessions = true;
  /// How many sessions are remembered; the oldest are forgotten.
  std::size_t max_sessions = 256;
  /// Takes any certificate from anybody, so that whoever is in between may read and change
  /// everything: for tests.
  bool trust_anybody_insecurely = false;
};

/// What all connections of a kind share: certificates, trust, sessions, limits. A cheap handle;
/// copies are handles to the same. Thread: any. Errors: CertificateError when a certificate, key or
/// list cannot be read, or the two do not belong together; InvalidArgument for options that make no
/// sense; NotSupportedOnThisPlatform in a weft that was built without TLS.
class TlsContext {
 public:
  explicit TlsContext(const TlsServerOptions& options);
  explicit TlsContext(const TlsClientOptions& options);

  /// Reads all files again, for connections that begin from now on; those that are open go on. When
  /// it throws, everything is as it was before.
  void reload();
  /// Replaces a server's identities, or a client's one. Errors: also InvalidArgument for none.
  void reload(std::vector<TlsIdentity> identities);

  [[nodiscard]] bool is_server() const noexcept;
  /// How many handshakes are under way.
  [[nodiscard]] std::size_t handshakes() const noexcept;

  /// For those who implement transports.
  [[nodiscard]] const std::shared_ptr<detail::TlsShared>& shared() const noexcept {
    return shared_;
  }

 private:
  std::shared_ptr<detail::TlsShared> shared_;
};

/// A factory for any `listen_...`, whose connections talk TLS before they talk to the protocols of
/// `factory`. Those are built when the handshake is done, so that `connection_made` finds
/// `Transport::tls`. Errors: InvalidArgument when the context is a client's.
[[nodiscard]] std::shared_ptr<Factory> tls_server(TlsContext context,
                                                  std::shared_ptr<Factory> factory);

/// Begins a connection for the factory that it is given: `Reactor::connect_tcp` and its like, with
/// everything else filled in.
using ConnectFunction =
    UniqueFunction<Deferred<std::shared_ptr<Protocol>>(std::shared_ptr<Factory>)>;

/// Talks TLS over what `connect` connects. `server_name`, a DNS name or a numeric address, is what
/// the server's certificate must be made out for. Fires with the protocol of `factory`, after
/// handshake, verification and `connection_made`; cancelling closes what was opened.
/// Errors: what `connect` fails with; CertificateError, TlsError, HandshakeTimeout; NoProtocol,
/// ConnectingCancelled, or what `connection_made` threw. InvalidArgument is thrown at once: when
/// the context is a server's, the server has no name and is to be verified, or it has one that
/// begins with a dot or contains a NUL. A dot at the end is left out.
Deferred<std::shared_ptr<Protocol>> tls_connect(Clock& clock, ConnectFunction connect,
                                                TlsContext context, std::string server_name,
                                                std::shared_ptr<Factory> factory);

/// Where to connect to with TLS over TCP.
struct TlsTarget {
  TlsTarget(std::string target_host, Port target_port)
      : host(std::move(target_host)), port(target_port) {}
  std::string host;
  Port port;
  /// What the certificate must be made out for; the host, when empty.
  std::string server_name;
};

/// TLS over TCP: `tls_connect` over `Reactor::connect_tcp`. The handshake has a time-out of its
/// own.
Deferred<std::shared_ptr<Protocol>> connect_tls(Reactor& reactor, TlsTarget target,
                                                TlsContext context,
                                                std::shared_ptr<Factory> factory,
                                                const ConnectOptions& options = {});

/// Begins TLS on an open connection, in the role that the context is made for. When it returns, the
/// protocol's `transport()` is the one that talks TLS, and what it writes waits for the handshake.
/// What was written before goes out in clear first; what was received and not delivered yet, by the
/// transport or by a receiver of lines or frames, is the beginning of the peer's TLS. Producers,
/// pauses and water marks move along. May be called in callbacks, and again for TLS in TLS. Fires
/// when the handshake is done. Errors, all by the deferred: StartTlsRefused where the connection is
/// closing or gone; otherwise as for `tls_connect`, and `connection_lost` is told the same.
/// InvalidArgument is thrown at once, also for a transport that cannot hand its protocol over.
Deferred<void> start_tls(Transport& transport, TlsContext context, std::string server_name = {});

}  // namespace weft
