#include "gtest_leak_listener.hpp"

#include "../framework/deferred.hpp"
#include "accumulating_protocol.hpp"
#include "io_pump.hpp"
#include "log_capture.hpp"
#include "memory_reactor.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace weft::testing {
namespace {

// The listener at work on a test of its own making, beside the one that watches this program.
class LeakListenerTest : public ::testing::Test {
 protected:
  LeakListenerTest() {
    listener_.OnTestStart(*::testing::UnitTest::GetInstance()->current_test_info());
  }
  [[nodiscard]] bool finds(const std::string& text) const {
    return listener_.left_behind().find(text) != std::string::npos;
  }
  LeakListener listener_;
};

TEST_F(LeakListenerTest, FindsNothingWhereNothingIsLeft) {
  {
    const IoPump pump(std::make_shared<AccumulatingProtocol>(),
                      std::make_shared<AccumulatingProtocol>());
  }
  EXPECT_EQ(listener_.left_behind(), "");
}

TEST_F(LeakListenerTest, FindsAConnectionThatWasNotLost) {
  {
    const IoPump pump(std::make_shared<AccumulatingProtocol>(),
                      std::make_shared<AccumulatingProtocol>());
    EXPECT_TRUE(finds("2 connections"));
  }
  EXPECT_FALSE(finds("connections"));
}

TEST_F(LeakListenerTest, FindsAWatchedDescriptor) {
  MemoryReactor reactor;
  const auto watch = reactor.watch(3, Interest::readable, [] {});
  EXPECT_TRUE(finds("1 watched"));
}

TEST_F(LeakListenerTest, FindsACallThatWillNeverBeMade) {
  {
    ManualClock clock;
    clock.call_later(std::chrono::seconds(1), [] {});
  }
  EXPECT_TRUE(finds("1 calls"));
  census().abandoned_timers -= 1;
}

TEST_F(LeakListenerTest, FindsAFailureThatNobodyHandled) {
  const LogCapture log;
  { const auto dropped = fail<int>(Failure(std::runtime_error("oh"))); }
  EXPECT_TRUE(finds("1 failures"));
  census().unhandled_failures -= 1;
}

#ifdef __linux__
TEST_F(LeakListenerTest, FindsAnOpenDescriptor) {
  std::optional<std::ifstream> open(std::in_place, "/proc/self/status");
  EXPECT_TRUE(finds("1 open descriptors"));
  open.reset();
  EXPECT_EQ(listener_.left_behind(), "");
}
#endif

}  // namespace
}  // namespace weft::testing
