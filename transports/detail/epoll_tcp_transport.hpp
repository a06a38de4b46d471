// One TCP connection on an epoll set of ours: read when there is something, into the loop's buffer.
#pragma once

#include "../../framework/stream_transport.hpp"
#include "asio_loop.hpp"
#include "lingering.hpp"

#include <span>
#include <system_error>

namespace weft::detail::epoll {

/// Prepares a fresh socket the way weft wants it: non-blocking, without Nagle's delay, not
/// inherited by children.
void prepare_socket(Tcp::socket& socket, ErrorCode& error);

/// Asio would wait through one operation a read, try each twice, and want memory for it in every
/// idle connection; so the descriptor is taken out of Asio's care.
class TcpTransport final : public StreamTransport,
                           public TcpControl,
                           public Lingering,
                           private Polled {
 public:
  TcpTransport(AsioLoop& loop, Tcp::socket socket, const Address& peer);
  /// Owns `descriptor`, which is prepared already.
  TcpTransport(AsioLoop& loop, int descriptor, const Address& host, const Address& peer);
  ~TcpTransport() override;

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }
  [[nodiscard]] TcpControl* tcp() noexcept override { return this; }

  void set_no_delay(bool on) override;
  [[nodiscard]] bool no_delay() const override;
  void set_keep_alive(bool on) override;
  [[nodiscard]] bool keep_alive() const override;
  void linger_less(bool peer_ended) noexcept override;

 private:
  void ready(std::uint32_t events) noexcept override;

  SendResult try_send(std::span<const BytesView> pieces) noexcept override;
  void send_later(std::span<const BytesView> pieces) override;
  void reading_changed() override;
  void send_end() noexcept override;
  void close_in_order() noexcept override;
  void close_abruptly() noexcept override;
  void loop_gone() noexcept override { close_descriptor(); }
  [[nodiscard]] Failure failure_from(std::error_code error) const override;

  template <class F>
  void handle(F&& body) noexcept;
  void deal_with(std::uint32_t events);
  void read();
  void read_ended(ssize_t result);
  [[nodiscard]] std::size_t note_read(ssize_t count, std::size_t room) noexcept;
  [[nodiscard]] bool look_for_error();
  [[nodiscard]] bool reads() const noexcept { return reading_wanted() && !end_seen_; }
  [[nodiscard]] std::uint32_t wanted_events() const noexcept;
  void ask_for(std::uint32_t events);
  void leave_poller() noexcept;
  void discard() noexcept;
  [[nodiscard]] bool wait_for_peers_end() noexcept;
  [[nodiscard]] bool waits_in_socket(unsigned long which) const noexcept;
  void close_descriptor() noexcept;
  void set_option(int level, int name, int value) noexcept;
  [[nodiscard]] int option(int level, int name) const noexcept;
  std::shared_ptr<TcpTransport> self() {
    return std::static_pointer_cast<TcpTransport>(shared_from_this());
  }

  // What every message needs comes first.
  int descriptor_;
  // What the poller knows; it is told lazily that less is wanted.
  std::uint32_t asked_ = 0;
  bool polled_ = false;
  bool send_waits_ = false;
  bool end_seen_ = false;
  bool closed_ = false;
  // The last read took all that there was.
  bool drained_ = false;
  // Nothing may come any more, the peer has said so.
  bool peer_done_ = false;
  std::shared_ptr<AsioLoop> loop_;
  DelayedCall discard_call_;
  Address host_;
  Address peer_;
};

}  // namespace weft::detail::epoll
