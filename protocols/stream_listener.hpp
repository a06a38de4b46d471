// Streams for sequential code: accepted from a port one by one, or opened to a server.
#pragma once

#include "../framework/deferred.hpp"
#include "../framework/endpoint.hpp"
#include "../framework/error.hpp"
#include "../framework/factory.hpp"
#include "../framework/listening_port.hpp"
#include "../framework/reactor.hpp"
#include "stream.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace weft {

/// The listener was closed, or its reactor ended: nobody will be accepted any more.
class ListenerClosed : public Error {
 public:
  using Error::Error;
};

/// A connection's stream in the hands of its user: when the last copy goes, the connection is
/// closed, once everything written has gone out.
using StreamPtr = std::shared_ptr<Stream>;

/// Hands out the connections of a port as streams, in the order in which they came.
/// Lifetime: destroying it closes it. One that was moved away is closed, and has no factory.
class StreamListener {
 public:
  /// As many connections may wait to be accepted; the port is paused then. A peer that comes all
  /// the same is refused, and counted.
  static constexpr std::size_t default_max_backlog = 128;

  explicit StreamListener(std::size_t max_backlog = default_max_backlog);
  ~StreamListener();
  StreamListener(StreamListener&&) noexcept;
  StreamListener& operator=(StreamListener&&) noexcept;

  /// What builds its streams, for a `listen_...` of a reactor, an endpoint or a test.
  [[nodiscard]] std::shared_ptr<Factory> factory() const;
  /// The port that `close` stops, and that is paused while the backlog is full: until half of it is
  /// free. Without one, and while TLS shakes hands, peers come all the same.
  void set_port(ListeningPort port);
  [[nodiscard]] const ListeningPort& port() const noexcept { return port_; }

  /// The next connection. Several may wait; cancelling or dropping one loses no connection. Fails
  /// with ListenerClosed once it is closed.
  Deferred<StreamPtr> accept(SourceLocation where = SourceLocation::current());
  /// Stops the port, aborts the connections that nobody has accepted, and fails those who wait.
  /// What was accepted lives on. Harmless when repeated.
  void close();

  /// How many connections wait to be accepted.
  [[nodiscard]] std::size_t backlog() const noexcept;
  /// How many were refused, since the backlog was full.
  [[nodiscard]] std::size_t refused() const noexcept;

 private:
  class Queue;
  std::shared_ptr<Queue> queue_;
  ListeningPort port_;
};

/// Listens by `listen(factory)`, a reactor's `listen_tcp` for one. Errors: what it throws.
[[nodiscard]] StreamListener listen_streams(
    const std::function<ListeningPort(std::shared_ptr<Factory>)>& listen,
    std::size_t max_backlog = StreamListener::default_max_backlog);
/// Listens with TCP. Errors: as `Reactor::listen_tcp`.
[[nodiscard]] StreamListener listen_streams(
    Reactor& reactor, Port port, const ListenOptions& options = {},
    std::size_t max_backlog = StreamListener::default_max_backlog);
/// Listens at `endpoint`. Fails as `ServerEndpoint::listen` does.
Deferred<StreamListener> listen_streams(
    ServerEndpoint& endpoint, std::size_t max_backlog = StreamListener::default_max_backlog);

/// Connects to `endpoint`. Fails as `ClientEndpoint::connect` does.
Deferred<StreamPtr> open_stream(ClientEndpoint& endpoint);
/// Connects with TCP. Fails as `Reactor::connect_tcp` does.
Deferred<StreamPtr> open_stream(Reactor& reactor, std::string host, Port port,
                                const ConnectOptions& options = {});

}  // namespace weft
