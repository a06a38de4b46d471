#include "stream_listener.hpp"

#include "../framework/logging.hpp"

#include <deque>
#include <utility>
#include <vector>

namespace weft {

namespace {

// The connection keeps its stream alive by itself; this is what the user holds on to it with.
StreamPtr in_hand(std::shared_ptr<Stream> stream) {
  Stream* const plain = stream.get();
  return StreamPtr(plain, [kept = std::move(stream)](Stream*) {
    if (kept->loss() == nullptr) kept->transport().lose_connection();
  });
}

// Remembers the one that was connected: what a connect gives may be something around it.
class OpenedStream final : public Factory {
 public:
  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    return built_ = std::make_shared<Stream>();
  }
  [[nodiscard]] std::shared_ptr<Stream> take() { return std::exchange(built_, nullptr); }

 private:
  std::shared_ptr<Stream> built_;
};

template <class Connect>
Deferred<StreamPtr> open_by(Connect&& connect) {
  const auto factory = std::make_shared<OpenedStream>();
  return std::forward<Connect>(connect)(factory).add_callback(
      [factory](const std::shared_ptr<Protocol>&) { return in_hand(factory->take()); });
}

ListenerClosed closed_error() {
  return ListenerClosed("The listener was closed; it accepts no more connections.");
}

}  // namespace

// Shared with the streams that are not accepted yet, which may outlive the listener.
class StreamListener::Queue final : public Factory, public std::enable_shared_from_this<Queue> {
 public:
  explicit Queue(std::size_t max_backlog) noexcept : max_backlog_(max_backlog) {}

  std::shared_ptr<Protocol> build_protocol(const Address& peer) override;
  void stop_factory() override { close(); }

  /// The port that is held while nobody has room for another connection.
  void hold_when_full(ListeningPort port);
  Deferred<StreamPtr> accept(SourceLocation where);
  void arrived(std::shared_ptr<Stream> stream);
  void close();

  [[nodiscard]] std::size_t backlog() const noexcept { return waiting_.size(); }
  [[nodiscard]] std::size_t refused() const noexcept { return refused_; }

 private:
  class Accepted;
  void sweep();
  void hold_or_let_go();
  [[nodiscard]] bool full() const noexcept {
    return acceptors_.empty() && waiting_.size() >= max_backlog_;
  }

  std::size_t max_backlog_;
  std::size_t refused_ = 0;
  bool closed_ = false;
  // It knows of this factory: let go of when either closes.
  ListeningPort port_;
  bool holds_port_ = false;
  std::deque<std::shared_ptr<Stream>> waiting_;
  std::vector<Promise<StreamPtr>> acceptors_;
};

// Tells its listener when it is connected.
class StreamListener::Queue::Accepted final : public Stream {
 public:
  explicit Accepted(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
  void connection_made() override {
    std::exchange(queue_, nullptr)->arrived(std::static_pointer_cast<Stream>(shared_from_this()));
  }

 private:
  std::shared_ptr<Queue> queue_;
};

std::shared_ptr<Protocol> StreamListener::Queue::build_protocol(const Address& peer) {
  sweep();
  if (closed_) return nullptr;
  const bool was_held = !port_.accepting();
  if (full()) hold_or_let_go();
  // Who comes before the port could be paused waits beyond the backlog; others are refused.
  if (full() && was_held) {
    if (refused_++ == 0) {
      log(LogLevel::warning, "streams",
          "The connection of " + peer.text() + " was refused, since " +
              std::to_string(waiting_.size()) +
              " wait to be accepted already; further ones are only counted");
    }
    return nullptr;
  }
  return std::make_shared<Accepted>(shared_from_this());
}

void StreamListener::Queue::hold_when_full(ListeningPort port) {
  if (std::exchange(holds_port_, false)) port_.resume_accepting();
  if (closed_) return;
  port_ = std::move(port);
  hold_or_let_go();
}

// It is let go of when half of the backlog is free again, so that accepting one by one does not
// change each time what the loop waits for.
void StreamListener::Queue::hold_or_let_go() {
  if (full()) {
    if (std::exchange(holds_port_, true) && !port_.accepting()) return;
    port_.pause_accepting();
  } else if (holds_port_ && waiting_.size() <= max_backlog_ / 2) {
    holds_port_ = false;
    port_.resume_accepting();
  }
}

// Those who are gone, on both sides, stand in nobody's way.
void StreamListener::Queue::sweep() {
  std::erase_if(waiting_, [](const auto& stream) { return stream->loss() != nullptr; });
  std::erase_if(acceptors_,
                [](const auto& acceptor) { return acceptor.fired() || !acceptor.wanted(); });
}

void StreamListener::Queue::arrived(std::shared_ptr<Stream> stream) {
  if (closed_) return stream->abort();
  sweep();
  if (acceptors_.empty()) {
    waiting_.push_back(std::move(stream));
    return hold_or_let_go();
  }
  const auto self = shared_from_this();
  auto first = std::move(acceptors_.front());
  acceptors_.erase(acceptors_.begin());
  // Who accepts in a loop asks for the next one in here.
  first.callback(in_hand(std::move(stream)));
  hold_or_let_go();
}

Deferred<StreamPtr> StreamListener::Queue::accept(SourceLocation where) {
  sweep();
  if (!waiting_.empty()) {
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    hold_or_let_go();
    return succeed(in_hand(std::move(next)));
  }
  if (closed_) return fail<StreamPtr>(Failure(closed_error()));
  auto next = acceptors_.emplace_back(Callback(), where).deferred();
  hold_or_let_go();
  return next;
}

void StreamListener::Queue::close() {
  if (std::exchange(closed_, true)) return;
  port_ = ListeningPort();
  sweep();
  const auto self = shared_from_this();
  for (const auto& stream : std::exchange(waiting_, {}))
    stream->abort();
  for (auto& acceptor : std::exchange(acceptors_, {})) {
    if (!acceptor.fired()) acceptor.errback(Failure(closed_error()));
  }
}

StreamListener::StreamListener(std::size_t max_backlog)
    : queue_(std::make_shared<Queue>(max_backlog)) {}

StreamListener::~StreamListener() {
  if (queue_ != nullptr) close();
}

StreamListener::StreamListener(StreamListener&&) noexcept = default;

StreamListener& StreamListener::operator=(StreamListener&& other) noexcept {
  StreamListener moved(std::move(other));
  std::swap(queue_, moved.queue_);
  std::swap(port_, moved.port_);
  return *this;
}

std::shared_ptr<Factory> StreamListener::factory() const {
  return queue_;
}

void StreamListener::set_port(ListeningPort port) {
  port_ = std::move(port);
  if (queue_ != nullptr) queue_->hold_when_full(port_);
}

Deferred<StreamPtr> StreamListener::accept(SourceLocation where) {
  if (queue_ == nullptr) return fail<StreamPtr>(Failure(closed_error()));
  return queue_->accept(where);
}

void StreamListener::close() {
  if (queue_ == nullptr) return;
  // Who hears of it may own this.
  const auto queue = queue_;
  auto port = port_;
  port.stop();
  queue->close();
}

std::size_t StreamListener::backlog() const noexcept {
  return queue_ != nullptr ? queue_->backlog() : 0;
}

std::size_t StreamListener::refused() const noexcept {
  return queue_ != nullptr ? queue_->refused() : 0;
}

// ---- shorthands

StreamListener listen_streams(const std::function<ListeningPort(std::shared_ptr<Factory>)>& listen,
                              std::size_t max_backlog) {
  StreamListener listener(max_backlog);
  listener.set_port(listen(listener.factory()));
  return listener;
}

StreamListener listen_streams(Reactor& reactor, Port port, const ListenOptions& options,
                              std::size_t max_backlog) {
  return listen_streams(
      [&](std::shared_ptr<Factory> factory) {
        return reactor.listen_tcp(port, std::move(factory), options);
      },
      max_backlog);
}

Deferred<StreamListener> listen_streams(ServerEndpoint& endpoint, std::size_t max_backlog) {
  StreamListener listener(max_backlog);
  auto factory = listener.factory();
  return endpoint.listen(std::move(factory))
      .add_callback([listener = std::move(listener)](ListeningPort port) mutable {
        listener.set_port(std::move(port));
        return std::move(listener);
      });
}

Deferred<StreamPtr> open_stream(ClientEndpoint& endpoint) {
  return open_by(
      [&](std::shared_ptr<Factory> factory) { return endpoint.connect(std::move(factory)); });
}

Deferred<StreamPtr> open_stream(Reactor& reactor, std::string host, Port port,
                                const ConnectOptions& options) {
  return open_by([&](std::shared_ptr<Factory> factory) {
    return reactor.connect_tcp(std::move(host), port, std::move(factory), options);
  });
}

}  // namespace weft
