// Coroutines that await deferreds and each other.
#pragma once

#include "../deferred.hpp"
#include "detail/awaiters.hpp"
#include "detail/task_promise.hpp"

#include <functional>
#include <string>
#include <type_traits>
#include <utility>

namespace weft {

/// A coroutine that gives a T, or fails. It begins when another task awaits it, or when it is given
/// to `ensure_deferred`. Inside of it `co_await` takes a `Deferred`, a `Task`, or `as_result` of
/// either, and throws what they fail with. Lifetime: its arguments are copied or moved into it;
/// what it takes by reference, and the captures of a lambda that is one, must live until it has
/// ended (those of a callback that `add_callback` and its like were given do). Thread: all of a
/// task belongs to one thread. Errors: one that is dropped without having begun is logged.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using Value = T;
  using promise_type = detail::TaskPromise<T>;

  Task(Task&& other) noexcept : promise_(std::exchange(other.promise_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(promise_, other.promise_);
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() {
    if (promise_ != nullptr) promise_->drop();
  }

  /// Calls it `name` in reports and lists, instead of by its function.
  Task named(std::string name) && {
    if (promise_ == nullptr) detail::refuse_consumed_task();
    promise_->set_name(std::move(name));
    return std::move(*this);
  }
  /// Its name, or its function. Errors: AlreadyCalledError once it was awaited or begun.
  [[nodiscard]] std::string name() const {
    if (promise_ == nullptr) detail::refuse_consumed_task();
    return detail::name_of(*promise_);
  }
  /// False once it was awaited, begun or moved away.
  [[nodiscard]] bool valid() const noexcept { return promise_ != nullptr; }

  /// Begins it, like `ensure_deferred`: a callback that returns a Deferred may return a Task.
  operator Deferred<T>() && {
    if (promise_ == nullptr) detail::refuse_consumed_task();
    return detail::TaskCell<T>::begin(*this, promise_->made());
  }

 private:
  template <class>
  friend class detail::TaskPromise;
  template <class>
  friend class detail::TaskCell;
  template <class, bool>
  friend class detail::TaskAwaiter;
  template <class U>
  friend Deferred<U> ensure_deferred(Task<U> task, SourceLocation where);

  explicit Task(promise_type& promise) noexcept : promise_(&promise) {}
  promise_type& release() noexcept { return *std::exchange(promise_, nullptr); }

  promise_type* promise_;
};

/// Begins `task`, which runs at once, to its first wait, and then goes on inside whatever fires
/// what it waits for. The deferred is of its result. Dropping it lets the task go on; cancelling it
/// cancels what the task waits for, in the end, and the task sees a CancelledError at that
/// co_await. It may clean up with further awaits, which wait as ever until it is cancelled again.
template <class T>
Deferred<T> ensure_deferred(Task<T> task, SourceLocation where = SourceLocation::current()) {
  if (!task.valid()) detail::refuse_consumed_task();
  return detail::TaskCell<T>::begin(task, where);
}
template <class T>
Deferred<T> ensure_deferred(Deferred<T> deferred) {
  return deferred;
}

/// What `as_result` gives.
template <class A>
class [[nodiscard]] AsResult {
 public:
  A awaitable;
};
/// `co_await as_result(d)` gives the Outcome of a Deferred or a Task, and throws nothing.
template <class T>
AsResult<Deferred<T>> as_result(Deferred<T>&& deferred) noexcept {
  return {std::move(deferred)};
}
template <class T>
AsResult<Deferred<T>> as_result(Deferred<T>& deferred) noexcept {
  return {std::move(deferred)};
}
template <class T>
AsResult<Task<T>> as_result(Task<T>&& task) noexcept {
  return {std::move(task)};
}
template <class T>
AsResult<Task<T>> as_result(Task<T>& task) noexcept {
  return {std::move(task)};
}

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object(SourceLocation made) noexcept {
  this->is_of(std::coroutine_handle<TaskPromise>::from_promise(*this), made);
  return Task<T>(*this);
}

/// What is kept of an argument for a task. What is given as a const reference may be gone before
/// the task has ended; what is given to be changed is the caller's.
template <class A>
using KeptArgument = std::conditional_t<std::is_const_v<std::remove_reference_t<A>> &&
                                            std::is_copy_constructible_v<std::remove_cvref_t<A>>,
                                        std::remove_cvref_t<A>, A>;

/// Keeps what a callback captured, and its arguments, until the task that it returned has ended.
template <class T, class F, class... Args>
Task<T> call_and_keep(F callback, Args... args) {
  if constexpr (std::is_void_v<T>) {
    co_await std::invoke(callback, std::forward<Args>(args)...);
  } else {
    co_return co_await std::invoke(callback, std::forward<Args>(args)...);
  }
}

template <class R>
inline constexpr bool is_deferred<Task<R>> = true;
template <class R>
inline constexpr bool is_task<Task<R>> = true;

template <class R>
struct Returned<Task<R>> {
  using Value = R;
  template <class F, class... Args>
  static Deferred<R> begin(F&& callback, Args&&... args) {
    constexpr bool captures_nothing = !std::is_class_v<F> || std::is_empty_v<F>;
    constexpr bool is_kept_elsewhere = std::is_lvalue_reference_v<F> || captures_nothing;
    if constexpr (is_kept_elsewhere && sizeof...(Args) == 0) {
      return ensure_deferred(std::invoke(callback, std::forward<Args>(args)...));
    } else {
      return TaskCell<R>::begin_hidden(call_and_keep<R, F, KeptArgument<Args>...>(
          std::forward<F>(callback), std::forward<Args>(args)...));
    }
  }
};

}  // namespace detail
}  // namespace weft
