// Work that goes on when whoever waits for it is cancelled.
#pragma once

#include "../deferred.hpp"
#include "../source_location.hpp"
#include "task.hpp"

#include <memory>
#include <utility>

namespace weft {

namespace detail {

template <class T>
Deferred<T> shield(Deferred<T> deferred, SourceLocation where) {
  if (deferred.ready() || !deferred.valid()) return deferred;
  auto promise = std::make_unique<Promise<T>>(Callback(), where);
  auto shielded = promise->deferred();
  // What nobody waits for any more fails like a deferred that nobody reads.
  auto feeding = std::move(deferred).add_both(
      [promise = std::move(promise)](Outcome<T> outcome) mutable -> Outcome<void> {
        if (!promise->fired()) {
          promise->fire(std::move(outcome));
          return {};
        }
        if (!outcome.succeeded()) return outcome.failure();
        return {};
      },
      where);
  return shielded;
}

}  // namespace detail

/// What `awaitable`, a Deferred or a Task, gives. Cancelling that ends it at once with
/// CancelledError, and the work goes on; should it fail after that, it is logged.
template <class A>
auto shield(A awaitable, SourceLocation where = SourceLocation::current()) {
  return detail::shield(ensure_deferred(std::move(awaitable)), where);
}

}  // namespace weft
