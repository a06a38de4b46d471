// A look at a deferred's result, without a loop: for tests of code that gives deferreds.
#pragma once

#include "../framework/deferred.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace weft::testing {

/// The result is not what the test expects.
class UnexpectedResult : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {

template <class T>
Outcome<T> result_of(Deferred<T>& deferred) {
  auto result = deferred.take_result();
  if (!result)
    throw UnexpectedResult("The deferred has no result yet; something must fire it first.");
  return std::move(*result);
}

}  // namespace detail

/// The value of a deferred that has one, which consumes it. Errors: UnexpectedResult when it has
/// none, or failed.
template <class T>
T success_result_of(Deferred<T> deferred) {
  auto result = detail::result_of(deferred);
  if (!result) {
    const auto& failure = result.failure();
    throw UnexpectedResult("The deferred failed: " + failure.type_name() + ": " +
                           failure.message());
  }
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

/// The failure of a deferred that failed with an E, which consumes it. Errors: UnexpectedResult
/// otherwise.
template <class E = std::exception, class T>
Failure failure_result_of(Deferred<T> deferred) {
  const auto result = detail::result_of(deferred);
  if (result) throw UnexpectedResult("The deferred succeeded, and was expected to fail.");
  if (result.failure().template check<E>() == nullptr) {
    throw UnexpectedResult("The deferred failed with another error: " +
                           result.failure().type_name() + ": " + result.failure().message());
  }
  return result.failure();
}

/// True while there is no result.
template <class T>
[[nodiscard]] bool has_no_result(const Deferred<T>& deferred) {
  return !deferred.ready();
}

}  // namespace weft::testing
