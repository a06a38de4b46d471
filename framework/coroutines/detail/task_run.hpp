// The machinery below Task: the frames of tasks that await each other, and the run that resumes
// them one after the other.
#pragma once

#include "../../detail/cell.hpp"
#include "../../detail/held_context.hpp"
#include "../../failure.hpp"
#include "../../source_location.hpp"

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft {

class Turn;

namespace detail {

class TaskRun;

/// What every coroutine of ours has in its frame: the base of its promise. It lies there before it
/// begins, as the innermost or an awaiting frame of a run, and after its end until its result is
/// taken. It is destroyed before it begins or when it has given back, never while it waits: what a
/// run waits for always comes, be it as a BrokenPromiseError.
class TaskFrame {
 public:
  TaskFrame(const TaskFrame&) = delete;
  TaskFrame& operator=(const TaskFrame&) = delete;

  [[nodiscard]] bool begun() const noexcept { return run_ != nullptr; }
  /// The run that it is part of; only once it has begun.
  [[nodiscard]] TaskRun& run() const noexcept { return *run_; }
  /// Who awaits it, or null.
  [[nodiscard]] const TaskFrame* awaiter() const noexcept { return awaiter_; }
  /// The function that it is the frame of, as the compiler names it.
  [[nodiscard]] const SourceLocation& made() const noexcept { return made_; }
  /// The co_await that it came to last.
  [[nodiscard]] const SourceLocation& awaits_at() const noexcept { return awaits_at_; }
  void came_to(const SourceLocation& where) noexcept { awaits_at_ = where; }
  /// The name it was given, or null.
  [[nodiscard]] const std::string* name() const noexcept { return name_.get(); }
  [[nodiscard]] std::unique_ptr<std::string> release_name() noexcept { return std::move(name_); }
  void set_name(std::string name) { name_ = std::make_unique<std::string>(std::move(name)); }
  /// It only keeps what another needs, and is not listed.
  [[nodiscard]] bool hidden() const noexcept { return hidden_; }
  void hide() noexcept { hidden_ = true; }
  /// Not whoever awaits it destroys it, but somebody else.
  void keep() noexcept { kept_ = true; }

  /// Destroys the frame; the frames that are destroyed with it are not destroyed inside each other
  /// without bound.
  void destroy() noexcept;
  /// The same for one that never began, which is reported.
  void drop() noexcept;

 protected:
  TaskFrame() noexcept = default;
  ~TaskFrame() = default;

  void is_of(std::coroutine_handle<> handle, const SourceLocation& made) noexcept {
    handle_ = handle;
    made_ = made;
  }

 private:
  friend class TaskMemory;
  friend class TaskRun;

  /// Reports call this what they would have called `ended`.
  void stand_for(TaskFrame& ended) noexcept {
    made_ = ended.made_;
    name_ = std::move(ended.name_);
  }

  std::coroutine_handle<> handle_;
  TaskRun* run_ = nullptr;
  TaskFrame* awaiter_ = nullptr;
  SourceLocation made_;
  SourceLocation awaits_at_;
  std::unique_ptr<std::string> name_;
  bool hidden_ = false;
  bool kept_ = false;
};

/// A task that was begun by itself, and those that it awaits: a stack of frames, of which the
/// innermost runs or waits. It resumes them in a loop, so that neither the depth of the stack nor
/// the number of awaits grows the program's: no frame resumes another. It waits for one cell at a
/// time, as the consumer of that cell. All of its frames share a context, which begins as a copy of
/// the one that it was begun in.
class TaskRun {
 public:
  TaskRun(const TaskRun&) = delete;
  TaskRun& operator=(const TaskRun&) = delete;

  // ---- what awaiters call, from await_suspend

  /// `callee` goes on (or begins) as soon as `caller` is suspended, which waits for it.
  void call(TaskFrame& caller, TaskFrame& callee) noexcept {
    callee.run_ = this;
    callee.awaiter_ = &caller;
    go_on_with(callee);
  }
  /// `callee` has ended, or has something for who awaits it, which goes on. With nobody there the
  /// run ends.
  void give_back(TaskFrame& callee) noexcept {
    if (TaskFrame* const caller = std::exchange(callee.awaiter_, nullptr)) {
      if (caller->hidden_) caller->stand_for(callee);
      go_on_with(*caller);
    } else {
      ended_ = true;
    }
  }
  /// The innermost frame waits for `source`, which is not ready; whoever awaits reads it.
  void wait(CellBase& source) noexcept {
    if (thrown_) forget_raised();
    source.feed(cell_);
  }
  /// True when `source` waits for this run, so that to wait for it would never end.
  [[nodiscard]] bool is_awaited_by(const CellBase& source) const noexcept {
    return source.waits_for(cell_);
  }

  // ---- failures, in and out of coroutines

  /// Throws `failure` with its own type, and remembers it.
  [[noreturn]] void raise(const Failure& failure);
  /// The exception that is being handled, which leaves `frame`: the Failure that was raised, where
  /// it is that one.
  [[nodiscard]] Failure caught(const TaskFrame& frame) noexcept;

  // ---- for the list of tasks

  [[nodiscard]] const CellBase& cell() const noexcept { return cell_; }
  [[nodiscard]] const TaskFrame& innermost() const noexcept { return *innermost_; }
  [[nodiscard]] bool running() const noexcept { return running_; }
  /// Those that began in `turn`, or in this thread outside of every loop and were not resumed in
  /// one yet; the newest of each first.
  [[nodiscard]] static std::vector<const TaskRun*> listed(const Turn& turn);

 protected:
  TaskRun(CellBase& cell, TaskFrame& root) noexcept
      : cell_(cell), innermost_(&root), context_(HeldContext::capture()) {
    root.run_ = this;
  }
  ~TaskRun() = default;

  /// Runs the root to its first wait; true when it has ended.
  [[nodiscard]] bool begin() noexcept;
  /// What the innermost frame waited for has come; true when the root has ended.
  [[nodiscard]] bool wake() noexcept {
    if (!running_) return drive();
    // It came inside of the run, whose loop goes on with it.
    resumes_ = true;
    return false;
  }
  /// It was cancelled while it ran: its next wait is.
  void keep_cancellation() noexcept { cancel_next_wait_ = true; }
  /// It has ended: `root` is destroyed, in the run's context, which is let go of then.
  void leave(TaskFrame& root) noexcept {
    leave_list();
    {
      const ContextSwitch inside(context_);
      root.destroy();
    }
    context_ = {};
  }
  /// It will not end: destroys the frames where they wait, each before the one that awaits it, in
  /// the run's context, which is let go of then.
  void unwind() noexcept;

 private:
  friend class weft::Turn;
  friend class TaskMemory;

  void go_on_with(TaskFrame& frame) noexcept {
    innermost_ = &frame;
    resumes_ = true;
  }
  bool drive() noexcept;
  void forget_raised() noexcept;
  void list_in(Turn* turn) noexcept;
  void leave_list() noexcept;
  void link(TaskRun*& first) noexcept;
  void unlink(TaskRun*& first) noexcept;
  /// The turn is gone; its tasks belong to no loop.
  static void left_behind(Turn& turn) noexcept;

  // The innermost that runs in this thread.
  static inline thread_local const TaskRun* current_ = nullptr;

  // What every wait needs comes first.
  CellBase& cell_;
  TaskFrame* innermost_;
  HeldContext context_;
  // The loop that resumes frames runs, and has another to resume.
  bool running_ = false;
  bool resumes_ = false;
  bool ended_ = false;
  bool cancel_next_wait_ = false;
  Turn* turn_ = nullptr;
  // What was thrown into a frame last, and the failure that it stands for.
  std::exception_ptr thrown_;
  std::optional<Failure> raised_;
  // Which began it, or left it behind, where it belongs to no turn.
  std::thread::id thread_;
  TaskRun* next_ = nullptr;
  TaskRun* previous_ = nullptr;
};

/// How a task is called in messages: its name, or its function without types.
[[nodiscard]] std::string name_of(const TaskFrame& frame);
[[nodiscard]] std::string name_of(const std::string* name, const SourceLocation& made);
/// Tells the log and the census of a task that failed and whose failure nobody handled.
void report_failed_task(const std::string* name, const SourceLocation& made,
                        const SourceLocation& begun, const Failure& failure) noexcept;
/// What a task gets that awaits its own result.
[[nodiscard]] Failure awaits_itself(const SourceLocation& where) noexcept;
/// Somebody awaits, or begins, a task that was awaited already.
[[noreturn]] void refuse_consumed_task();

}  // namespace detail
}  // namespace weft
