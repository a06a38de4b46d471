#include "listener.hpp"

#include "context.hpp"
#include "error.hpp"
#include "listening_port.hpp"
#include "logging.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {

namespace {

// With no descriptor left, accepting is tried again this often: rarely enough to cost nothing, and
// soon enough for those who wait.
constexpr auto rest_time = std::chrono::milliseconds(100);

}  // namespace

// ---- the handle

ListeningPort::ListeningPort() noexcept = default;

ListeningPort::ListeningPort(std::shared_ptr<Listener> listener) noexcept
    : listener_(std::move(listener)) {}

Address ListeningPort::address() const {
  return listener_ != nullptr ? listener_->address() : Address();
}

bool ListeningPort::listening() const noexcept {
  return listener_ != nullptr && listener_->listening();
}

std::size_t ListeningPort::connections() const noexcept {
  return listener_ != nullptr ? listener_->connections() : 0;
}

void ListeningPort::pause_accepting() {
  if (listener_ != nullptr) listener_->pause_accepting();
}

void ListeningPort::resume_accepting() {
  if (listener_ != nullptr) listener_->resume_accepting();
}

bool ListeningPort::accepting() const noexcept {
  return listener_ != nullptr && listener_->accepting();
}

void ListeningPort::stop() {
  if (listener_ != nullptr) listener_->stop();
}

Deferred<void> ListeningPort::stopped() const {
  return listener_ != nullptr ? listener_->stopped() : succeed();
}

Deferred<void> ListeningPort::drained() const {
  return listener_ != nullptr ? listener_->drained() : succeed();
}

Deferred<void> ListeningPort::close_connections(Duration deadline) {
  return listener_ != nullptr ? listener_->close_connections(deadline) : succeed();
}

// ---- the port

Listener::Listener(Clock& clock, std::shared_ptr<Factory> factory)
    : Turn::Participant(clock.turn()),
      clock_(clock),
      factory_(std::move(factory)),
      context_(detail::HeldContext::capture()) {
  if (factory_ == nullptr) {
    throw InvalidArgument("A port was given no factory, so nobody would answer; pass one.");
  }
}

Listener::~Listener() = default;

void Listener::opened(Address address) {
  factory_->add_user();
  address_ = std::move(address);
  listening_ = true;
  self_ = shared_from_this();
}

PendingWork Listener::describe() const {
  if (!listening_) return {};
  return {"port", address_.text() + (pauses_ > 0 ? ", paused" : ""), where()};
}

void Listener::accepted(const std::shared_ptr<StreamTransport>& transport) noexcept {
  std::shared_ptr<Protocol> protocol;
  transport->begin_context(context_.share());
  turn()->enter_in(
      *transport->context(), [&] { protocol = factory_->build_protocol(transport->peer()); },
      [&](const Failure& failure) {
        log_failure("listener", "A factory's build_protocol threw; the peer is refused", failure);
      },
      Turn::Subject(this, &where()));
  if (protocol == nullptr) {
    transport->lose_connection();
    return;
  }
  try {
    open_.insert(transport.get());
  } catch (...) {
    log_failure("listener", "A connection could not be taken", Failure::current());
    transport->abort_connection(Failure::current());
    return;
  }
  transport->made_at(where());
  if (tally_ != nullptr) ++*tally_;
  transport->establish(std::move(protocol), shared_from_this());
}

void Listener::pause_accepting() noexcept {
  if (!listening_ || pauses_++ > 0) return;
  rest_call_.cancel_if_active();
  hold_port();
}

void Listener::resume_accepting() noexcept {
  if (!listening_ || pauses_ == 0) return;
  if (--pauses_ == 0) accept_soon();
}

void Listener::accept_soon() noexcept {
  accepts_soon_ = true;
  turn()->wake_later(shared_from_this());
}

void Listener::rest(std::error_code reason) noexcept {
  if (!accepting()) return;
  try {
    if (!std::exchange(short_of_resources_, true)) {
      log(LogLevel::warning, "listener",
          "Accepting on " + address().text() + " failed: " + reason.message() +
              "; it is tried again every 100 ms");
    }
    // Whoever's callback this is in has nothing to do with it.
    const auto nobodys = Context::suppress();
    // One that resumed meanwhile may have been followed by this trouble twice.
    rest_call_.cancel_if_active();
    rest_call_ = clock_.call_later(rest_time, [this] { accept_again(); });
  } catch (...) {
    accept_soon();
  }
}

void Listener::connection_closed(StreamTransport& transport) noexcept {
  if (open_.erase(&transport) > 0 && tally_ != nullptr) --*tally_;
  check_drained();
}

void Listener::stop() {
  if (!std::exchange(listening_, false)) return;
  const auto self = std::exchange(self_, nullptr);
  rest_call_.cancel_if_active();
  close_port();
  const auto remove = [this] { factory_->remove_user(); };
  if (turn() != nullptr) turn()->enter_logged("A factory's stop_factory threw", remove);
  context_ = detail::HeldContext();
  if (turn() != nullptr) turn()->wake_later(shared_from_this());
}

Deferred<void> Listener::stopped() {
  return listening_ ? waiting_for_stop_.join(SourceLocation::current()) : succeed();
}

Deferred<void> Listener::drained() {
  if (!listening_ && open_.empty()) return succeed();
  return waiting_for_drain_.join(SourceLocation::current());
}

Deferred<void> Listener::close_connections(Duration deadline) {
  const auto self = shared_from_this();
  stop();
  for (auto* const transport : std::vector(open_.begin(), open_.end())) {
    // What lies above the carrier says goodbye first.
    Transport* const carried =
        transport->protocol() != nullptr ? transport->protocol()->carried() : nullptr;
    carried != nullptr ? carried->lose_connection(deadline) : transport->lose_connection(deadline);
  }
  return drained();
}

void Listener::check_drained() noexcept {
  if (listening_ || !open_.empty() || turn() == nullptr) return;
  turn()->wake_later(shared_from_this());
}

// Tells those who wait, outside of every callback.
void Listener::wake() noexcept {
  const Turn::Scope scope(*turn());
  if (listening_) {
    if (!std::exchange(accepts_soon_, false) || !accepting()) return;
    // In a loop inside a callback, that one's context is current.
    const auto nobodys = Context::suppress();
    accept_again();
    return;
  }
  while (!waiting_for_stop_.empty())
    waiting_for_stop_.leave().callback();
  while (open_.empty() && !waiting_for_drain_.empty())
    waiting_for_drain_.leave().callback();
}

void Listener::loop_ended() noexcept {
  const auto self = weak_from_this().lock();
  if (self == nullptr) return;
  stop();
}

}  // namespace weft
