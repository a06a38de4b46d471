// What every attempt to connect does, whatever carries it: for those who write transports.
#pragma once

#include "clock.hpp"
#include "deferred.hpp"
#include "detail/held_context.hpp"
#include "factory.hpp"
#include "stream_transport.hpp"

#include <memory>

namespace weft {

/// Turns what a carrier reports into the one outcome of a connect, and counts the factory's use
/// until the connection is gone. A carrier derives from it, keeps itself alive while it tries, and
/// reports `connected` or `failed` from the loop.
class ConnectAttempt : public StreamOwner, public std::enable_shared_from_this<ConnectAttempt> {
 public:
  ~ConnectAttempt() override;

  /// The outcome; to be asked for once, before the attempt begins. Errors: what `start_factory`
  /// throws.
  Deferred<std::shared_ptr<Protocol>> begin();
  void connection_closed(StreamTransport& transport) noexcept final;

 protected:
  ConnectAttempt(Clock& clock, std::shared_ptr<Factory> factory);

  /// The carrier is up: gives it its protocol and tells the outcome. One that comes too late is
  /// closed.
  void connected(const std::shared_ptr<StreamTransport>& transport) noexcept;
  void failed(Failure reason) noexcept;
  /// True once there is an outcome.
  [[nodiscard]] bool over() const noexcept { return over_; }
  [[nodiscard]] Clock& clock() const noexcept { return clock_; }

 private:
  /// There is an outcome, or nobody wants one: lets go of everything that was opened. Called once.
  virtual void end_attempt() noexcept = 0;
  /// Where it was going, for messages.
  [[nodiscard]] virtual std::string target() const = 0;

  void cancelled();
  void release_factory() noexcept;

  Clock& clock_;
  std::shared_ptr<Factory> factory_;
  // What the connection's own is begun with.
  detail::HeldContext context_;
  std::optional<Promise<std::shared_ptr<Protocol>>> promise_;
  bool over_ = false;
};

}  // namespace weft
