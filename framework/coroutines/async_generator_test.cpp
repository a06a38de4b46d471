#include "async_generator.hpp"

#include "../../testing/log_capture.hpp"
#include "../../testing/manual_clock.hpp"
#include "../../testing/results.hpp"
#include "../census.hpp"
#include "sleep.hpp"
#include "task_group.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::failure_result_of;
using testing::has_no_result;
using testing::success_result_of;

AsyncGenerator<int> count_to(int last) {
  for (int i = 1; i <= last; ++i)
    co_yield i;
}

class AsyncGeneratorTest : public ::testing::Test {
 protected:
  // Notes that it was destroyed.
  struct Note {
    std::vector<std::string>& notes;
    std::string text;
    ~Note() { notes.push_back(text); }
  };
  // [ticks]
  AsyncGenerator<int> ticks() {
    const Note ended{notes_, "gone"};
    try {
      for (int i = 1;; ++i) {
        co_await sleep(clock_, 1s);
        co_yield i;
      }
    } catch (const CancelledError&) {
      notes_.emplace_back("cancelled");
      throw;
    }
  }
  // [ticks]
  // [sum]
  static Task<int> sum(AsyncGenerator<int> numbers) {
    int sum = 0;
    while (const auto number = co_await numbers.next())
      sum += *number;
    co_return sum;
  }
  // [sum]
  using Notes = std::vector<std::string>;

  testing::ManualClock clock_;
  Notes notes_;
};

TEST_F(AsyncGeneratorTest, GivesOneValueAfterTheOtherAndThenNothing) {
  EXPECT_EQ(success_result_of(ensure_deferred(sum(count_to(4)))), 10);
  EXPECT_EQ(success_result_of(ensure_deferred(sum(count_to(0)))), 0);
  const auto beyond = [](AsyncGenerator<int> numbers) -> Task<bool> {
    while (co_await numbers.next()) {
    }
    co_return (co_await numbers.next()).has_value();
  };
  EXPECT_FALSE(success_result_of(ensure_deferred(beyond(count_to(1)))));
}

TEST_F(AsyncGeneratorTest, DoesNothingBeforeItIsAsked) {
  { auto never = ticks(); }
  EXPECT_TRUE(notes_.empty());
}

TEST_F(AsyncGeneratorTest, AwaitsInBetweenAndGivesThingsThatOnlyMove) {
  const auto boxes = [this]() -> AsyncGenerator<std::unique_ptr<int>> {
    for (int i = 0; i < 3; ++i) {
      co_await sleep(clock_, 1s);
      co_yield std::make_unique<int>(i);
    }
  };
  std::string seen;
  auto all = ensure_deferred(
      for_each(boxes(), [&](std::unique_ptr<int> box) { seen += std::to_string(*box); }));
  clock_.advance(2s);
  EXPECT_EQ(seen, "01");
  clock_.advance(1s);
  success_result_of(std::move(all));
  EXPECT_EQ(seen, "012");
}

TEST_F(AsyncGeneratorTest, GivesAMillionWithoutGrowingTheStack) {
  EXPECT_EQ(success_result_of(ensure_deferred(sum([]() -> AsyncGenerator<int> {
              for (int i = 0; i < 1'000'000; ++i)
                co_yield 1;
            }()))),
            1'000'000);
}

TEST_F(AsyncGeneratorTest, FailsTheNextInWhichItThrowsAndEnds) {
  const auto throws = []() -> AsyncGenerator<int> {
    co_yield 1;
    throw std::runtime_error("broken");
  };
  const auto use = [](AsyncGenerator<int> numbers) -> Task<std::string> {
    static_cast<void>(co_await numbers.next());
    std::string text = "nothing";
    try {
      static_cast<void>(co_await numbers.next());
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    const auto beyond = co_await numbers.next();
    co_return text + (beyond ? " more" : " end");
  };
  EXPECT_EQ(success_result_of(ensure_deferred(use(throws()))), "broken end");
}

TEST_F(AsyncGeneratorTest, SeesTheCancellationOfWhoAwaitsIt) {
  auto running = ensure_deferred(sum(ticks()));
  clock_.advance(2s);
  running.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(running)));
  EXPECT_EQ(notes_, (Notes{"cancelled", "gone"}));
  EXPECT_EQ(clock_.pending_calls(), 0U);
}

TEST_F(AsyncGeneratorTest, DestroysItsLocalsWhenItIsDestroyedEarly) {
  const auto first = [](AsyncGenerator<int> numbers) -> Task<int> {
    co_return (co_await numbers.next()).value();
  };
  auto running = ensure_deferred(first(ticks()));
  clock_.advance(1s);
  EXPECT_EQ(success_result_of(std::move(running)), 1);
  EXPECT_EQ(notes_, (Notes{"gone"}));
}

TEST_F(AsyncGeneratorTest, MayAwaitWhileItIsClosed) {
  const auto slow_to_go = [this]() -> AsyncGenerator<int> {
    bool again = true;
    while (again) {
      try {
        co_yield 1;
      } catch (const CancelledError&) {
        again = false;
      }
    }
    co_await sleep(clock_, 1s);
    notes_.emplace_back("clean");
  };
  const auto use = [](AsyncGenerator<int> numbers) -> Task<bool> {
    static_cast<void>(co_await numbers.next());
    co_await numbers.close();
    co_await numbers.close();
    co_return (co_await numbers.next()).has_value();
  };
  auto running = ensure_deferred(use(slow_to_go()));
  EXPECT_TRUE(has_no_result(running));
  clock_.advance(1s);
  EXPECT_FALSE(success_result_of(std::move(running)));
  EXPECT_EQ(notes_, (Notes{"clean"}));
}

TEST_F(AsyncGeneratorTest, IsClosedByForEachWhenWhatThatCallsFails) {
  const auto fails = [](int number) -> Task<void> {
    if (number == 2) throw std::runtime_error("enough");
    co_return;
  };
  auto running = ensure_deferred(for_each(ticks(), fails));
  clock_.advance(2s);
  static_cast<void>(failure_result_of<std::runtime_error>(std::move(running)));
  EXPECT_EQ(notes_, (Notes{"cancelled", "gone"}));
}

TEST_F(AsyncGeneratorTest, IsClosedByForEachWithoutLosingTheFirstFailureWhenThatFails) {
  const testing::LogCapture log;
  const auto fails_to_close = []() -> AsyncGenerator<int> {
    try {
      co_yield 1;
    } catch (const CancelledError&) {
    }
    throw std::runtime_error("closing");
  };
  const Failure first(std::logic_error("first"), SourceLocation::current());
  auto running = ensure_deferred(
      for_each(fails_to_close(), [&](int) -> Deferred<void> { return fail<void>(first); }));
  const auto failure = failure_result_of<std::logic_error>(std::move(running));
  EXPECT_EQ(failure.where().line(), first.where().line());
  EXPECT_TRUE(log.contains("closing"));
  census().unhandled_failures = 0;
}

TEST_F(AsyncGeneratorTest, RefusesToBeClosedByOneThatYieldsOn) {
  const auto stubborn = []() -> AsyncGenerator<int> {
    for (;;) {
      try {
        co_yield 1;
      } catch (const CancelledError&) {
      }
    }
  };
  const auto use = [](AsyncGenerator<int> numbers) -> Task<void> {
    static_cast<void>(co_await numbers.next());
    co_await numbers.close();
  };
  static_cast<void>(failure_result_of<InvalidArgument>(ensure_deferred(use(stubborn()))));
}

TEST_F(AsyncGeneratorTest, GivesToOneAfterTheOtherOnly) {
  auto numbers = ticks();
  const auto one = [&]() -> Task<int> { co_return (co_await numbers.next()).value_or(0); };
  auto first = ensure_deferred(one());
  static_cast<void>(failure_result_of<GeneratorBusy>(ensure_deferred(one())));
  clock_.advance(1s);
  EXPECT_EQ(success_result_of(std::move(first)), 1);
  auto moved = std::move(numbers);
  static_cast<void>(failure_result_of<AlreadyCalledError>(ensure_deferred(one())));
}

TEST_F(AsyncGeneratorTest, IsDestroyedOnceWhereItsUserIsCutOff) {
  auto kept = ticks();
  {
    TaskGroup group;
    const auto swallows = [this]() -> AsyncGenerator<int> {
      const Note ended{notes_, "inner gone"};
      for (;;) {
        try {
          co_await sleep(clock_, 1h);
        } catch (const CancelledError&) {
        }
      }
      co_yield 1;
    };
    group.start(sum(swallows()));
    clock_.advance(1s);
  }
  EXPECT_EQ(notes_, (Notes{"inner gone"}));
}

TEST_F(AsyncGeneratorTest, OutlivesWhoDestroysItWhileSomebodyAwaitsIt) {
  auto numbers = std::make_optional(ticks());
  const auto one = [&]() -> Task<int> { co_return (co_await numbers->next()).value_or(0); };
  auto first = ensure_deferred(one());
  numbers.reset();
  clock_.advance(1s);
  EXPECT_EQ(success_result_of(std::move(first)), 1);
  EXPECT_EQ(notes_, (Notes{"gone"}));
}

}  // namespace
}  // namespace weft
