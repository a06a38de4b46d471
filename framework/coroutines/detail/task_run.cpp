#include "task_run.hpp"

#include "../../census.hpp"
#include "../../detail/names.hpp"
#include "../../error.hpp"
#include "../../logging.hpp"
#include "../../turn.hpp"
#include "task_memory.hpp"

#include <mutex>
#include <string_view>
#include <thread>

namespace weft::detail {

namespace {

// Frames that are destroyed inside of others, which they were arguments or locals of. Beyond a
// depth that no honest program has, they wait for the outermost.
struct Destroying {
  int depth = 0;
  TaskFrame* waiting = nullptr;
  bool dropping = false;
};
constexpr int max_depth = 100;

thread_local Destroying destroying;

// The tasks that were begun where no loop runs, which may be any thread, and resumed in another's.
struct Nowhere {
  std::mutex mutex;
  TaskRun* first = nullptr;
};
Nowhere nowhere;

}  // namespace

// ---- frames

void TaskFrame::destroy() noexcept {
  auto& state = destroying;
  if (state.depth == max_depth) {
    awaiter_ = std::exchange(state.waiting, this);
    return;
  }
  ++state.depth;
  handle_.destroy();
  while (state.depth == 1 && state.waiting != nullptr) {
    TaskFrame* const next = state.waiting;
    state.waiting = next->awaiter_;
    next->handle_.destroy();
  }
  --state.depth;
}

void TaskFrame::drop() noexcept {
  // What it was given to await was not awaited for the same reason.
  if (destroying.dropping) return destroy();
  census().unawaited_tasks.fetch_add(1, std::memory_order_relaxed);
  try {
    log(LogLevel::error, "task",
        "The task " + name_of(*this) + ", made at " + place_text(made_) +
            ", was dropped before it began; co_await it, or give it to ensure_deferred.");
  } catch (...) {
    log(LogLevel::error, "task", "A task was dropped before it began");
  }
  destroying.dropping = true;
  destroy();
  destroying.dropping = false;
}

TaskMemory TaskMemory::current() noexcept {
  TaskMemory memory;
  if (const TaskRun* const run = TaskRun::current_) {
    memory.run_ = &run->cell_;
    memory.frame_ = run->innermost_->handle_.address();
  }
  return memory;
}

// ---- runs

bool TaskRun::begin() noexcept {
  list_in(Turn::current());
  return drive();
}

bool TaskRun::drive() noexcept {
  // One that waited long is in no cache, and would be fetched line after line.
  prefetch(innermost_, TaskMemory::frame_lines);
  if (turn_ == nullptr && Turn::current() != nullptr) {
    leave_list();
    list_in(Turn::current());
  }
  const ContextSwitch inside(context_);
  const TaskRun* const outer = std::exchange(current_, this);
  running_ = true;
  do {
    resumes_ = false;
    innermost_->handle_.resume();
    // Outside of the frame, which what is cancelled may want to resume.
    if (cancel_next_wait_ && !resumes_ && !ended_) {
      cancel_next_wait_ = false;
      cell_.cancel();
    }
  } while (resumes_);
  running_ = false;
  current_ = outer;
  return ended_;
}

void TaskRun::unwind() noexcept {
  leave_list();
  {
    const ContextSwitch inside(context_);
    for (TaskFrame* frame = innermost_; frame != nullptr;) {
      TaskFrame* const awaiting = std::exchange(frame->awaiter_, nullptr);
      if (!frame->kept_) frame->destroy();
      frame = awaiting;
    }
  }
  context_ = {};
}

void TaskRun::raise(const Failure& failure) {
  thrown_ = failure.exception();
  raised_ = failure;
  std::rethrow_exception(thrown_);
}

void TaskRun::forget_raised() noexcept {
  thrown_ = nullptr;
  raised_.reset();
}

Failure TaskRun::caught(const TaskFrame& frame) noexcept {
  auto thrown = std::current_exception();
  if (thrown_ && thrown_ == thrown) return *raised_;
  return Failure(thrown, frame.made());
}

// ---- the list

void TaskRun::link(TaskRun*& first) noexcept {
  previous_ = nullptr;
  next_ = std::exchange(first, this);
  if (next_ != nullptr) next_->previous_ = this;
}

void TaskRun::unlink(TaskRun*& first) noexcept {
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ != nullptr ? previous_->next_ : first) = next_;
}

void TaskRun::list_in(Turn* turn) noexcept {
  turn_ = turn;
  if (turn != nullptr) return link(turn->tasks_);
  thread_ = std::this_thread::get_id();
  const std::lock_guard lock(nowhere.mutex);
  link(nowhere.first);
}

void TaskRun::leave_list() noexcept {
  if (turn_ != nullptr) return unlink(turn_->tasks_);
  const std::lock_guard lock(nowhere.mutex);
  unlink(nowhere.first);
}

void TaskRun::left_behind(Turn& turn) noexcept {
  while (TaskRun* const run = turn.tasks_) {
    run->leave_list();
    run->list_in(nullptr);
  }
}

std::vector<const TaskRun*> TaskRun::listed(const Turn& turn) {
  std::vector<const TaskRun*> runs;
  for (const TaskRun* run = turn.tasks_; run != nullptr; run = run->next_)
    runs.push_back(run);
  // Those of other threads may run, or end, while these are read.
  const auto here = std::this_thread::get_id();
  const std::lock_guard lock(nowhere.mutex);
  for (const TaskRun* run = nowhere.first; run != nullptr; run = run->next_) {
    if (run->thread_ == here) runs.push_back(run);
  }
  return runs;
}

// ---- words

std::string name_of(const TaskFrame& frame) {
  return name_of(frame.name(), frame.made());
}

std::string name_of(const std::string* name, const SourceLocation& made) {
  if (name != nullptr) return *name;
  // GCC says "weft::Task<int> fetch(int) [with ...]", Clang "fetch".
  std::string_view function = made.function_name();
  function = function.substr(0, function.find(" [with "));
  int depth = 0;
  if (function.ends_with(" const")) function.remove_suffix(6);
  if (function.ends_with(')')) {
    auto at = function.size();
    do {
      --at;
      if (function[at] == ')') ++depth;
      if (function[at] == '(') --depth;
    } while (depth > 0 && at > 0);
    function = function.substr(0, at);
  }
  // The type of what it returns ends at the last space outside of brackets.
  for (auto at = function.size(); at > 0; --at) {
    const char c = function[at - 1];
    if (c == ')' || c == '>' || c == '}') ++depth;
    if (c == '(' || c == '<' || c == '{') --depth;
    if (c == ' ' && depth == 0) return std::string(function.substr(at));
  }
  return std::string(function);
}

void report_failed_task(const std::string* name, const SourceLocation& made,
                        const SourceLocation& begun, const Failure& failure) noexcept {
  census().unhandled_failures.fetch_add(1, std::memory_order_relaxed);
  constexpr auto component = "task";
  try {
    log_failure(component,
                "Nobody handled the failure of the task " + name_of(name, made) + ", begun at " +
                    place_text(begun),
                failure);
  } catch (...) {
    log_failure(component, "Nobody handled the failure of a task", failure);
  }
}

Failure awaits_itself(const SourceLocation& where) noexcept {
  try {
    return Failure(InvalidArgument("The co_await at " + place_text(where) +
                                   " would wait for the result of its own task for ever."),
                   where);
  } catch (...) {
    return Failure::current();
  }
}

void refuse_consumed_task() {
  throw AlreadyCalledError("This task was awaited or begun already; a task runs once.");
}

}  // namespace weft::detail
