// One TCP connection on an Asio loop.
#pragma once

#ifdef WEFT_BACKEND_EPOLL

#include "epoll_tcp_transport.hpp"

#else

#include "../../framework/stream_transport.hpp"
#include "asio_loop.hpp"

#include <boost/asio/cancellation_signal.hpp>

#include <array>
#include <span>
#include <system_error>

namespace weft::detail::WEFT_BACKEND {

/// Prepares a fresh socket the way weft wants it: non-blocking, without Nagle's delay, not
/// inherited by children.
void prepare_socket(Tcp::socket& socket, ErrorCode& error);

class TcpTransport final : public StreamTransport, public TcpControl {
 public:
  TcpTransport(AsioLoop& loop, Tcp::socket socket, const Address& peer);
  ~TcpTransport() override;

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }
  [[nodiscard]] TcpControl* tcp() noexcept override { return this; }

  void set_no_delay(bool on) override;
  [[nodiscard]] bool no_delay() const override;
  void set_keep_alive(bool on) override;
  [[nodiscard]] bool keep_alive() const override;

 private:
  SendResult try_send(std::span<const BytesView> pieces) noexcept override;
  void send_later(std::span<const BytesView> pieces) override;
  void reading_changed() override;
  void send_end() noexcept override;
  void close_in_order() noexcept override;
  void close_abruptly() noexcept override;
  void loop_gone() noexcept override { close_socket(); }
  [[nodiscard]] Failure failure_from(std::error_code error) const override;

  template <class F>
  void handle(F&& body) noexcept;
  void read();
  void read_done(const ErrorCode& error, std::size_t count);
  void read_in_place(const ErrorCode& error);
  void drain();
  void go_on_reading();
  bool ended_by(const ErrorCode& error);
  void watch_for_errors();
  void stop_watching();
  void look_for_error();
  [[nodiscard]] bool output_unacknowledged();
  void discard(const ErrorCode& error);
  void close_socket() noexcept;
  void close_if_done() noexcept;
  std::shared_ptr<TcpTransport> self() {
    return std::static_pointer_cast<TcpTransport>(shared_from_this());
  }

  // One of these waits in every idle connection; what does not fit is read to the loop's large
  // buffer.
  static constexpr std::size_t small_read = 1024;

  std::shared_ptr<AsioLoop> loop_;
  Tcp::socket socket_;
  Address host_;
  Address peer_;
  DelayedCall discard_call_;
  DelayedCall watch_call_;
  net::cancellation_signal watch_signal_;
  bool reading_ = false;
  // The protocol looks at the buffer that the next read would fill.
  bool delivering_ = false;
  bool watching_ = false;
  bool send_pending_ = false;
  bool end_seen_ = false;
  bool closed_ = false;
  bool closing_socket_ = false;
  std::array<char, small_read> buffer_;
};

}  // namespace weft::detail::WEFT_BACKEND

#endif
