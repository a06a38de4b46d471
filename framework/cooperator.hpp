// Long work done in short slices, so that the loop stays responsive.
#pragma once

#include "clock.hpp"
#include "deferred.hpp"
#include "error.hpp"
#include "source_location.hpp"
#include "unique_function.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>

namespace weft {

/// A task that has ended was asked to change.
class TaskFinishedError : public Error {
 public:
  using Error::Error;
};
/// It had done all its work.
class TaskDone : public TaskFinishedError {
 public:
  using TaskFinishedError::TaskFinishedError;
};
/// It was stopped; what `when_done` fails with then.
class TaskStopped : public TaskFinishedError {
 public:
  using TaskFinishedError::TaskFinishedError;
};
/// One of its steps had failed.
class TaskFailed : public TaskFinishedError {
 public:
  using TaskFinishedError::TaskFinishedError;
};

/// What a step says about the work: there is more, or it is done.
enum class Work : std::uint8_t { more, done };

/// What a step returns: Work, or a deferred after which there is more.
class StepResult {
 public:
  StepResult(Work work) noexcept : held_(work) {}
  StepResult(Deferred<void> wait) noexcept : held_(std::move(wait)) {}

 private:
  friend class CooperativeTask;
  std::variant<Work, Deferred<void>> held_;
};

/// A handle to work that a Cooperator does; copies are handles to the same. Dropping all of them
/// lets the work go on. Errors: changing one that has ended throws TaskDone, TaskStopped or
/// TaskFailed.
class CooperativeTask {
 public:
  /// Takes no step until `resume`. Counted: two who pause must both resume.
  void pause();
  /// Errors: InvalidArgument where nobody paused.
  void resume();
  /// Takes no more steps; a deferred that a step waits for is cancelled.
  void stop();
  /// Fires when the work is done, fails with what a step failed with, or with TaskStopped. May be
  /// asked for any number of times.
  Deferred<void> when_done(SourceLocation where = SourceLocation::current());
  [[nodiscard]] bool finished() const noexcept;

 private:
  friend class Cooperator;
  struct State;
  struct Queue;
  explicit CooperativeTask(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

/// Takes the steps of its tasks in turn, for one slice of time in each turn of the loop.
/// Lifetime: destroying it stops its tasks.
class Cooperator {
 public:
  static constexpr Duration default_slice = std::chrono::milliseconds(10);
  /// However short the steps are, as many end a slice: a clock that stands still must not hold the
  /// loop.
  static constexpr std::size_t max_steps_in_slice = 10'000;

  /// Errors: InvalidArgument for a negative slice; with zero each turn takes one step.
  explicit Cooperator(Clock& clock, Duration slice = default_slice);
  ~Cooperator();
  Cooperator(const Cooperator&) = delete;
  Cooperator& operator=(const Cooperator&) = delete;

  /// Calls `step()`, which returns a StepResult, until it says that the work is done; first when
  /// the loop comes round. What it throws ends the task.
  CooperativeTask cooperate(UniqueFunction<StepResult()> step);
  /// Stops all tasks.
  void stop();
  /// How many tasks have not ended.
  [[nodiscard]] std::size_t size() const noexcept;

 private:
  std::shared_ptr<CooperativeTask::Queue> queue_;
};

}  // namespace weft
