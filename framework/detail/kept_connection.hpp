// One connection that is kept up: what ReconnectingClient and ClientService are made of.
#pragma once

#include "../reconnecting_client.hpp"
#include "held_context.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <vector>

namespace weft::detail {

/// Connects when started, and again when the connection is lost or an attempt fails. Lifetime: made
/// by std::make_shared; shared with its connection, which may end after its owner.
class KeptConnection : public std::enable_shared_from_this<KeptConnection> {
 public:
  using Connect = std::function<Deferred<std::shared_ptr<Protocol>>(std::shared_ptr<Factory>)>;
  using Prepare = std::function<Deferred<void>(const std::shared_ptr<Protocol>&)>;

  /// Errors: InvalidArgument for options that cannot be.
  KeptConnection(Clock& clock, Connect connect, std::shared_ptr<Factory> factory,
                 const ReconnectOptions& options, Prepare prepare = {});
  virtual ~KeptConnection();
  KeptConnection(const KeptConnection&) = delete;
  KeptConnection& operator=(const KeptConnection&) = delete;

  void start();
  Deferred<void> stop();
  /// Cuts the connection that a `stop` waits for.
  void abort();
  Deferred<std::shared_ptr<Protocol>> when_connected(int max_failures, SourceLocation where);
  [[nodiscard]] bool running() const noexcept {
    return (state_ != State::idle && state_ != State::closing) || start_again_;
  }
  [[nodiscard]] bool connected() const noexcept { return state_ == State::connected; }

 private:
  enum class State : std::uint8_t { idle, connecting, preparing, connected, waiting, closing };
  class Relay;
  class RelayFactory;
  struct Waiter {
    Promise<std::shared_ptr<Protocol>> promise;
    // How many more attempts may fail; zero for any number.
    int patience = 0;
  };

  /// It leaves, or comes back to, where nothing is under way.
  virtual void began() {}
  virtual void ended() {}

  void connect();
  void attempt_ended(const std::shared_ptr<RelayFactory>& factory,
                     const Outcome<std::shared_ptr<Protocol>>& outcome);
  void attempt_failed(const Failure& failure);
  void connection_came(std::shared_ptr<Relay> relay);
  void connection_went(const Relay* relay, const Failure& reason);
  void prepare(const std::shared_ptr<Protocol>& protocol);
  void preparation_ended(const Outcome<void>& outcome);
  void established();
  void retry_later(int failures);
  void give_up(const Failure& failure);
  void closed();
  [[nodiscard]] std::vector<Waiter> take_impatient();
  static void fail(std::vector<Waiter> waiters, const Failure& failure);

  Clock& clock_;
  const Connect connect_;
  const Prepare prepare_;
  const std::shared_ptr<Factory> factory_;
  const ReconnectOptions options_;
  std::minstd_rand random_;
  // That of `start`: each connection's own is begun with it, and none with that of the one before.
  HeldContext context_;
  // That of a `start` that waits for the end of the connection before it.
  HeldContext next_context_;
  State state_ = State::idle;
  bool start_again_ = false;
  bool preparation_under_way_ = false;
  int failures_ = 0;
  std::optional<Failure> gave_up_;
  // Why the connection that is being prepared will not do.
  std::optional<Failure> unfit_;
  DelayedCall retry_;
  // Of the attempt, or of the preparation.
  Canceller under_way_;
  std::shared_ptr<Relay> relay_;
  std::vector<Waiter> waiters_;
  std::vector<Promise<void>> stops_;
};

}  // namespace weft::detail
