// What several tests of deferreds begin with, and how they tell what became of one.
#pragma once

#include "deferred.hpp"
#include "error.hpp"

#include <string>
#include <utility>

namespace weft {

inline Failure some_failure() {
  return Failure(TimeoutError("It took too long."));
}

/// The result of a deferred that has one.
template <class T>
Outcome<T> outcome_of(Deferred<T> deferred) {
  return std::move(deferred.take_result()).value();
}

/// What became of a deferred, as text: "pending", "done", or the failure's type, which it takes.
template <class T>
std::string end_of(Deferred<T>& deferred) {
  const auto* outcome = deferred.peek();
  if (outcome == nullptr) return "pending";
  if (outcome->succeeded()) return "done";
  auto type = outcome->failure().type_name();
  auto taken = deferred.take_result();
  return type;
}

}  // namespace weft
