// A byte stream over handles of Windows that are open for overlapped I/O, such as named pipes.
#pragma once

#include "../../framework/stream_transport.hpp"
#include "asio_loop.hpp"
#include "owned_handle.hpp"

#include <boost/asio/windows/stream_handle.hpp>

#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

namespace weft::detail::iocp {

using StreamHandle = net::windows::stream_handle;

/// Has the loop's completion port take the handle; none for none. Errors: InvalidArgument,
/// NotSupportedOnThisPlatform, which say what it is; it is closed then.
[[nodiscard]] StreamHandle taken_by(AsioLoop& loop, OwnedHandle handle);

class HandleTransport final : public StreamTransport {
 public:
  /// One handle for both directions. It has no way of ending one alone.
  HandleTransport(AsioLoop& loop, StreamHandle both, Address host, Address peer);
  /// One to read from, and one to write to. Either may be missing: without `input` nothing comes
  /// but the news that nobody reads any more, where the handle may be read; without `output` the
  /// caller ends our direction before the protocol is told of the connection.
  /// Errors: those of `taken_by`.
  HandleTransport(AsioLoop& loop, OwnedHandle input, OwnedHandle output);
  ~HandleTransport() override;

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }

 private:
  SendResult try_send(std::span<const BytesView> pieces) noexcept override;
  void send_later(std::span<const BytesView> pieces) override;
  void reading_changed() override;
  void send_end() noexcept override;
  void close_in_order() noexcept override;
  void close_abruptly() noexcept override;
  void loop_gone() noexcept override { close_all(); }
  [[nodiscard]] Failure failure_from(std::error_code error) const override;

  template <class F>
  void handle(F&& body) noexcept;
  [[nodiscard]] bool only_writes() const noexcept { return !input_.is_open(); }
  [[nodiscard]] StreamHandle& out() noexcept { return serves_both_ ? input_ : output_; }
  void read();
  void read_done(const ErrorCode& error, std::size_t count);
  void deliver(std::size_t count);
  void watch_output();
  void watch_done(const ErrorCode& error);
  void look_at_output();
  [[nodiscard]] net::const_buffer next_to_send(std::span<const BytesView> pieces);
  void end_both_directions() noexcept;
  void close_all() noexcept;
  std::shared_ptr<HandleTransport> self() {
    return std::static_pointer_cast<HandleTransport>(shared_from_this());
  }

  std::shared_ptr<AsioLoop> loop_;
  StreamHandle input_;
  // Not open where `input_` serves both directions.
  StreamHandle output_;
  Address host_;
  Address peer_;
  // Lent to the system while `reading_`.
  std::vector<char> buffer_;
  // Small pieces, put together for one write.
  std::string gathered_;
  DelayedCall watch_call_;
  bool serves_both_ = false;
  bool reading_ = false;
  bool end_seen_ = false;
  bool closed_ = false;
};

}  // namespace weft::detail::iocp
