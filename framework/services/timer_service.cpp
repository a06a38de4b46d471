#include "timer_service.hpp"

#include "../logging.hpp"
#include "../reactor.hpp"

namespace weft {

TimerService::TimerService(Clock* clock, Duration interval, Function function, std::string name)
    : Service(std::move(name)),
      clock_(clock),
      interval_(interval),
      function_(std::make_shared<Function>(std::move(function))) {
  if (interval < Duration::zero())
    throw InvalidArgument("The interval of a timer must not be negative.");
}

TimerService::~TimerService() = default;

Deferred<void> TimerService::start() {
  failure_.reset();
  Clock& clock = clock_ != nullptr ? *clock_ : Reactor::current();
  loop_.emplace(clock, [function = function_] { return (*function)(); });
  const auto weak = weak_from_this();
  auto calls = loop_->start(interval_);
  call_ = calls.canceller();
  ended_ = std::move(calls).add_errback([weak](const Failure& failure) {
    if (const auto self = weak.lock()) static_cast<TimerService&>(*self).failed(failure);
  });
  return succeed();
}

void TimerService::failed(const Failure& failure) {
  // The end of its time, and no failure of the function's.
  if (state() == ServiceState::stopping && failure.check<CancelledError>() != nullptr) return;
  failure_ = failure;
  log_failure("service", "The timer \"" + name() + "\" failed, and calls no more", failure);
  if (on_failure_) on_failure_(failure);
}

Deferred<void> TimerService::stop() {
  if (!ended_) return succeed();
  if (loop_->running()) loop_->stop();
  auto ended = std::move(*ended_);
  ended_.reset();
  return ended;
}

void TimerService::abort() {
  auto call = std::move(call_);
  call.cancel();
}

}  // namespace weft
