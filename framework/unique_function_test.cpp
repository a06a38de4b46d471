#include "unique_function.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace {

TEST(UniqueFunction, CallsWhatItHolds) {
  UniqueFunction<int(int, int)> add = [](int a, int b) { return a + b; };
  EXPECT_EQ(add(2, 3), 5);
}

TEST(UniqueFunction, IsEmptyUnlessMadeOtherwise) {
  UniqueFunction<void()> empty;
  UniqueFunction<void()> null = nullptr;
  EXPECT_FALSE(empty);
  EXPECT_FALSE(null);
  EXPECT_THROW(empty(), std::bad_function_call);
}

TEST(UniqueFunction, HoldsMoveOnlyThings) {
  auto held = std::make_unique<int>(7);
  UniqueFunction<int()> function = [held = std::move(held)] { return *held; };
  auto moved = std::move(function);
  EXPECT_EQ(moved(), 7);
}

TEST(UniqueFunction, IsEmptyAfterItWasMovedFrom) {
  UniqueFunction<int()> from = [] { return 1; };
  UniqueFunction<int()> to;
  to = std::move(from);
  EXPECT_FALSE(from);
  EXPECT_EQ(to(), 1);
}

TEST(UniqueFunction, HoldsThingsTooBigToBeInside) {
  std::array<int, 100> many{};
  many[99] = 42;
  UniqueFunction<int()> function = [many] { return many[99]; };
  auto moved = std::move(function);
  EXPECT_EQ(moved(), 42);
}

TEST(UniqueFunction, DestroysWhatItHoldsExactlyOnce) {
  const auto held = std::make_shared<int>(1);
  const std::array<char, 100> padding{};
  {
    UniqueFunction<void()> small = [held] {};
    UniqueFunction<void()> big = [held, padding] { static_cast<void>(padding); };
    EXPECT_EQ(held.use_count(), 3);
    small = std::move(big);
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(UniqueFunction, PassesReferencesAndMoveOnlyArgumentsOn) {
  UniqueFunction<void(std::string&, std::unique_ptr<int>)> function =
      [](std::string& out, std::unique_ptr<int> in) { out = std::to_string(*in); };
  std::string out;
  function(out, std::make_unique<int>(5));
  EXPECT_EQ(out, "5");
}

TEST(UniqueFunction, LetsExceptionsThrough) {
  UniqueFunction<void()> function = [] { throw std::runtime_error("through"); };
  EXPECT_THROW(function(), std::runtime_error);
  EXPECT_THROW(function(), std::runtime_error);
}

TEST(UniqueFunction, HoldsPointersToMembers) {
  struct Counter {
    int value = 3;
    int twice() { return 2 * value; }
  };
  UniqueFunction<int(Counter&)> function = &Counter::twice;
  Counter counter;
  EXPECT_EQ(function(counter), 6);
}

TEST(UniqueFunction, KeepsStateBetweenCalls) {
  UniqueFunction<int()> next = [n = 0]() mutable { return ++n; };
  next();
  EXPECT_EQ(next(), 2);
}

}  // namespace
}  // namespace weft
