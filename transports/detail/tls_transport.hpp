// A byte stream that talks TLS over another transport.
#pragma once

#include "../../framework/stream_transport.hpp"
#include "../../framework/tls_info.hpp"
#include "../../framework/unique_function.hpp"
#include "lingering.hpp"
#include "tls_errors.hpp"
#include "tls_shared.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace weft::detail {

/// OpenSSL reads what the carrier has received where it lies, and writes to a scratch buffer that
/// is handed to the carrier at once: an idle connection keeps neither. Its protocol may come when
/// the handshake is done (`establish`) or have been there before (`adopt`).
class TlsTransport final : public StreamTransport, public Lingering {
 public:
  /// Told once how the handshake ended; null when it is done.
  using HandshakeEnded = UniqueFunction<void(TlsTransport&, const Failure*)>;

  TlsTransport(Transport& carrier, std::shared_ptr<TlsShared> shared, std::string server_name);
  ~TlsTransport() override;

  /// `lower` is the carrier's protocol, which keeps the carrier: what `tcp` and its like gave is
  /// used as long as this is there. The two hold each other until the connection is lost.
  void keep_carrier(std::shared_ptr<Protocol> lower) noexcept { lower_ = std::move(lower); }
  /// Begins the handshake.
  void begin(HandshakeEnded ended);
  /// What `protocol` has received and not delivered is the beginning of the peer's TLS: it is asked
  /// for once its callbacks have returned.
  void begin_behind(std::shared_ptr<Protocol> protocol);
  [[nodiscard]] bool secured() const noexcept { return phase_ == Phase::secured; }

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }
  [[nodiscard]] TcpControl* tcp() noexcept override { return carrier_.tcp(); }
  [[nodiscard]] UnixControl* unix_socket() noexcept override { return carrier_.unix_socket(); }
  [[nodiscard]] const TlsInfo* tls() const noexcept override;
  [[nodiscard]] const ProxyHeader* proxied() const noexcept override { return carrier_.proxied(); }
  [[nodiscard]] HeldContext* context() noexcept override;
  // It has a goodbye of its own to say, but not to wait for.
  void linger_less(bool) noexcept override { waits_for_peer_ = false; }

  // ---- what the carrier tells

  void carrier_received(BytesView data);
  void carrier_ended();
  void carrier_full(bool full);
  void carrier_lost(const Failure& reason);

  // ---- what OpenSSL asks

  static int note_verification(int good, X509_STORE_CTX* verification);
  static int note_session(SSL* ssl, SSL_SESSION* session);

 private:
  enum class Phase : std::uint8_t { idle, shaking_hands, secured, failed };
  enum class Step : std::uint8_t { done, wants_input, peer_ended, failed };
  class Bio;

  // ---- OpenSSL
  void make_ssl();
  template <class F>
  Step run(F&& operation);
  void flush_ciphertext();
  [[nodiscard]] Failure failure() const;
  [[nodiscard]] std::string session_name() const;

  // ---- the handshake
  void shake_hands();
  void handshake_done();
  void handshake_over() noexcept;
  void tell_handshake(const Failure* failure);
  void fail(const Failure& reason);

  // ---- receiving
  void reading_changed() override;
  [[nodiscard]] bool wants_input() const noexcept;
  [[nodiscard]] bool answers_pile_up() const noexcept;
  [[nodiscard]] bool holds_input() const noexcept;
  void hold_carrier(bool hold);
  void take_undelivered();
  void process_later();
  void process_input();
  void keep_rest();
  void read_records();
  [[nodiscard]] Step read_in_place();
  [[nodiscard]] Step read_to_scratch();
  void peer_ended();

  // ---- sending
  SendResult try_send(std::span<const BytesView> pieces) noexcept override;
  SendResult encrypt(std::span<const BytesView> pieces);
  [[nodiscard]] std::size_t encrypt_batch(std::span<const BytesView> pieces, std::size_t skip);
  void send_later(std::span<const BytesView> pieces) override;
  void send_now();
  void say_goodbye() noexcept;

  // ---- closing
  void send_end() noexcept override;
  bool begin_goodbye() noexcept override;
  void close_in_order() noexcept override;
  void close_abruptly() noexcept override;
  [[nodiscard]] Failure failure_from(std::error_code error) const override;
  void lose_carrier();
  void stop_calls() noexcept;

  // Kept by `lower_`.
  Transport& carrier_;
  SslHandle ssl_;
  BytesView input_;
  Phase phase_ = Phase::idle;
  bool carrier_gone_ = false;
  bool carrier_full_ = false;
  bool holds_carrier_ = false;
  bool send_waits_ = false;
  bool in_input_ = false;
  bool peer_ended_ = false;
  bool said_goodbye_ = false;
  // Half-closed before the handshake was done.
  bool end_waits_ = false;
  // Whether a close is done only when the peer has said goodbye too.
  bool waits_for_peer_ = true;
  // The peer shall see our alert before the end.
  bool closes_politely_ = false;
  std::uint32_t ciphertext_size_ = 0;
  std::unique_ptr<char[]> ciphertext_;
  unsigned long error_ = 0;
  // Received, and not for OpenSSL yet, since the protocol is paused.
  std::string held_;
  std::shared_ptr<TlsShared> shared_;
  // Those that it began with.
  std::shared_ptr<const TlsKeys> keys_;
  DelayedCall timeout_;
  DelayedCall process_call_;
  DelayedCall send_call_;
  std::shared_ptr<Protocol> behind_;
  std::shared_ptr<Protocol> lower_;
  std::unique_ptr<TlsDistrust> distrust_;
  mutable std::unique_ptr<TlsInfo> info_;
  std::string server_name_;
  HandshakeEnded ended_;
  Address host_;
  Address peer_;
};

}  // namespace weft::detail
