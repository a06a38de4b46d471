// What every datagram transport and fake is made of: all of DatagramTransport's promises, over a
// few primitives of a carrier.
#pragma once

#include "datagram.hpp"
#include "detail/held_context.hpp"
#include "detail/waiting_line.hpp"
#include "turn.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

namespace weft {

/// The queue and its limits, the callbacks and their order, closing. A carrier derives from it,
/// implements the private primitives, and reports what happens from the loop, not from inside a
/// primitive. Lifetime: made by std::make_shared; keeps itself from `start` until `stop_protocol`
/// has returned.
class BasicDatagramTransport : public DatagramTransport,
                               public Turn::Participant,
                               public std::enable_shared_from_this<BasicDatagramTransport> {
 public:
  /// The most that `DatagramOptions::max_datagram_bytes` may be.
  static constexpr std::size_t largest_datagram = 256 * 1024 - 1;

  ~BasicDatagramTransport() override;

  /// Gives the port, which is open, its protocol and calls `start_protocol`. Errors:
  /// InvalidArgument, or what that threw: the port is closed then.
  void start(std::shared_ptr<DatagramProtocol> protocol);

  void send(BytesView data, const Address& to) final;
  void send(BytesView data) final;
  void connect(const Address& peer) final;
  void lose_connection() final { lose_connection(default_linger); }
  void lose_connection(Duration linger) final;
  void abort_connection() final;
  [[nodiscard]] Deferred<void> stopped() final;
  void pause_producing() final;
  void resume_producing() final;
  void set_write_buffer_limits(std::size_t high, std::size_t low) final;
  [[nodiscard]] std::size_t write_buffer_size() const final { return queued_; }
  [[nodiscard]] DatagramCounters counters() const final { return counters_; }
  [[nodiscard]] Address host() const final { return host_; }
  [[nodiscard]] Address peer() const final { return peer_; }
  [[nodiscard]] bool open() const final { return state_ == State::open; }
  [[nodiscard]] Clock& clock() const final { return clock_; }

 protected:
  /// What the system makes of one datagram.
  enum class Sent : std::uint8_t {
    taken,
    blocked,          // it takes none for now; `send_later` tells when to try again
    address_blocked,  // it takes none for this address
    failed,           // it will not take this one
  };

  /// Errors: InvalidArgument for options that make no sense.
  BasicDatagramTransport(Clock& clock, const DatagramOptions& options);

  void set_host(Address host) { host_ = std::move(host); }

  /// The carrier takes datagrams again.
  void sendable();
  /// One datagram, whole or cut to `max_datagram_bytes`.
  void received(BytesView data, const Address& sender);
  void truncated(BytesView beginning, const Address& sender);
  /// The system says that nobody is there. May be called from inside a primitive.
  void refused() noexcept;
  /// Whether the carrier shall receive: asked before each datagram; changes are told by
  /// `receiving_changed`.
  [[nodiscard]] bool receiving_wanted() const noexcept { return open() && pauses_ == 0; }
  [[nodiscard]] std::size_t max_datagram_bytes() const noexcept {
    return options_.max_datagram_bytes;
  }
  [[nodiscard]] const DatagramOptions& options() const noexcept { return options_; }
  /// Throws MessageTooLong: also for a carrier whose system finds out only when it tries.
  [[noreturn]] static void refuse_length(std::size_t size, const Address& to);

 private:
  enum class State : std::uint8_t { open, flushing, closed };
  struct Waiting {
    std::string data;
    Address to;
    [[nodiscard]] std::size_t cost() const noexcept { return data.size() + cost_in_queue; }
  };

  /// Sends one at once and without blocking; `to` is none for a connected port. Errors:
  /// MessageTooLong, InvalidArgument.
  virtual Sent try_send(BytesView data, const Address& to) = 0;
  /// Waits until it may send again, and calls `sendable`.
  virtual void send_later() = 0;
  /// Errors: as for `send`, of an address that cannot be sent to from here.
  virtual void check_destination(const Address& to) const = 0;
  /// The most that a datagram there may have.
  [[nodiscard]] virtual std::size_t max_bytes_to(const Address& to) const = 0;
  /// Connects; gives the address as the system has it. Errors: as `connect`.
  virtual Address connect_to(const Address& peer) = 0;
  /// `receiving_wanted()` may have become true; called once at the beginning.
  virtual void receiving_changed() = 0;
  /// Closes for good, and calls nothing any more.
  virtual void close() noexcept = 0;

  void flush() noexcept override { check_marks(); }
  void wake() noexcept override;
  void loop_ended() noexcept override;

  template <class F>
  void call_user(std::string_view what, F&& callback) noexcept;
  void check_thread() const;
  [[nodiscard]] bool wanted_from(const Address& sender) const noexcept;
  void send_or_queue(BytesView data, const Address& to);
  void enqueue(BytesView data, const Address& to);
  [[nodiscard]] bool make_room(std::size_t cost);
  void ask_to_send_later();
  void send_queued();
  [[nodiscard]] Sent try_queued(const Waiting& waiting);
  void queue_changed() noexcept;
  void check_marks() noexcept;
  void close_now() noexcept;
  void deliver_stop() noexcept;

  Clock& clock_;
  // All callbacks run in it; that of whoever opened the port, to begin with.
  detail::HeldContext context_;
  DatagramOptions options_;
  std::shared_ptr<DatagramProtocol> protocol_;
  // Nobody else need keep it while it is open.
  std::shared_ptr<BasicDatagramTransport> self_;
  Address host_;
  Address peer_;
  std::deque<Waiting> queue_;
  std::size_t queued_ = 0;
  std::size_t high_water_ = default_high_water;
  std::size_t low_water_ = default_low_water;
  DatagramCounters counters_;
  DelayedCall linger_call_;
  detail::WaitingLine<void> waiting_for_stop_;
  State state_ = State::open;
  std::uint32_t pauses_ = 0;
  bool sends_later_ = false;
  bool writing_paused_ = false;
  bool refused_ = false;
};

}  // namespace weft
