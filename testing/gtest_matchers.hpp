// GoogleMock matchers for deferreds: Succeeded(m), Failed<E>(), NoResult().
#pragma once

#include "../framework/deferred.hpp"

#include <gmock/gmock.h>

namespace weft::testing {

/// The deferred has a value that matches `matcher`: EXPECT_THAT(deferred, Succeeded(3)).
MATCHER_P(Succeeded, matcher, "succeeded") {
  const auto* const outcome = arg.peek();
  if (outcome == nullptr) {
    *result_listener << "which has no result yet";
    return false;
  }
  if (!outcome->succeeded()) {
    *result_listener << "which failed: " << outcome->failure().message();
    return false;
  }
  return ::testing::ExplainMatchResult(matcher, outcome->value(), result_listener);
}

/// The deferred has no result yet.
MATCHER(NoResult, "has no result yet") {
  return !arg.ready();
}

/// The deferred failed with an E.
template <class E>
auto Failed() {
  return ::testing::Truly([](const auto& deferred) {
    const auto* const outcome = deferred.peek();
    return outcome != nullptr && !outcome->succeeded() &&
           outcome->failure().template check<E>() != nullptr;
  });
}

}  // namespace weft::testing
