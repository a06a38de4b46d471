#include "cooperator.hpp"

#include "context.hpp"
#include "logging.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weft {

// Shared, because a step may destroy its Cooperator.
struct CooperativeTask::Queue : std::enable_shared_from_this<Queue> {
  Queue(Clock& queue_clock, Duration slice_length) : clock(queue_clock), slice(slice_length) {}
  void add(std::shared_ptr<State> task);
  void schedule();
  void run_slice();
  void stop_all();

  Clock& clock;
  Duration slice;
  std::deque<std::shared_ptr<State>> ready;
  /// Those that have not ended.
  std::vector<std::shared_ptr<State>> all;
  DelayedCall next;
  bool running_slice = false;
};

struct CooperativeTask::State : std::enable_shared_from_this<State> {
  enum class End : std::uint8_t { none, done, stopped, failed };

  State(const std::shared_ptr<Queue>& task_queue, UniqueFunction<StepResult()> task_step)
      : queue(task_queue), step(std::move(task_step)) {}
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[nodiscard]] bool runnable() const { return end == End::none && pauses == 0 && !waiting; }
  void check_not_ended() const;
  void make_ready();
  void take_step();
  void step_once();
  void wait_for(Deferred<void> wait);
  void finish(End how, std::optional<Failure> why);
  void stop();

  std::weak_ptr<Queue> queue;
  UniqueFunction<StepResult()> step;
  // All steps run in it; that of whoever began the task, to begin with.
  detail::HeldContext context = detail::HeldContext::capture();
  End end = End::none;
  std::optional<Failure> failure;
  bool failure_seen = false;
  int pauses = 0;
  bool waiting = false;
  bool queued = false;
  Canceller waited_for;
  std::vector<Promise<void>> waiters;
};

void CooperativeTask::Queue::add(std::shared_ptr<State> task) {
  if (std::exchange(task->queued, true)) return;
  ready.push_back(std::move(task));
  schedule();
}

void CooperativeTask::Queue::schedule() {
  if (running_slice || ready.empty() || next.active()) return;
  // A slice is everybody's.
  const auto nobody_s = Context::suppress();
  next = clock.call_later(Duration::zero(), [weak = weak_from_this()] {
    if (const auto queue = weak.lock()) queue->run_slice();
  });
}

void CooperativeTask::Queue::run_slice() {
  const auto end = clock.now() + slice;
  running_slice = true;
  for (std::size_t steps = 0; steps < Cooperator::max_steps_in_slice && !ready.empty(); ++steps) {
    const auto task = std::move(ready.front());
    ready.pop_front();
    task->queued = false;
    if (task->runnable()) task->take_step();
    if (clock.now() >= end) break;
  }
  running_slice = false;
  schedule();
}

void CooperativeTask::Queue::stop_all() {
  // A copy: what a task's end calls may stop others.
  const auto tasks = all;
  for (const auto& task : tasks) {
    if (task->end == State::End::none) task->stop();
  }
}

CooperativeTask::State::~State() {
  if (failure && !failure_seen && end == End::failed) {
    log_failure("cooperator", "Nobody asked for the end of a task that failed", *failure);
  }
}

void CooperativeTask::State::check_not_ended() const {
  switch (end) {
    case End::none:
      return;
    case End::done:
      throw TaskDone("This task has done all its work already.");
    case End::stopped:
      throw TaskStopped("This task was stopped already.");
    case End::failed:
      throw TaskFailed("This task has ended already, because a step of it failed.");
  }
}

void CooperativeTask::State::make_ready() {
  if (!runnable()) return;
  if (const auto owner = queue.lock()) owner->add(shared_from_this());
}

void CooperativeTask::State::take_step() {
  {
    const detail::ContextSwitch inside(context);
    step_once();
  }
  if (end != End::none) context = detail::HeldContext();
}

void CooperativeTask::State::step_once() {
  // Kept here: the step may end its own task, which destroys it.
  auto taking = std::move(step);
  try {
    auto result = taking();
    if (end != End::none) return;
    step = std::move(taking);
    if (auto* wait = std::get_if<Deferred<void>>(&result.held_)) {
      wait_for(std::move(*wait));
    } else if (std::get<Work>(result.held_) == Work::done) {
      finish(End::done, std::nullopt);
    } else {
      make_ready();
    }
  } catch (...) {
    if (end == End::none) finish(End::failed, Failure::current());
  }
}

void CooperativeTask::State::wait_for(Deferred<void> wait) {
  waiting = true;
  waited_for = wait.canceller();
  static_cast<void>(
      std::move(wait).add_both([self = shared_from_this()](const Outcome<void>& outcome) {
        self->waiting = false;
        self->waited_for = Canceller();
        if (self->end != End::none) return;
        if (outcome) {
          self->make_ready();
        } else {
          self->finish(End::failed, outcome.failure());
        }
      }));
}

void CooperativeTask::State::finish(End how, std::optional<Failure> why) {
  const auto self = shared_from_this();
  end = how;
  failure = std::move(why);
  const auto context_ended_last = std::move(context);
  const auto destroyed_last = std::move(step);
  if (const auto owner = queue.lock()) std::erase(owner->all, self);
  auto to_tell = std::exchange(waiters, {});
  failure_seen = !to_tell.empty();
  for (auto& waiter : to_tell) {
    if (waiter.fired()) continue;
    waiter.fire(failure ? Outcome<void>(*failure) : Outcome<void>());
  }
}

void CooperativeTask::State::stop() {
  const auto self = shared_from_this();
  auto wait = std::move(waited_for);
  finish(End::stopped, make_failure<TaskStopped>("The task was stopped before its work was done."));
  wait.cancel();
}

void CooperativeTask::pause() {
  state_->check_not_ended();
  ++state_->pauses;
}

void CooperativeTask::resume() {
  state_->check_not_ended();
  if (state_->pauses == 0) {
    throw InvalidArgument("This task is not paused; resume it once for each pause.");
  }
  --state_->pauses;
  state_->make_ready();
}

void CooperativeTask::stop() {
  state_->check_not_ended();
  const auto state = state_;
  state->stop();
}

Deferred<void> CooperativeTask::when_done(SourceLocation where) {
  if (state_->end != State::End::none) {
    state_->failure_seen = true;
    return state_->failure ? fail<void>(*state_->failure) : succeed();
  }
  Promise<void> promise({}, where);
  auto deferred = promise.deferred();
  state_->waiters.push_back(std::move(promise));
  return deferred;
}

bool CooperativeTask::finished() const noexcept {
  return state_->end != State::End::none;
}

Cooperator::Cooperator(Clock& clock, Duration slice)
    : queue_(std::make_shared<CooperativeTask::Queue>(clock, slice)) {
  if (slice < Duration::zero()) throw InvalidArgument("The slice must not be negative.");
}

Cooperator::~Cooperator() {
  const auto queue = queue_;
  queue->next.cancel_if_active();
  queue->stop_all();
}

CooperativeTask Cooperator::cooperate(UniqueFunction<StepResult()> step) {
  if (!step) throw InvalidArgument("An empty step was given to cooperate.");
  auto task = std::make_shared<CooperativeTask::State>(queue_, std::move(step));
  queue_->all.push_back(task);
  task->make_ready();
  return CooperativeTask(std::move(task));
}

void Cooperator::stop() {
  const auto queue = queue_;
  queue->stop_all();
}

std::size_t Cooperator::size() const noexcept {
  return queue_->all.size();
}

}  // namespace weft
