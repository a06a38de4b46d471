// Makes a GoogleTest test fail that leaves something behind.
#pragma once

#include "../framework/census.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

namespace weft::testing {

/// After each test that passed so far, looks for connections whose `connection_lost` was not
/// called, watched descriptors, calls that were still scheduled when their clock ended, failures
/// that nobody handled, tasks that nobody awaited, and, on Linux, open descriptors. A test that
/// means to leave something takes it off the census: `census().unhandled_failures -= 1`.
///
///     ::testing::UnitTest::GetInstance()->listeners().Append(new weft::testing::LeakListener);
class LeakListener : public ::testing::EmptyTestEventListener {
 public:
  void OnTestStart(const ::testing::TestInfo&) override { before_ = count(); }
  void OnTestEnd(const ::testing::TestInfo& test) override {
    if (!test.result()->Passed()) return;
    auto left = left_behind();
    // A thread that ends may still have a descriptor open for a moment.
    for (int tries = 0; !left.empty() && tries < 1'000; ++tries) {
      std::this_thread::yield();
      left = left_behind();
    }
    if (!left.empty()) ADD_FAILURE() << "The test left behind:" << left;
  }
  /// What there is more of than at the test's start, a line for each kind; empty when nothing is.
  [[nodiscard]] std::string left_behind() const {
    const auto now = count();
    std::string left;
    add(left, now.connections - before_.connections,
        "connections that were not lost; close them, or end their reactor or pump");
    add(left, now.watches - before_.watches, "watched descriptors; cancel or drop their watches");
    add(left, now.abandoned_timers - before_.abandoned_timers,
        "calls that their clock will never make; cancel them");
    add(left, now.unhandled_failures - before_.unhandled_failures,
        "failures that nobody handled; give their deferreds an errback, or read their results");
    add(left, now.unawaited_tasks - before_.unawaited_tasks,
        "tasks that were dropped before they began; co_await them, or give them to "
        "ensure_deferred");
    add(left, now.descriptors - before_.descriptors, "open descriptors; close them");
    return left;
  }

 private:
  struct Counts {
    std::int64_t connections = 0;
    std::int64_t watches = 0;
    std::int64_t abandoned_timers = 0;
    std::int64_t unhandled_failures = 0;
    std::int64_t unawaited_tasks = 0;
    std::int64_t descriptors = 0;
  };
  static Counts count() {
    return {census().connections,        census().watches,         census().abandoned_timers,
            census().unhandled_failures, census().unawaited_tasks, open_descriptors()};
  }
  static std::int64_t open_descriptors() {
    std::int64_t number = 0;
#ifdef __linux__
    std::error_code missing;
    for (std::filesystem::directory_iterator at("/proc/self/fd", missing), end; at != end;
         at.increment(missing)) {
      ++number;
    }
#endif
    return number;
  }
  static void add(std::string& left, std::int64_t number, const char* what) {
    if (number > 0) left += "\n  " + std::to_string(number) + " " + what;
  }

  Counts before_;
};

}  // namespace weft::testing
