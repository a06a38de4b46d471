#include "throttle.hpp"

#include "../framework/error.hpp"
#include "../framework/protocol_wrapper.hpp"
#include "../framework/stream_transport.hpp"

#include <algorithm>
#include <deque>
#include <utility>

namespace weft {

namespace {

constexpr Duration burst = std::chrono::milliseconds(100);

// Tokens are bytes. They come with time, up to a burst of them, and may be overdrawn.
class TokenBucket {
 public:
  explicit TokenBucket(std::uint64_t rate) noexcept
      : rate_(static_cast<double>(rate)),
        capacity_(std::max(1.0, rate_ * seconds(burst))),
        tokens_(capacity_) {}

  [[nodiscard]] std::size_t available(TimePoint now) noexcept {
    if (rate_ == 0) return SIZE_MAX;
    fill(now);
    return tokens_ >= 1 ? static_cast<std::size_t>(tokens_) : 0;
  }
  void spend(std::size_t bytes, TimePoint now) noexcept {
    if (rate_ == 0) return;
    fill(now);
    tokens_ -= static_cast<double>(bytes);
  }
  // Until a tenth of a burst has come, so that little is not sent often.
  [[nodiscard]] Duration until_available(TimePoint now) noexcept {
    if (rate_ == 0) return Duration::zero();
    fill(now);
    const double missing = std::max(1.0, capacity_ / 10) - tokens_;
    if (missing <= 0) return Duration::zero();
    return std::chrono::ceil<Duration>(std::chrono::duration<double>(missing / rate_));
  }

 private:
  static double seconds(Duration time) noexcept {
    return std::chrono::duration<double>(time).count();
  }
  void fill(TimePoint now) noexcept {
    if (now > filled_) tokens_ = std::min(capacity_, tokens_ + rate_ * seconds(now - filled_));
    filled_ = now;
  }

  double rate_;
  double capacity_;
  double tokens_;
  TimePoint filled_{};
};

struct Buckets {
  explicit Buckets(Bandwidth bandwidth) noexcept
      : reading(bandwidth.read), writing(bandwidth.write) {}
  TokenBucket reading;
  TokenBucket writing;
};

class ThrottledTransport;

// What the connections of one factory share. Those that wait to write do so in a line, so that none
// of them takes all.
struct SharedBuckets : Buckets {
  using Buckets::Buckets;
  std::deque<ThrottledTransport*> line;
};

// A byte stream whose carrier is another transport, which it is slower than.
class ThrottledTransport final : public StreamTransport {
 public:
  ThrottledTransport(Transport& carrier, const Bandwidth& own,
                     std::shared_ptr<SharedBuckets> shared)
      : StreamTransport(carrier.clock()),
        carrier_(carrier),
        host_(carrier.host()),
        peer_(carrier.peer()),
        own_(own),
        shared_(std::move(shared)) {
    if (carrier.context() != nullptr) drop_context();
  }

  ~ThrottledTransport() override { leave_line(); }

  [[nodiscard]] Address host() const override { return host_; }
  [[nodiscard]] Address peer() const override { return peer_; }
  [[nodiscard]] TcpControl* tcp() noexcept override {
    return carrier_gone_ ? nullptr : carrier_.tcp();
  }

  [[nodiscard]] const TlsInfo* tls() const noexcept override {
    return carrier_gone_ ? nullptr : carrier_.tls();
  }
  [[nodiscard]] UnixControl* unix_socket() noexcept override {
    return carrier_gone_ ? nullptr : carrier_.unix_socket();
  }
  [[nodiscard]] const ProxyHeader* proxied() const noexcept override {
    return carrier_gone_ ? nullptr : carrier_.proxied();
  }
  [[nodiscard]] detail::HeldContext* context() noexcept override {
    auto* const shared = carrier_gone_ ? nullptr : carrier_.context();
    return shared != nullptr ? shared : StreamTransport::context();
  }

  // ---- what the carrier tells

  void carrier_received(BytesView data) {
    const auto now = clock().now();
    own_.reading.spend(data.size(), now);
    shared_->reading.spend(data.size(), now);
    received(data);
    regulate_reading();
  }
  void carrier_ended() { ended(); }
  void carrier_full(bool full) {
    carrier_full_ = full;
    full ? leave_line() : send_now();
  }
  void carrier_lost(const Failure& reason) {
    keep_context();
    carrier_gone_ = true;
    cancel_calls();
    state() == StreamState::closing_tls ? goodbye_done() : broken(reason);
  }

 private:
  // ---- reading

  void reading_changed() override { regulate_reading(); }
  void regulate_reading() {
    if (carrier_gone_) return;
    const auto now = clock().now();
    const auto wait =
        std::max(own_.reading.until_available(now), shared_->reading.until_available(now));
    const bool in_debt = own_.reading.available(now) == 0 || shared_->reading.available(now) == 0;
    hold_carrier(in_debt || !reading_wanted());
    if (!in_debt || read_call_.active()) return;
    read_call_ = clock().call_later(wait, [weak = weak_from_this()] {
      if (const auto self = locked(weak)) self->regulate_reading();
    });
  }
  void hold_carrier(bool hold) {
    if (std::exchange(holds_carrier_, hold) == hold) return;
    hold ? carrier_.pause_producing() : carrier_.resume_producing();
  }

  // ---- sending

  SendResult try_send(std::span<const BytesView> pieces) noexcept override {
    const auto now = clock().now();
    const auto allowed = std::min(own_.writing.available(now), shared_->writing.available(now));
    const bool others_first = !shared_->line.empty() && shared_->line.front() != this;
    if (allowed == 0 || others_first || carrier_full_ || carrier_gone_) return {0, true, {}};
    SendResult result;
    try {
      for (const auto piece : pieces) {
        const auto part = piece.first(allowed - result.taken);
        carrier_.write(part);
        result.taken += part.size();
        if (part.size() < piece.size() || result.taken == allowed) {
          result.blocked = true;
          break;
        }
      }
    } catch (const std::bad_alloc&) {
      if (result.taken == 0) return {0, false, std::make_error_code(std::errc::not_enough_memory)};
    }
    own_.writing.spend(result.taken, now);
    shared_->writing.spend(result.taken, now);
    leave_line();
    return result;
  }
  void send_later(std::span<const BytesView>) override {
    send_waits_ = true;
    if (carrier_full_ || carrier_gone_) return;
    const auto now = clock().now();
    if (own_.writing.available(now) == 0) {
      // Nobody shall wait behind one who could not go anyway.
      leave_line();
      arm_write_call(own_.writing.until_available(now));
      return;
    }
    auto& line = shared_->line;
    if (std::find(line.begin(), line.end(), this) == line.end()) line.push_back(this);
    if (line.front() == this) arm_write_call(shared_->writing.until_available(now));
  }
  // The first of the line waits for the tokens, and calls the next when it has used them.
  void leave_line() noexcept {
    auto& line = shared_->line;
    const bool was_first = !line.empty() && line.front() == this;
    std::erase(line, this);
    if (!was_first || line.empty()) return;
    const auto wait = shared_->writing.until_available(clock().now());
    line.front()->arm_write_call(wait);
  }
  void arm_write_call(Duration wait) noexcept {
    if (write_call_.active()) return;
    try {
      write_call_ = clock().call_later(wait, [weak = weak_from_this()] {
        if (const auto self = locked(weak)) self->send_now();
      });
    } catch (...) {
      broken(Failure::current());
    }
  }
  void send_now() {
    if (std::exchange(send_waits_, false)) sent(0);
  }

  // ---- closing

  void send_end() noexcept override {
    if (!carrier_gone_) carrier_.lose_write_connection();
  }
  bool begin_goodbye() noexcept override {
    if (carrier_gone_) return false;
    hold_carrier(false);
    carrier_.lose_connection();
    return true;
  }
  void close_in_order() noexcept override {
    cancel_calls();
    if (!carrier_gone_) carrier_.lose_connection();
  }
  void close_abruptly() noexcept override {
    cancel_calls();
    if (!carrier_gone_) carrier_.abort_connection();
    if (std::exchange(send_waits_, false)) sent(0);
  }
  [[nodiscard]] Failure failure_from(std::error_code error) const override {
    return Failure(ConnectionLost(
        "The connection with " + peer_.text() + " broke: " + error.message() + ".", peer_, error));
  }

  void cancel_calls() noexcept {
    leave_line();
    read_call_.cancel_if_active();
    write_call_.cancel_if_active();
  }
  static std::shared_ptr<ThrottledTransport> locked(const std::weak_ptr<StreamTransport>& weak) {
    return std::static_pointer_cast<ThrottledTransport>(weak.lock());
  }

  // Lives until it has told that it is lost.
  Transport& carrier_;
  Address host_;
  Address peer_;
  Buckets own_;
  std::shared_ptr<SharedBuckets> shared_;
  DelayedCall read_call_;
  DelayedCall write_call_;
  bool carrier_gone_ = false;
  bool carrier_full_ = false;
  bool holds_carrier_ = false;
  bool send_waits_ = false;
};

// What the carrier talks to.
class Throttled final : public Protocol {
 public:
  Throttled(std::shared_ptr<Protocol> protocol, const Bandwidth& own,
            std::shared_ptr<SharedBuckets> shared)
      : protocol_(std::move(protocol)), own_(own), shared_(std::move(shared)) {}

  void connection_made() override {
    slow_ = std::make_shared<ThrottledTransport>(transport(), own_, shared_);
    if (const auto thrown = slow_->establish(std::exchange(protocol_, nullptr))) thrown->raise();
  }
  void data_received(BytesView data) override { slow_->carrier_received(data); }
  void eof_received() override { slow_->carrier_ended(); }
  void pause_writing() override { slow_->carrier_full(true); }
  void resume_writing() override { slow_->carrier_full(false); }
  void connection_lost(const Failure& reason) override { slow_->carrier_lost(reason); }
  [[nodiscard]] Transport* carried() noexcept override {
    auto* const further = slow_->protocol() != nullptr ? slow_->protocol()->carried() : nullptr;
    return further != nullptr ? further : slow_.get();
  }

 private:
  std::shared_ptr<Protocol> protocol_;
  Bandwidth own_;
  std::shared_ptr<SharedBuckets> shared_;
  std::shared_ptr<ThrottledTransport> slow_;
};

class ThrottleFactory final : public WrappingFactory {
 public:
  ThrottleFactory(std::shared_ptr<Factory> wrapped, const ThrottleLimits& limits)
      : WrappingFactory(std::move(wrapped)),
        per_connection_(limits.per_connection),
        shared_(std::make_shared<SharedBuckets>(limits.in_all)) {}

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    return std::make_shared<Throttled>(std::move(protocol), per_connection_, shared_);
  }

  Bandwidth per_connection_;
  std::shared_ptr<SharedBuckets> shared_;
};

}  // namespace

std::shared_ptr<Factory> throttle(std::shared_ptr<Factory> factory, ThrottleLimits limits) {
  return std::make_shared<ThrottleFactory>(std::move(factory), limits);
}

}  // namespace weft
