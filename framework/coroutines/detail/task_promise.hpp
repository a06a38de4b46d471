// The promise of a Task, and the cell of the result of one that was begun by itself.
#pragma once

#include "awaiters.hpp"

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::detail {

/// What `co_return` leaves behind, and how a task ends.
template <class T>
class ResultFrame : public AwaitingFrame {
 public:
  [[nodiscard]] static std::suspend_always initial_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { outcome_.emplace(this->run().caught(*this)); }

  struct Ending {
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      TaskFrame& frame = ended.promise();
      frame.run().give_back(frame);
    }
    static void await_resume() noexcept {}
  };
  [[nodiscard]] static Ending final_suspend() noexcept { return {}; }

  /// Once, after its end.
  [[nodiscard]] Outcome<T> take_outcome() noexcept { return std::move(*outcome_); }

  static void* operator new(std::size_t size) { return FrameMemory::take(size); }
  static void operator delete(void* memory, std::size_t size) noexcept {
    FrameMemory::give_back(memory, size);
  }

 protected:
  ResultFrame() noexcept = default;
  ~ResultFrame() = default;
  std::optional<Outcome<T>> outcome_;
};

template <class T>
class TaskPromise final : public ResultFrame<T> {
  static_assert(!std::is_reference_v<T>, "a task gives a value; return a pointer instead");

 public:
  Task<T> get_return_object(SourceLocation made = SourceLocation::current()) noexcept;
  /// A value, an Outcome or a Failure.
  template <class V = T>
  requires std::convertible_to<V&&, Outcome<T>>
  void return_value(V&& value) { this->outcome_.emplace(std::forward<V>(value)); }
};

template <>
class TaskPromise<void> final : public ResultFrame<void> {
 public:
  Task<void> get_return_object(SourceLocation made = SourceLocation::current()) noexcept;
  void return_void() noexcept { outcome_.emplace(); }
};

/// The result of a task that was begun by itself, and its run.
template <class T>
class TaskCell final : public Cell<T>, private TaskRun {
 public:
  /// Errors: std::bad_alloc, which leaves `task` as it was.
  static Deferred<T> begin(Task<T>& task, const SourceLocation& where) {
    auto* const cell = new TaskCell(*task.promise_, where);
    task.promise_ = nullptr;
    if (cell->TaskRun::begin()) cell->conclude();
    return Deferred<T>(static_cast<Cell<T>*>(cell));
  }
  static Deferred<T> begin_hidden(Task<T> task) {
    task.promise_->hide();
    return begin(task, task.promise_->made());
  }

 private:
  TaskCell(TaskPromise<T>& root, const SourceLocation& where) noexcept
      : Cell<T>(where), TaskRun(*this, root), root_(&root) {}
  ~TaskCell() = default;

  void dispose() noexcept override { delete this; }
  void advance(CellBase&) noexcept override {
    if (this->wake()) conclude();
  }
  void discard() noexcept override {
    if (std::exchange(root_, nullptr) != nullptr) this->unwind();
  }
  void cancel_origin() noexcept override { this->keep_cancellation(); }
  void tell_unhandled(const Failure& failure) noexcept override {
    report_failed_task(name_.get(), made_, this->where(), failure);
  }

  void conclude() noexcept {
    Outcome<T> outcome = root_->take_outcome();
    if (!outcome.succeeded()) {
      made_ = root_->made();
      name_ = root_->release_name();
    }
    // The frame is gone before its result is seen.
    this->leave(*std::exchange(root_, nullptr));
    this->put(std::move(outcome));
  }

  TaskPromise<T>* root_;
  // What a report of its failure says, when the frame is gone.
  SourceLocation made_;
  std::unique_ptr<std::string> name_;
};

}  // namespace weft::detail
