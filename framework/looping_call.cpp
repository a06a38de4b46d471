#include "looping_call.hpp"

#include "detail/held_context.hpp"
#include "error.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

namespace weft {

// Shared, because a call may destroy the LoopingCall that made it.
struct LoopingCall::Loop : std::enable_shared_from_this<Loop> {
  Loop(Clock& loop_clock, Function loop_function, SourceLocation made)
      : clock(loop_clock), function(std::move(loop_function)), where(made) {}

  Deferred<void> start(Duration new_interval, FirstTick first);
  void stop();
  void rebase();
  void schedule();
  void tick();
  [[nodiscard]] int count_ticks();
  void call_ended(const Outcome<void>& outcome);
  void end(Outcome<void> outcome);
  void cancel() noexcept;

  Clock& clock;
  Function function;
  SourceLocation where;
  Duration interval{};
  TimePoint grid_start{};
  /// The number of the grid time that the last call was for.
  std::int64_t last_tick = 0;
  bool running = false;
  bool calling = false;
  // Each call is made in a copy.
  detail::HeldContext context;
  DelayedCall next;
  Canceller in_flight;
  std::optional<Promise<void>> ended;
};

Deferred<void> LoopingCall::Loop::start(Duration new_interval, FirstTick first) {
  if (running || calling) {
    throw AlreadyRunningError("This LoopingCall runs already; stop it, or use another one.");
  }
  if (new_interval < Duration::zero()) {
    throw InvalidArgument("The interval of a LoopingCall must not be negative.");
  }
  running = true;
  context = detail::HeldContext::capture();
  interval = new_interval;
  ended.emplace(
      [weak = weak_from_this()] {
        if (const auto loop = weak.lock()) loop->cancel();
      },
      where);
  auto deferred = ended->deferred();
  rebase();
  if (first == FirstTick::at_once) {
    --last_tick;
    tick();
  } else {
    schedule();
  }
  return deferred;
}

void LoopingCall::Loop::stop() {
  running = false;
  if (calling) return;
  next.cancel_if_active();
  end(Outcome<void>());
}

void LoopingCall::Loop::rebase() {
  grid_start = clock.now();
  last_tick = 0;
}

void LoopingCall::Loop::schedule() {
  auto copy = context.share();
  const detail::ContextSwitch inside(copy);
  const auto passed = clock.now() - grid_start;
  const auto wait = interval == Duration::zero() ? interval : interval - passed % interval;
  next = clock.call_later(
      wait,
      [weak = weak_from_this()] {
        if (const auto loop = weak.lock()) loop->tick();
      },
      where);
}

int LoopingCall::Loop::count_ticks() {
  if (interval == Duration::zero()) return 1;
  const std::int64_t current = (clock.now() - grid_start) / interval;
  const auto ticks = current - std::exchange(last_tick, current);
  return static_cast<int>(std::clamp<std::int64_t>(ticks, 1, std::numeric_limits<int>::max()));
}

void LoopingCall::Loop::tick() {
  const auto self = shared_from_this();
  auto copy = context.share();
  const detail::ContextSwitch inside(copy);
  calling = true;
  auto result = maybe_deferred(function, count_ticks());
  in_flight = result.canceller();
  static_cast<void>(std::move(result).add_both(
      [self](const Outcome<void>& outcome) { self->call_ended(outcome); }));
}

void LoopingCall::Loop::call_ended(const Outcome<void>& outcome) {
  calling = false;
  in_flight = Canceller();
  if (!outcome) {
    running = false;
    end(outcome);
  } else if (running) {
    schedule();
  } else {
    end(outcome);
  }
}

void LoopingCall::Loop::end(Outcome<void> outcome) {
  if (!ended) return;
  auto promise = std::move(*ended);
  ended.reset();
  context = detail::HeldContext();
  promise.fire(std::move(outcome));
}

void LoopingCall::Loop::cancel() noexcept {
  running = false;
  next.cancel_if_active();
  auto call = std::move(in_flight);
  call.cancel();
  if (!calling) end(Failure(CancelledError()));
}

LoopingCall::LoopingCall(Clock& clock, Function function, SourceLocation where, Adapted)
    : loop_(std::make_shared<Loop>(clock, std::move(function), where)) {}

LoopingCall::~LoopingCall() {
  // Taken first, so that what becomes of the call in flight is nobody's failure.
  auto ended = std::exchange(loop_->ended, std::nullopt);
  loop_->cancel();
  if (ended) ended->callback();
}

Deferred<void> LoopingCall::start(Duration interval, FirstTick first) {
  const auto loop = loop_;
  return loop->start(interval, first);
}

void LoopingCall::stop() {
  if (!loop_->running) throw NotRunningError("This LoopingCall does not run; start it first.");
  const auto loop = loop_;
  loop->stop();
}

void LoopingCall::reset() {
  if (!loop_->running) throw NotRunningError("This LoopingCall does not run; start it first.");
  loop_->rebase();
  if (loop_->calling) return;
  loop_->next.cancel_if_active();
  loop_->schedule();
}

bool LoopingCall::running() const noexcept {
  return loop_->running;
}

Duration LoopingCall::interval() const noexcept {
  return loop_->interval;
}

}  // namespace weft
