// A part of an application that is started and stopped: what servers, clients and timers are as
// wholes.
#pragma once

#include "../deferred.hpp"
#include "../detail/waiting_line.hpp"
#include "../error.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weft {

class MultiService;

/// A service could not be started or stopped; the message says which, and why.
class ServiceError : public Error {
 public:
  /// `what_it_did_not` is "start" or "stop".
  ServiceError(std::string_view service, std::string_view what_it_did_not, const Failure& cause);
  [[nodiscard]] const Failure& cause() const noexcept { return cause_; }

 private:
  Failure cause_;
};

/// Where a service is between its start and its stop.
enum class ServiceState : std::uint8_t {
  stopped,
  /// Its privileged start is under way,
  preparing,
  /// ... and is done.
  prepared,
  starting,
  running,
  stopping,
};

/// Derive from it and override what starting and stopping mean. Both may take time; neither is ever
/// entered while the other is under way. Lifetime: made by std::make_shared; keeps itself alive
/// while it starts or stops.
class Service : public std::enable_shared_from_this<Service> {
 public:
  virtual ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// What must be done before privileges are given up, such as binding to a port below 1024.
  /// Optional: `start_service` does it where it was not done. Errors: as `start_service`, and
  /// AlreadyRunningError too while it stops.
  Deferred<void> privileged_start_service();
  /// Fires when it runs. While it stops, it starts again as soon as that is done. When it fails,
  /// what was begun has been undone. Cancelling it stops it. Errors: AlreadyRunningError, thrown at
  /// once; CancelledError when it was stopped meanwhile; else what starting failed with.
  Deferred<void> start_service();
  /// Fires when it has stopped. A start under way is cancelled, and undone. Harmless when repeated.
  /// Errors: what stopping failed with; it counts as stopped all the same.
  Deferred<void> stop_service();
  /// The time is up: ends at once what a `stop_service` under way still waits for, a peer that does
  /// not take its last bytes for one. Nothing happens otherwise.
  void abort_service();

  [[nodiscard]] ServiceState state() const noexcept { return state_; }
  /// From the end of its start to the beginning of its stop.
  [[nodiscard]] bool running() const noexcept { return state_ == ServiceState::running; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// The one that it was added to, or null.
  [[nodiscard]] MultiService* parent() const noexcept { return parent_; }

 protected:
  explicit Service(std::string name = {});

 private:
  friend class MultiService;

  /// What they throw counts as a failure; what they return may be cancelled.
  virtual Deferred<void> privileged_start();
  virtual Deferred<void> start();
  /// Undoes what either of them did, also where they failed or were cancelled half way.
  virtual Deferred<void> stop();
  /// Has a `stop` under way end at once: cancels what it returned, unless overridden.
  virtual void abort();

  [[nodiscard]] bool start_under_way() const noexcept;
  /// Fires as the start does that is under way.
  Deferred<void> join_start();
  Deferred<void> begin(bool only_prepare);
  void prepare();
  void start_now();
  Deferred<void> stop_now();
  void cancel_start();
  void undo();
  void start_ended(const Outcome<void>& outcome, ServiceState reached);
  void stop_ended(const Outcome<void>& outcome);
  void start_again();

  const std::string name_;
  MultiService* parent_ = nullptr;
  ServiceState state_ = ServiceState::stopped;
  bool only_prepare_ = false;
  Canceller under_way_;
  std::optional<Promise<void>> starting_;
  std::optional<Failure> why_not_;
  std::optional<Promise<void>> again_;
  detail::WaitingLine<void> waiting_for_start_;
  detail::WaitingLine<void> waiting_for_stop_;
};

}  // namespace weft
