// Two ends of a connection in memory, which a pump moves bytes between.
#pragma once

#include "../framework/stream_transport.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace weft::testing {

/// One end. What it sends lies in its peer's inbox until somebody calls the peer's `deliver`.
class MemoryTransport : public StreamTransport, public TcpControl {
 public:
  /// What an inbox takes before its sender has to wait, like a socket's buffer.
  static constexpr std::size_t default_capacity = 256 * 1024;

  /// Two ends joined, on the same clock.
  static std::pair<std::shared_ptr<MemoryTransport>, std::shared_ptr<MemoryTransport>> make_pair(
      Clock& clock, std::size_t capacity = default_capacity);
  /// The same with addresses of one's own.
  static std::pair<std::shared_ptr<MemoryTransport>, std::shared_ptr<MemoryTransport>> make_pair(
      Clock& clock, const Address& left, const Address& right, std::size_t capacity);
  MemoryTransport(Clock& clock, Address host, Address peer, std::size_t capacity);

  /// Gives the protocol at most `max_bytes` of what lies in the inbox, or what else has come: the
  /// peer's end, its reset. False when there was nothing to do.
  bool deliver(std::size_t max_bytes);
  [[nodiscard]] std::size_t inbox_size() const noexcept { return inbox_.size() - taken_; }

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }

  /// What it is told is kept, and changes nothing.
  [[nodiscard]] TcpControl* tcp() noexcept override { return this; }
  void set_no_delay(bool on) override { no_delay_ = on; }
  [[nodiscard]] bool no_delay() const override { return no_delay_; }
  void set_keep_alive(bool on) override { keep_alive_ = on; }
  [[nodiscard]] bool keep_alive() const override { return keep_alive_; }

 private:
  SendResult try_send(std::span<const BytesView> pieces) noexcept override;
  void send_later(std::span<const BytesView> pieces) override;
  void reading_changed() override {}
  void send_end() noexcept override;
  void close_in_order() noexcept override;
  void close_abruptly() noexcept override;
  [[nodiscard]] Failure failure_from(std::error_code error) const override;

  bool room_came();
  void forget_taken();
  std::string take(std::size_t max_bytes);

  Address host_;
  Address peer_;
  std::weak_ptr<MemoryTransport> other_;
  std::string inbox_;
  // How much of the inbox's beginning has been delivered.
  std::size_t taken_ = 0;
  std::size_t capacity_;
  bool end_coming_ = false;
  bool end_told_ = false;
  bool reset_coming_ = false;
  bool gone_ = false;
  bool waiting_for_room_ = false;
  bool no_delay_ = true;
  bool keep_alive_ = false;
};

}  // namespace weft::testing
