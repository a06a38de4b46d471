#include "results.hpp"

#include "../framework/error.hpp"
#include "gtest_matchers.hpp"
#include "log_capture.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace weft::testing {
namespace {

Failure some_failure() {
  return Failure(TimeoutError("It took too long."));
}

TEST(Results, GiveTheValue) {
  EXPECT_EQ(success_result_of(succeed(3)), 3);
  EXPECT_NO_THROW(success_result_of(succeed()));
}

TEST(Results, GiveTheFailure) {
  EXPECT_EQ(failure_result_of<TimeoutError>(fail<int>(some_failure())).message(),
            "It took too long.");
}

TEST(Results, SayWhatCameInstead) {
  EXPECT_THROW(success_result_of(fail<int>(some_failure())), UnexpectedResult);
  EXPECT_THROW(failure_result_of<TimeoutError>(succeed(3)), UnexpectedResult);
  try {
    failure_result_of<ConnectionLost>(fail<int>(some_failure()));
    FAIL() << "another error was taken for the expected one";
  } catch (const UnexpectedResult& error) {
    EXPECT_NE(std::string(error.what()).find("It took too long."), std::string::npos);
  }
}

TEST(Results, SayThatThereIsNone) {
  Promise<int> promise;
  auto deferred = promise.deferred();
  EXPECT_TRUE(has_no_result(deferred));
  promise.callback(1);
  EXPECT_FALSE(has_no_result(deferred));
  Promise<int> other;
  EXPECT_THROW(success_result_of(other.deferred()), UnexpectedResult);
}

TEST(GtestMatchers, KnowTheThreeStatesOfADeferred) {
  Promise<int> promise;
  const auto pending = promise.deferred();
  const auto succeeded = succeed(3);
  auto failed = fail<int>(some_failure());
  EXPECT_THAT(pending, NoResult());
  EXPECT_THAT(succeeded, Succeeded(3));
  EXPECT_THAT(failed, Failed<TimeoutError>());
  EXPECT_THAT(pending, ::testing::Not(Succeeded(3)));
  EXPECT_THAT(pending, ::testing::Not(Failed<TimeoutError>()));
  EXPECT_THAT(succeeded, ::testing::Not(Succeeded(4)));
  EXPECT_THAT(succeeded, ::testing::Not(NoResult()));
  EXPECT_THAT(failed, ::testing::Not(Failed<ConnectionLost>()));
  EXPECT_THAT(failed, ::testing::Not(Succeeded(::testing::_)));
  static_cast<void>(failure_result_of<TimeoutError>(std::move(failed)));
}

TEST(LogCapture, KeepsWhatIsLoggedAndPutsTheSinkBack) {
  const LogCapture outer;
  {
    const LogCapture inner;
    log(LogLevel::warning, "kettle", "boils");
    log_failure("pot", "leaks", some_failure());
    EXPECT_TRUE(inner.contains("kettle: boils"));
    EXPECT_TRUE(inner.contains("It took too long."));
    EXPECT_EQ(inner.lines().size(), 2U);
  }
  log(LogLevel::warning, "pan", "sizzles");
  EXPECT_EQ(outer.lines().size(), 1U);
  EXPECT_TRUE(outer.contains("sizzles"));
}

}  // namespace
}  // namespace weft::testing
