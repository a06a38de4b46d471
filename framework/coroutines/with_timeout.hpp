// No longer than so: time limits for whatever can be awaited.
#pragma once

#include "../clock.hpp"
#include "../deferred.hpp"
#include "../error.hpp"
#include "../reactor.hpp"
#include "../source_location.hpp"
#include "task.hpp"

#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

namespace detail {

inline void refuse_negative_timeout(Duration timeout) {
  if (timeout < Duration::zero())
    throw InvalidArgument("A time limit must not be negative; with zero it is over at once.");
}

}  // namespace detail

/// What `awaitable`, a Deferred or a Task, gives. After `timeout` it is cancelled, and when it ends
/// in a CancelledError because of that, it fails with TimeoutError; what else it gives, and a
/// CancelledError from elsewhere, stay what they are, so that limits may be nested. Work that
/// swallows the cancellation, and whose operation somebody else cancels later, has timed out too.
/// Errors: InvalidArgument for a negative time, before a task begins, which is dropped.
template <class A>
auto with_timeout(Clock& clock, Duration timeout, A awaitable,
                  SourceLocation where = SourceLocation::current()) {
  detail::refuse_negative_timeout(timeout);
  return ensure_deferred(std::move(awaitable)).add_timeout(clock, timeout, where);
}
/// The same by the clock of `Reactor::current()`. Errors: also NoReactorError where no reactor
/// runs.
template <class A>
auto with_timeout(Duration timeout, A awaitable, SourceLocation where = SourceLocation::current()) {
  return with_timeout(Reactor::current(), timeout, std::move(awaitable), where);
}

namespace detail {

/// What `move_on_after` gives for a T.
template <class T>
using UnlessTimedOut = std::conditional_t<std::is_void_v<T>, bool, std::optional<Stored<T>>>;

template <class T>
Outcome<UnlessTimedOut<T>> in_time(Outcome<T>&& outcome) noexcept {
  if (!outcome.succeeded()) return outcome.failure();
  if constexpr (std::is_void_v<T>) {
    return true;
  } else {
    return std::optional<T>(std::move(outcome).value());
  }
}

template <class T>
Deferred<UnlessTimedOut<T>> move_on_after(Clock& clock, Duration timeout, Deferred<T> deferred,
                                          SourceLocation where) {
  using U = UnlessTimedOut<T>;
  return limit<Deferred<T>, U>(
      std::move(deferred), clock, timeout,
      [](Outcome<T>&& outcome) noexcept { return in_time(std::move(outcome)); },
      []() noexcept { return Outcome<U>(U()); }, where);
}

}  // namespace detail

/// Like `with_timeout`, but that the time has passed is no failure: gives an optional of what
/// `awaitable` gives, or whether it ended in time when that is void.
template <class A>
auto move_on_after(Clock& clock, Duration timeout, A awaitable,
                   SourceLocation where = SourceLocation::current()) {
  detail::refuse_negative_timeout(timeout);
  return detail::move_on_after(clock, timeout, ensure_deferred(std::move(awaitable)), where);
}
/// The same by the clock of `Reactor::current()`. Errors: also NoReactorError where no reactor
/// runs.
template <class A>
auto move_on_after(Duration timeout, A awaitable,
                   SourceLocation where = SourceLocation::current()) {
  return move_on_after(Reactor::current(), timeout, std::move(awaitable), where);
}

}  // namespace weft
