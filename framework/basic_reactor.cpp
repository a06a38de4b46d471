#include "basic_reactor.hpp"

#include "detail/system_events.hpp"
#include "error.hpp"
#include "logging.hpp"
#include "turn.hpp"

#include <algorithm>
#include <utility>

namespace weft {

namespace {

// How long a list is kept for the next calls from threads, so that steady ones allocate nothing.
constexpr std::size_t max_spare_thread_calls = 1024;

}  // namespace

BasicReactor::BasicReactor() : events_(std::make_unique<detail::SystemEvents>()) {
  turn().set_reactor(this);
}

BasicReactor::~BasicReactor() = default;

void BasicReactor::refuse_thread_calls() noexcept {
  const std::lock_guard lock(thread_calls_mutex_);
  takes_thread_calls_ = false;
}

void BasicReactor::end() noexcept {
  refuse_thread_calls();
  if (thread_pool_ != nullptr) thread_pool_->stop(shutdown_deadline_);
  thread_pool_.reset();
  turn().end_participants();
  turn().settle();
  thread_calls_.clear();
  when_running_.clear();
  drop_calls();
}

// ---- start and stop

void BasicReactor::run() {
  if (state_ != State::idle) {
    throw AlreadyRunningError("This reactor runs already; hand work to it with call_from_thread.");
  }
  const Turn::Activation activation(turn());
  turn().claim_thread();
  {
    const std::lock_guard lock(thread_calls_mutex_);
    takes_thread_calls_ = true;
  }
  stop_asked_ = false;
  state_ = State::starting;
  try {
    run_began();
    start();
    while (state_ != State::ended)
      round(std::nullopt);
  } catch (...) {
    // Only the loop's own machinery can throw here; the run ends, and its caller hears why.
    refuse_thread_calls();
    run_ended();
    turn().release_thread();
    state_ = State::idle;
    throw;
  }
  run_ended();
  refuse_thread_calls();
  run_thread_calls();
  turn().release_thread();
  state_ = State::idle;
}

void BasicReactor::start() {
  const auto phase = [this](Phase next) {
    return [this, next] { return events_->fire(turn(), next, SystemEvent::startup); };
  };
  auto done = phase(Phase::before)()
                  .add_callback([this] {
                    if (state_ == State::starting) state_ = State::running;
                    for (auto& call : std::exchange(when_running_, {})) {
                      turn().enter_logged_in(call.context, "A call_when_running callback threw",
                                             call.callback);
                    }
                  })
                  .add_callback(phase(Phase::during))
                  .add_callback(phase(Phase::after));
}

void BasicReactor::stop() {
  turn().check_thread();
  if (state_ != State::starting && state_ != State::running) {
    throw NotRunningError(state_ == State::stopping
                              ? "This reactor is stopping already; once is enough."
                              : "This reactor does not run, so it cannot be stopped.");
  }
  state_ = State::stopping;
  shutdown_call_ = call_later(shutdown_deadline_, [this] {
    log(LogLevel::warning, "reactor",
        "The orderly shutdown did not end within its deadline; the loop ends without the rest");
    connections_ended();
    crash();
  });
  // Not inside this call: whoever stops may have more to do in its own turn.
  shutdown_step_ = call_later(Duration::zero(), [this] { shut_down(); });
}

// The last deferred of a phase may fire inside any callback, of a connection for instance, and the
// next phase is none of its business: the loop begins it.
void BasicReactor::after_phase(Deferred<void> phase, Callback next) {
  const auto begun = std::move(phase).add_callback([this, next = std::move(next)]() mutable {
    if (state_ == State::stopping) shutdown_step_ = call_later(Duration::zero(), std::move(next));
  });
}

void BasicReactor::shut_down() {
  after_phase(events_->fire(turn(), Phase::before, SystemEvent::shutdown),
              [this] { end_connections(); });
}

void BasicReactor::end_connections() {
  auto during = events_->fire(turn(), Phase::during, SystemEvent::shutdown);
  connections_ended();
  after_phase(std::move(during), [this] {
    after_phase(events_->fire(turn(), Phase::after, SystemEvent::shutdown), [this] {
      if (thread_pool_ != nullptr) thread_pool_->stop(shutdown_deadline_);
      crash();
    });
  });
}

void BasicReactor::connections_ended() noexcept {
  turn().end_participants();
}

void BasicReactor::crash() noexcept {
  shutdown_call_.cancel_if_active();
  shutdown_step_.cancel_if_active();
  if (state_ != State::idle) state_ = State::ended;
}

void BasicReactor::stop_from_thread() noexcept {
  stop_asked_ = true;
  wake();
}

void BasicReactor::interrupted() noexcept {
  try {
    if (state_ == State::stopping) {
      log(LogLevel::warning, "reactor", "Interrupted while stopping; the loop ends at once");
      connections_ended();
      crash();
    } else if (state_ == State::starting || state_ == State::running) {
      stop();
    }
  } catch (...) {
    log_failure("reactor", "An orderly shutdown could not begin", Failure::current());
    crash();
  }
}

bool BasicReactor::running() const noexcept {
  return state_ == State::running || state_ == State::stopping;
}

void BasicReactor::call_when_running(Callback callback) {
  if (running()) {
    // As one that waits: it captures here, and what it sets is none of its caller's business.
    Call call(std::move(callback));
    turn().enter_logged_in(call.context, "A call_when_running callback threw", call.callback);
  } else {
    when_running_.emplace_back(std::move(callback));
  }
}

TriggerId BasicReactor::add_trigger(Phase phase, SystemEvent event, Trigger trigger) {
  return events_->add(phase, event, std::move(trigger));
}

bool BasicReactor::remove_system_event_trigger(TriggerId trigger) {
  return events_->remove(trigger);
}

void BasicReactor::set_resolver(std::shared_ptr<Resolver> resolver) {
  if (resolver == nullptr)
    throw InvalidArgument("A reactor was given no resolver; pass an object.");
  resolver_ = std::move(resolver);
}

ThreadPool& BasicReactor::thread_pool() {
  if (thread_pool_ == nullptr) {
    thread_pool_ = ThreadPool::of_reactor(*this);
  }
  return *thread_pool_;
}

// ---- one round

bool BasicReactor::call_from_thread(Callback callback) {
  {
    const std::lock_guard lock(thread_calls_mutex_);
    if (!takes_thread_calls_) return false;
    thread_calls_.emplace_back(std::move(callback));
    // One wake-up serves all that come before the loop looks.
    if (thread_calls_waiting_.exchange(true)) return true;
  }
  wake();
  return true;
}

bool BasicReactor::run_thread_calls() {
  if (!thread_calls_waiting_.load(std::memory_order_acquire)) return false;
  auto calls = std::exchange(spare_thread_calls_, {});
  {
    const std::lock_guard lock(thread_calls_mutex_);
    calls.swap(thread_calls_);
    thread_calls_waiting_ = false;
  }
  turn().counts().thread_calls += calls.size();
  for (auto& call : calls) {
    turn().enter_logged_in(call.context, "A call from another thread threw", [&call] {
      auto running = std::move(call.callback);
      running();
    });
  }
  calls.clear();
  if (calls.capacity() <= max_spare_thread_calls) spare_thread_calls_ = std::move(calls);
  return true;
}

void BasicReactor::round(std::optional<TimePoint> latest) {
  if (stop_asked_.exchange(false) && (state_ == State::starting || state_ == State::running)) {
    stop();
  }
  ++turn().counts().rounds;
  bool done_something = run_thread_calls();
  done_something = run_due(now()) > 0 || done_something;
  done_something = turn().wake_waiting() || done_something;
  // A layer hears of its carrier's loss, and its own protocol of that: not one wait in vain for
  // each.
  if (turn().has_waiting()) turn().wake_waiting();
  if (state_ == State::ended) return;
  auto until = next_due();
  // Whoever runs single rounds waits for something to happen, and something has.
  const bool enough = done_something && latest.has_value();
  if (enough || turn().has_waiting() || thread_calls_waiting_.load(std::memory_order_acquire)) {
    until = now();
  } else if (latest) {
    until = until ? std::min(*until, *latest) : *latest;
  }
  wait(until);
}

void BasicReactor::run_once(Duration max_wait) {
  const Turn::Activation activation(turn());
  turn().note_round();
  round(now() + max_wait);
}

}  // namespace weft
