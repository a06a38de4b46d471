// A client that connects again, after pauses that grow, whenever its connection is lost.
#pragma once

#include "clock.hpp"
#include "deferred.hpp"
#include "factory.hpp"
#include "reactor.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace weft {

/// How a ReconnectingClient waits between attempts: `first_delay * factor^n` after n attempts that
/// failed in a row, `max_delay` at most, and up to `jitter` of that on top, so that many clients of
/// one server do not come back at the same instant.
struct ReconnectOptions {
  ReconnectOptions() {}
  Duration first_delay = std::chrono::seconds(1);
  double factor = 1.5;
  Duration max_delay = std::chrono::seconds(60);
  double jitter = 0.25;
  /// Makes the jitter repeatable; otherwise it is different in each process.
  std::optional<std::uint32_t> seed;
  /// How many attempts may fail in a row before it gives up; zero for any number.
  int max_attempts = 0;
  ConnectOptions connect;
};

/// Keeps one connection to a server: connects when started, and again when the connection is lost
/// or an attempt fails. It is stopped before its reactor stops, which waits for it. Lifetime:
/// destroying it stops it, without waiting for the connection's end.
class ReconnectingClient {
 public:
  /// Errors: InvalidArgument for options that cannot be: a negative delay or jitter, a factor below
  /// one.
  ReconnectingClient(Reactor& reactor, std::string host, Port port,
                     std::shared_ptr<Factory> factory, const ReconnectOptions& options = {});
  ~ReconnectingClient();
  ReconnectingClient(const ReconnectingClient&) = delete;
  ReconnectingClient& operator=(const ReconnectingClient&) = delete;

  /// Begins the first attempt; while `stop` is still under way, as soon as that is done. Errors:
  /// AlreadyRunningError; what `start_factory` throws, which leaves it stopped.
  void start();
  /// Cancels the attempt, or loses the connection; fires when it is gone. Who waits in
  /// `when_connected` gets CancelledError.
  Deferred<void> stop();
  /// The protocol of the connection that is there, or of the next one. Fails once it gave up, with
  /// the failure of the last attempt.
  Deferred<std::shared_ptr<Protocol>> when_connected(
      SourceLocation where = SourceLocation::current());

  /// True from `start` until `stop` or until it gave up.
  [[nodiscard]] bool running() const noexcept;
  [[nodiscard]] bool connected() const noexcept;

 private:
  class Client;
  std::shared_ptr<Client> client_;
};

}  // namespace weft
