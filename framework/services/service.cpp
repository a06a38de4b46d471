#include "service.hpp"

#include "../logging.hpp"

#include <utility>

namespace weft {

ServiceError::ServiceError(std::string_view service, std::string_view what_it_did_not,
                           const Failure& cause)
    : Error("The " + std::string(service) + " did not " + std::string(what_it_did_not) + ": " +
            cause.message()),
      cause_(cause) {}

Service::Service(std::string name) : name_(std::move(name)) {}

Service::~Service() = default;

Deferred<void> Service::privileged_start() {
  return succeed();
}

Deferred<void> Service::start() {
  return succeed();
}

Deferred<void> Service::stop() {
  return succeed();
}

void Service::abort() {
  auto stop_under_way = std::move(under_way_);
  stop_under_way.cancel();
}

// ---- starting

Deferred<void> Service::privileged_start_service() {
  if (state_ != ServiceState::stopped) {
    throw AlreadyRunningError("The service \"" + name_ +
                              "\" was started already, or still stops; wait for its stop first.");
  }
  return begin(true);
}

Deferred<void> Service::start_service() {
  if (state_ == ServiceState::stopping && !again_) {
    again_.emplace([weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      if (self->again_) {
        self->again_.reset();
      } else {
        static_cast<void>(self->stop_service());
      }
    });
    return again_->deferred();
  }
  if (state_ != ServiceState::stopped && state_ != ServiceState::prepared) {
    throw AlreadyRunningError("The service \"" + name_ + "\" was started already; stop it first.");
  }
  return begin(false);
}

bool Service::start_under_way() const noexcept {
  return state_ == ServiceState::preparing || state_ == ServiceState::starting;
}

Deferred<void> Service::join_start() {
  return waiting_for_start_.join(SourceLocation::current());
}

Deferred<void> Service::begin(bool only_prepare) {
  only_prepare_ = only_prepare;
  why_not_.reset();
  // Who was told first that it has stopped may have started it before the one who waits to.
  auto overtaken = std::exchange(again_, std::nullopt);
  starting_.emplace([weak = weak_from_this()] {
    if (const auto self = weak.lock()) static_cast<void>(self->stop_service());
  });
  auto started = starting_->deferred();
  state_ == ServiceState::stopped ? prepare() : start_now();
  if (overtaken && !overtaken->fired()) {
    overtaken->errback(make_failure<AlreadyRunningError>(
        "The service \"" + name_ + "\" was started by somebody else as soon as it had stopped."));
  }
  return started;
}

void Service::prepare() {
  const auto self = shared_from_this();
  state_ = ServiceState::preparing;
  auto prepared = maybe_deferred([this] { return privileged_start(); });
  under_way_ = prepared.canceller();
  if (state_ == ServiceState::stopping) cancel_start();
  static_cast<void>(std::move(prepared).add_both([self](const Outcome<void>& outcome) {
    self->start_ended(outcome, ServiceState::prepared);
  }));
}

void Service::start_now() {
  const auto self = shared_from_this();
  state_ = ServiceState::starting;
  auto started = maybe_deferred([this] { return start(); });
  under_way_ = started.canceller();
  if (state_ == ServiceState::stopping) cancel_start();
  static_cast<void>(std::move(started).add_both(
      [self](const Outcome<void>& outcome) { self->start_ended(outcome, ServiceState::running); }));
}

void Service::start_ended(const Outcome<void>& outcome, ServiceState reached) {
  under_way_ = Canceller();
  if (state_ == ServiceState::stopping) {
    why_not_ = make_failure<CancelledError>("The service \"" + name_ +
                                            "\" was stopped before it had started.");
    undo();
  } else if (!outcome) {
    why_not_ = outcome.failure();
    state_ = ServiceState::stopping;
    undo();
  } else if (reached == ServiceState::prepared && !only_prepare_) {
    start_now();
  } else {
    state_ = reached;
    auto promise = std::move(*starting_);
    starting_.reset();
    auto others = std::exchange(waiting_for_start_, {});
    if (!promise.fired()) promise.callback();
    while (!others.empty())
      others.leave().callback();
  }
}

// ---- stopping

Deferred<void> Service::stop_service() {
  const auto self = weak_from_this().lock();
  auto again = std::exchange(again_, std::nullopt);
  auto stopped = stop_now();
  if (again && !again->fired()) again->errback(Failure(CancelledError()));
  return stopped;
}

Deferred<void> Service::stop_now() {
  if (state_ == ServiceState::stopped) return succeed();
  auto stopped = waiting_for_stop_.join(SourceLocation::current());
  const auto before = std::exchange(state_, ServiceState::stopping);
  if (before == ServiceState::preparing || before == ServiceState::starting) {
    cancel_start();
  } else if (before != ServiceState::stopping) {
    undo();
  }
  return stopped;
}

// Empty while the start is only being called; it is cancelled then as soon as that returns.
void Service::cancel_start() {
  auto start_under_way = std::move(under_way_);
  start_under_way.cancel();
}

void Service::undo() {
  auto stopped = maybe_deferred([this] { return stop(); });
  under_way_ = stopped.canceller();
  static_cast<void>(std::move(stopped).add_both(
      [self = shared_from_this()](const Outcome<void>& outcome) { self->stop_ended(outcome); }));
}

void Service::stop_ended(const Outcome<void>& outcome) {
  const auto self = shared_from_this();
  under_way_ = Canceller();
  state_ = ServiceState::stopped;
  if (waiting_for_stop_.empty() && !outcome) {
    log_failure("service", "The service \"" + name_ + "\" could not be stopped in order",
                outcome.failure());
  }
  auto starting = std::exchange(starting_, std::nullopt);
  auto others = std::exchange(waiting_for_start_, {});
  auto stops = std::exchange(waiting_for_stop_, {});
  const auto why_not = why_not_;
  if (starting && !starting->fired()) starting->errback(*why_not);
  while (!others.empty())
    others.leave().errback(*why_not);
  while (!stops.empty())
    stops.leave().fire(outcome);
  if (again_ && state_ == ServiceState::stopped) start_again();
}

void Service::start_again() {
  auto promise = std::make_shared<Promise<void>>(std::move(*again_));
  again_.reset();
  static_cast<void>(maybe_deferred([this] {
                      return start_service();
                    }).add_both([promise](const Outcome<void>& outcome) {
    if (!promise->fired()) promise->fire(outcome);
  }));
}

void Service::abort_service() {
  if (state_ != ServiceState::stopping) return;
  const auto self = shared_from_this();
  abort();
}

}  // namespace weft
