// Coroutines that give one value after the other to whoever awaits the next.
#pragma once

#include "../deferred.hpp"
#include "../error.hpp"
#include "../failure.hpp"
#include "detail/awaiters.hpp"
#include "detail/generator_promise.hpp"
#include "task.hpp"

#include <type_traits>
#include <utility>

namespace weft {

/// A coroutine that gives Ts by `co_yield`, and may await whatever a task may. It runs only while
/// somebody awaits `next` or `close`, as a part of that task: what cancels the task cancels what
/// the generator waits for. Lifetime: as for a Task what it takes by reference must live as long;
/// destroying it destroys its locals where it stands, and only `close` lets it await once more.
/// Errors: what leaves it is thrown by the `next` that it runs in, after which it has ended.
template <class T>
class [[nodiscard]] AsyncGenerator {
 public:
  using Value = T;
  using promise_type = detail::GeneratorPromise<T>;

  AsyncGenerator(AsyncGenerator&& other) noexcept
      : promise_(std::exchange(other.promise_, nullptr)) {}
  AsyncGenerator& operator=(AsyncGenerator&& other) noexcept {
    std::swap(promise_, other.promise_);
    return *this;
  }
  AsyncGenerator(const AsyncGenerator&) = delete;
  AsyncGenerator& operator=(const AsyncGenerator&) = delete;
  ~AsyncGenerator() {
    if (promise_ != nullptr) promise_->release();
  }

  /// `co_await generator.next()` gives the next value as an optional, and nothing at the end.
  /// Errors, of the co_await: GeneratorBusy while another task awaits it, or where one was cut off
  /// that did.
  [[nodiscard]] detail::NextItem<T> next() { return detail::NextItem<T>(checked()); }
  /// `co_await generator.close()` has the `co_yield` that it stands at throw a CancelledError, and
  /// waits until it has ended; nothing happens when it has, or never began. Errors, of the
  /// co_await: as `next`, and what leaves it but a CancelledError; InvalidArgument when it goes on
  /// and yields.
  [[nodiscard]] detail::GeneratorClosing<T> close() {
    return detail::GeneratorClosing<T>(checked());
  }

 private:
  friend promise_type;
  explicit AsyncGenerator(promise_type& promise) noexcept : promise_(&promise) {}
  [[nodiscard]] promise_type& checked() const {
    if (promise_ == nullptr) detail::refuse_moved_generator();
    return *promise_;
  }

  promise_type* promise_;
};

namespace detail {

template <class T>
AsyncGenerator<T> GeneratorPromise<T>::get_return_object(SourceLocation made) noexcept {
  this->is_of(std::coroutine_handle<GeneratorPromise>::from_promise(*this), made);
  this->keep();
  return AsyncGenerator<T>(*this);
}

}  // namespace detail

namespace detail {

template <class T, class F>
Task<void> call_for_each(AsyncGenerator<T>& generator, F& f) {
  using R = std::remove_cvref_t<std::invoke_result_t<F&, T>>;
  while (auto item = co_await generator.next()) {
    if constexpr (is_deferred<R>) {
      co_await f(std::move(*item));
    } else {
      f(std::move(*item));
    }
  }
}
template <class T>
Task<void> close_generator(AsyncGenerator<T>& generator) {
  co_await generator.close();
}

}  // namespace detail

/// Calls `f` with each value of `generator`, and awaits what it returns where that is a Deferred or
/// a Task. When `f` fails, the generator is closed first; what fails in that is logged.
template <class T, class F>
Task<void> for_each(AsyncGenerator<T> generator, F f) {
  const auto result = co_await as_result(detail::call_for_each(generator, f));
  if (result) co_return;
  const auto closed = co_await as_result(detail::close_generator(generator));
  if (!closed) detail::log_failed_closing(closed.failure());
  // Awaited, so that it keeps its place.
  co_await fail<void>(result.failure());
}

}  // namespace weft
