// What a co_await inside a task does, by what is awaited.
#pragma once

#include "../../deferred.hpp"
#include "task_run.hpp"

#include <coroutine>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class Task;
template <class A>
class AsResult;

namespace detail {

template <class T>
class TaskPromise;

/// What a co_await in `frame` gives for `outcome`: itself, or its value. Raises what failed.
template <bool as_result, class T>
auto awaited(TaskFrame& frame, Outcome<T>&& outcome)
    -> std::conditional_t<as_result, Outcome<T>, T> {
  if constexpr (as_result) {
    return std::move(outcome);
  } else {
    if (!outcome.succeeded()) frame.run().raise(outcome.failure());
    if constexpr (!std::is_void_v<T>) return std::move(outcome).value();
  }
}

/// Awaits a deferred, which it takes over. Nothing is allocated: the run itself is fed by the
/// deferred's cell, and all that the frame keeps meanwhile is where that is.
template <class T, bool as_result>
class DeferredAwaiter {
 public:
  DeferredAwaiter(Deferred<T>& deferred, TaskFrame& frame) noexcept
      : deferred_(deferred), frame_(frame) {}
  DeferredAwaiter(const DeferredAwaiter&) = delete;
  DeferredAwaiter& operator=(const DeferredAwaiter&) = delete;
  ~DeferredAwaiter() {
    if (cell_ == nullptr) return;
    cell_->reader_left();
    cell_->release();
  }

  bool await_ready() {
    deferred_.settle();
    if (deferred_.held_.outcome() != nullptr) return true;
    const auto* const cell = deferred_.held_.cell();
    if (cell == nullptr) refuse_consumed();
    if (!frame_.run().is_awaited_by(*cell)) return false;
    deferred_ = Deferred<T>(Outcome<T>(awaits_itself(frame_.awaits_at())));
    return true;
  }
  void await_suspend(std::coroutine_handle<>) noexcept {
    // The deferred may be gone before its result comes.
    cell_ = deferred_.held_.cell();
    deferred_.held_.clear();
    frame_.run().wait(*cell_);
  }
  auto await_resume() -> std::conditional_t<as_result, Outcome<T>, T> {
    if (cell_ != nullptr) {
      Outcome<T> outcome = cell_->take();
      std::exchange(cell_, nullptr)->release();
      return awaited<as_result>(frame_, std::move(outcome));
    }
    Outcome<T> outcome = std::move(*deferred_.held_.outcome());
    deferred_.held_.clear();
    return awaited<as_result>(frame_, std::move(outcome));
  }

 private:
  Deferred<T>& deferred_;
  TaskFrame& frame_;
  // What it waits for, once it does.
  Cell<T>* cell_ = nullptr;
};

/// Awaits a task, which it takes over: begins it in the same run.
template <class T, bool as_result>
class TaskAwaiter {
 public:
  TaskAwaiter(Task<T>&& task, TaskFrame& frame) noexcept : task_(std::move(task)), frame_(frame) {}
  TaskAwaiter(const TaskAwaiter&) = delete;
  TaskAwaiter& operator=(const TaskAwaiter&) = delete;

  bool await_ready() const {
    if (!task_.valid()) refuse_consumed_task();
    return false;
  }
  void await_suspend(std::coroutine_handle<>) noexcept {
    callee_ = &task_.release();
    frame_.run().call(frame_, *callee_);
  }
  auto await_resume() -> std::conditional_t<as_result, Outcome<T>, T> {
    // The frame is gone before its result is seen.
    Outcome<T> outcome = callee_->take_outcome();
    std::exchange(callee_, nullptr)->destroy();
    return awaited<as_result>(frame_, std::move(outcome));
  }

 private:
  Task<T> task_;
  TaskFrame& frame_;
  TaskPromise<T>* callee_ = nullptr;
};

/// The base of a promise whose coroutine may await deferreds, tasks, either of them as_result, and
/// whatever has `awaiter_in(TaskFrame&)`, which gives an awaiter. Such an awaiter suspends by
/// calling `run().call`, `give_back` or `wait`, exactly one of them, and resumes nothing itself.
class AwaitingFrame : public TaskFrame {
 public:
  template <class T>
  auto await_transform(Deferred<T>&& deferred,
                       SourceLocation where = SourceLocation::current()) noexcept {
    came_to(where);
    return DeferredAwaiter<T, false>(deferred, *this);
  }
  template <class T>
  auto await_transform(Deferred<T>& deferred,
                       SourceLocation where = SourceLocation::current()) noexcept {
    return await_transform(std::move(deferred), where);
  }
  template <class T>
  auto await_transform(Task<T>&& task, SourceLocation where = SourceLocation::current()) noexcept {
    came_to(where);
    return TaskAwaiter<T, false>(std::move(task), *this);
  }
  template <class T>
  auto await_transform(Task<T>& task, SourceLocation where = SourceLocation::current()) noexcept {
    return await_transform(std::move(task), where);
  }
  template <class T>
  auto await_transform(AsResult<Deferred<T>>&& wrapped,
                       SourceLocation where = SourceLocation::current()) noexcept {
    came_to(where);
    return DeferredAwaiter<T, true>(wrapped.awaitable, *this);
  }
  template <class T>
  auto await_transform(AsResult<Task<T>>&& wrapped,
                       SourceLocation where = SourceLocation::current()) noexcept {
    came_to(where);
    return TaskAwaiter<T, true>(std::move(wrapped.awaitable), *this);
  }
  template <class A>
  requires requires(A&& awaitable, TaskFrame& frame) {
    std::forward<A>(awaitable).awaiter_in(frame);
  }
  auto await_transform(A&& awaitable, SourceLocation where = SourceLocation::current()) {
    came_to(where);
    return std::forward<A>(awaitable).awaiter_in(*this);
  }
};

}  // namespace detail
}  // namespace weft
