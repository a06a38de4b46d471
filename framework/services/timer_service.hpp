// A function that is called again and again, as a service.
#pragma once

#include "../looping_call.hpp"
#include "service.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weft {

/// Calls a function at its start and each interval after it, as LoopingCall does. What the function
/// throws or its deferred fails with is logged and told, and ends the calls; the service runs on,
/// and may be stopped and started again. Stopping it waits for a call in flight.
class TimerService : public Service {
 public:
  /// `f()` returns nothing or a Deferred<void>, which the next call waits for.
  /// Errors: InvalidArgument for a negative interval.
  template <class F>
  TimerService(Clock& clock, Duration interval, F f, std::string name = {})
      : TimerService(&clock, interval, Function(adapt(std::move(f))), std::move(name)) {}
  /// The same on the reactor that starts it.
  template <class F>
  TimerService(Duration interval, F f, std::string name = {})
      : TimerService(nullptr, interval, Function(adapt(std::move(f))), std::move(name)) {}
  ~TimerService() override;

  /// Has `f` told what ended the calls.
  void set_on_failure(std::function<void(const Failure&)> f) { on_failure_ = std::move(f); }
  /// What ended the calls since the last start; nothing while all is well.
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }

 private:
  using Function = UniqueFunction<Deferred<void>()>;
  TimerService(Clock* clock, Duration interval, Function function, std::string name);

  template <class F>
  static auto adapt(F f) {
    return [f = std::move(f)]() mutable -> Deferred<void> { return maybe_deferred(f); };
  }

  Deferred<void> start() override;
  Deferred<void> stop() override;
  void abort() override;
  void failed(const Failure& failure);

  Clock* clock_;
  const Duration interval_;
  std::shared_ptr<Function> function_;
  std::function<void(const Failure&)> on_failure_;
  std::optional<Failure> failure_;
  std::optional<LoopingCall> loop_;
  std::optional<Deferred<void>> ended_;
  Canceller call_;
};

}  // namespace weft
