#include "outcome.hpp"

#include "error.hpp"
#include "test_results_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace weft {
namespace {

template <class T>
void expect_like_a_value(const Outcome<T>& success, const T& value) {
  const Outcome<T> failed = some_failure();
  auto copy = success;
  EXPECT_EQ(copy.value(), value);
  copy = failed;
  EXPECT_THROW(static_cast<void>(copy.value()), TimeoutError);
  EXPECT_NE(copy.failure().template check<TimeoutError>(), nullptr);
  copy = success;
  EXPECT_EQ(copy.value(), value);
  auto moved = std::move(copy);
  EXPECT_EQ(moved.value(), value);
  auto& same = moved;
  moved = same;
  EXPECT_EQ(moved.value(), value);
  moved = std::move(same);
  EXPECT_EQ(moved.value(), value);
}

TEST(Outcome, IsCopiedMovedAndAssignedWhicheverItHolds) {
  expect_like_a_value<int>(5, 5);
  expect_like_a_value<std::string>(std::string(100, 'x'), std::string(100, 'x'));
  expect_like_a_value<std::shared_ptr<int>>(nullptr, nullptr);
}

TEST(Outcome, OfNothingSucceeds) {
  Outcome<void> outcome;
  EXPECT_TRUE(outcome);
  outcome = some_failure();
  EXPECT_FALSE(outcome);
  EXPECT_THROW(static_cast<void>(outcome.value()), TimeoutError);
}

TEST(Outcome, HasNoFailureWhereItSucceeded) {
  const Outcome<int> outcome = 1;
  EXPECT_THROW(static_cast<void>(outcome.failure()), InvalidArgument);
}

struct Node {
  int number;
  Outcome<std::unique_ptr<Node>> next;
};

TEST(Outcome, MayBeReplacedByAPartOfItself) {
  auto second = std::make_unique<Node>(Node{2, std::unique_ptr<Node>()});
  Outcome<std::unique_ptr<Node>> list = std::make_unique<Node>(Node{1, std::move(second)});
  list = std::move(list.value()->next);
  EXPECT_EQ(list.value()->number, 2);
}

TEST(Outcome, FailsOfAFailureThatWasMovedFrom) {
  Failure failure = some_failure();
  const Failure taken = std::move(failure);
  const Outcome<std::string> outcome = std::move(failure);
  EXPECT_NE(outcome.failure().check<InvalidArgument>(), nullptr);
}

}  // namespace
}  // namespace weft
