// What every stream transport and every fake is made of: all of Transport's promises, over a few
// primitives of a carrier.
#pragma once

#include "detail/held_context.hpp"
#include "detail/output_queue.hpp"
#include "factory.hpp"
#include "stream_table.hpp"
#include "transport.hpp"
#include "transport_upgrade.hpp"
#include "turn.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace weft {

class StreamTransport;

/// Who made a transport and wants to know when its connection is over.
class StreamOwner {
 public:
  virtual ~StreamOwner();
  /// `connection_lost` has returned; the transport is about to let go of its protocol.
  virtual void connection_closed(StreamTransport& transport) noexcept = 0;
};

/// A byte stream by the table in stream_table.hpp. A carrier derives from it, implements the
/// private primitives, and reports what happens with `received`, `ended`, `sent` and `broken`, from
/// the loop and never from inside a primitive. Lifetime: made by std::make_shared. A carrier with
/// an operation under way keeps it alive; so does its protocol until `connection_lost`.
class StreamTransport : public Transport,
                        public TransportUpgrade,
                        public Turn::Participant,
                        public std::enable_shared_from_this<StreamTransport> {
 public:
  static constexpr std::size_t default_high_water = 64 * 1024;
  static constexpr std::size_t default_low_water = 16 * 1024;
  /// A write of so many bytes, before which nothing waits, is sent at once: keeping it for the end
  /// of the turn would cost more, by the copy, than the system call that is spared.
  static constexpr std::size_t large_write = 32 * 1024;
  /// Long enough for a slow reader to take what is in flight, short enough that a dead one is not
  /// kept for ever.
  static constexpr Duration default_linger = std::chrono::seconds(30);

  ~StreamTransport() override;

  /// Has the connection run in `context`, in place of the one that it was made in; for one without
  /// a protocol. One over another transport shares that one's.
  void begin_context(detail::HeldContext context) noexcept;
  /// Gives the connection its protocol and calls `connection_made`. Returns what that threw: the
  /// connection is then being aborted. `owner` may be null.
  std::optional<Failure> establish(std::shared_ptr<Protocol> protocol,
                                   std::shared_ptr<StreamOwner> owner = nullptr);
  /// Takes over a protocol that has been connected by another transport, with all that moves along.
  void adopt(StreamUse use);

  void write(BytesView data) override;
  void write(Bytes data) override;
  void write_sequence(std::span<const BytesView> pieces) override;
  void lose_connection() override;
  void lose_connection(Duration linger) override;
  void abort_connection() override;
  void abort_connection(Failure reason) override;
  void lose_write_connection() override;
  void pause_producing() override;
  void resume_producing() override;
  void register_producer(std::shared_ptr<Producer> producer, Streaming streaming) override;
  void unregister_producer() override;
  void set_write_buffer_limits(std::size_t high, std::size_t low) override;
  [[nodiscard]] std::size_t write_buffer_size() const override;
  [[nodiscard]] bool connected() const override;
  [[nodiscard]] bool closing() const override;
  [[nodiscard]] Clock& clock() const override { return clock_; }
  [[nodiscard]] std::optional<StreamUse> give_up_use() override;
  std::shared_ptr<Protocol> exchange_protocol(std::shared_ptr<Protocol> protocol) override;
  [[nodiscard]] detail::HeldContext* context() noexcept override { return &context_; }

  [[nodiscard]] PendingWork describe() const override;
  [[nodiscard]] const char* subject_type() const noexcept override;
  [[nodiscard]] StreamState state() const noexcept { return state_; }
  /// The protocol, until its `connection_lost` has returned.
  [[nodiscard]] const std::shared_ptr<Protocol>& protocol() const noexcept { return protocol_; }

 protected:
  explicit StreamTransport(Clock& clock) noexcept;
  /// Another stream carries this one, and is the one that counts.
  void set_carried_by_another() noexcept { counts_ = false; }

  /// For one that shares its carrier's context: has none of its own.
  void drop_context() noexcept { context_ = detail::HeldContext(); }
  /// The carrier is about to let go of it: keeps the current one, until its protocol has been told.
  void keep_context() noexcept {
    if (protocol_ != nullptr) context_ = detail::HeldContext::current();
  }

  /// What became of an attempt to send.
  struct SendResult {
    std::size_t taken = 0;
    /// The carrier takes no more for now.
    bool blocked = false;
    /// The carrier is broken; `taken` is zero.
    std::error_code error = {};
  };

  /// The next bytes of the peer; not empty.
  void received(BytesView data);
  /// The peer will send no more.
  void ended();
  /// `count` bytes of what `send_later` was given have gone out; the carrier takes more again.
  void sent(std::size_t count);
  /// The carrier is broken.
  void broken(Failure reason);
  /// The goodbye that `begin_goodbye` began is done.
  void goodbye_done();
  /// Whether the carrier shall read: asked before each read; changes are told by
  /// `reading_changed`.
  [[nodiscard]] bool reading_wanted() const noexcept;
  /// Whether the protocol lends its buffer, and reading into it is wanted.
  [[nodiscard]] bool lends_buffer() const noexcept;
  /// Where to read to; empty when the protocol is at fault, whose connection is then aborted.
  [[nodiscard]] std::span<std::byte> borrow(std::size_t size_hint);
  /// `count` bytes were read to what `borrow` gave.
  void received_in_place(std::size_t count);

 private:
  /// Sends what it can of `pieces`, at once and without blocking.
  virtual SendResult try_send(std::span<const BytesView> pieces) noexcept = 0;
  /// Waits until it can send, may send some of `pieces`, and calls `sent` or `broken`. The bytes
  /// stay where they are until then, also when the connection is aborted meanwhile.
  virtual void send_later(std::span<const BytesView> pieces) = 0;
  /// `reading_wanted()` may have become true; called once at the beginning whether or not it is.
  virtual void reading_changed() = 0;
  /// Ends our direction; everything written has gone out.
  virtual void send_end() noexcept = 0;
  /// Closes for good and calls nothing any more. In order: what was sent must still reach the peer.
  virtual void close_in_order() noexcept = 0;
  /// Closes for good and calls nothing any more. The peer should see a reset.
  virtual void close_abruptly() noexcept = 0;
  /// The loop has ended, and calls nothing any more: closes what an orderly close left open.
  virtual void loop_gone() noexcept {}
  /// Begins a goodbye that ends with `goodbye_done`; false when the carrier has none.
  virtual bool begin_goodbye() noexcept { return false; }
  /// How the other end is called in logs.
  [[nodiscard]] virtual Failure failure_from(std::error_code error) const = 0;

  void flush() noexcept override;
  void wake() noexcept override;
  void loop_ended() noexcept override;

  template <class F>
  void call_user(F&& callback);
  const StreamCell& take(StreamEvent event) noexcept {
    const StreamCell& cell = stream_cell(state_, event);
    state_ = cell.next;
    return cell;
  }
  [[nodiscard]] bool ended_for_good() const noexcept {
    return state_ == StreamState::aborted || state_ == StreamState::closed;
  }
  bool writable_now() noexcept;
  void check_thread() const;
  void output_changed() noexcept;
  void lose(StreamEvent event, Duration linger);
  [[nodiscard]] BytesView send_at_once(BytesView data) noexcept;
  void send_rest_later();
  /// True when some went out.
  bool send_queued();
  void check_marks();
  void check_drained(bool progress);
  void arm_linger();
  void linger_over();
  void finish();
  void end(Failure reason, bool abruptly) noexcept;
  void deliver(BytesView data);
  void deliver_held();
  void deliver_end(StreamAction action);
  void deliver_loss();
  void resume_pull_producer();
  void callback_threw(const Failure& failure) noexcept;
  void count_connection() noexcept;
  void count_sent(std::size_t bytes) noexcept {
    if (counts_ && turn() != nullptr) turn()->counts().bytes_sent += bytes;
  }
  void log_thrown(std::string_view what, const Failure& failure) const noexcept;

  // What every message needs comes first.
  StreamState state_ = StreamState::open;
  Streaming streaming_ = Streaming::push;
  bool sending_ = false;
  bool writing_paused_ = false;
  bool producer_paused_ = false;
  bool end_sent_ = false;
  bool end_held_ = false;
  bool pull_due_ = false;
  // A large write has gone out since the last flush.
  bool sent_early_ = false;
  bool loss_told_ = false;
  bool counts_ = true;
  std::uint32_t pauses_ = 0;
  detail::HeldContext context_;
  detail::OutputQueue output_;
  std::shared_ptr<Protocol> protocol_;
  std::shared_ptr<Producer> producer_;
  std::size_t high_water_ = default_high_water;
  std::size_t low_water_ = default_low_water;
  BufferedProtocol* buffered_ = nullptr;
  std::string held_input_;
  Clock& clock_;
  std::shared_ptr<StreamOwner> owner_;
  std::optional<Failure> loss_;
  Duration linger_ = default_linger;
  DelayedCall linger_call_;
};

}  // namespace weft
