// A transport that keeps what is written to it, for tests of protocols without any loop.
#pragma once

#include "../framework/factory.hpp"
#include "../framework/stream_transport.hpp"
#include "manual_clock.hpp"

#include <memory>
#include <string>
#include <vector>

namespace weft::testing {

/// Behaves like every stream transport, since it is one: it goes by the same table. What the peer
/// would do is done by the test. By default it has a clock of its own, and comes to rest after each
/// thing that the test does.
class StringTransport : public StreamTransport {
 public:
  StringTransport();
  /// On a clock that somebody else settles, a reactor's or the test's.
  explicit StringTransport(Clock& clock);
  ~StringTransport() override;

  // ---- what was written

  /// Everything written so far.
  [[nodiscard]] std::string value();
  /// What each flush sent: the writes of one turn are one piece.
  [[nodiscard]] const std::vector<std::string>& flushes() const noexcept { return flushes_; }
  /// Forgets what was written.
  void clear();

  // ---- what the peer does

  /// The peer sends `data`; it arrives in one turn.
  void deliver(BytesView data);
  /// The peer ends its direction.
  void deliver_end();
  /// The connection breaks.
  void break_with(Failure reason);
  /// While blocked, the peer takes nothing, and what is written waits.
  void set_blocked(bool on);
  /// The peer takes `count` bytes of what waits.
  void take(std::size_t count);

  // ---- what became of it

  /// lose_connection was called, or more.
  [[nodiscard]] bool disconnecting() const { return closing(); }
  /// It was closed abruptly: the peer sees a reset.
  [[nodiscard]] bool aborted() const noexcept { return aborted_; }
  /// Our direction was ended, and the peer sees that.
  [[nodiscard]] bool ended_writing() const noexcept { return end_sent_; }

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }
  void set_host(Address host) { host_ = std::move(host); }
  void set_peer(Address peer) { peer_ = std::move(peer); }
  /// Its own clock. Errors: std::logic_error when it was given one.
  [[nodiscard]] ManualClock& manual_clock();
  /// Lets everything come to rest.
  void settle();

 private:
  StringTransport(std::unique_ptr<ManualClock> own, Clock* given);

  SendResult try_send(std::span<const BytesView> pieces) noexcept override;
  void send_later(std::span<const BytesView> pieces) override;
  void reading_changed() override {}
  void send_end() noexcept override { end_sent_ = true; }
  void close_in_order() noexcept override {}
  void close_abruptly() noexcept override { aborted_ = true; }
  [[nodiscard]] Failure failure_from(std::error_code error) const override;

  std::unique_ptr<ManualClock> own_clock_;
  Address host_;
  Address peer_;
  std::vector<std::string> flushes_;
  std::string waiting_;
  bool blocked_ = false;
  bool sends_later_ = false;
  bool end_sent_ = false;
  bool aborted_ = false;
};

/// Connects `protocol` to a StringTransport, which is given back. Dropping that aborts the
/// connection.
std::shared_ptr<StringTransport> connect(std::shared_ptr<Protocol> protocol);
/// Has `factory` build a protocol and connects it. Errors: std::logic_error when the factory
/// refuses.
std::shared_ptr<StringTransport> connect(Factory& factory);

}  // namespace weft::testing
