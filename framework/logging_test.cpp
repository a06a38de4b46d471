#include "logging.hpp"

#include "error.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

class Collector final : public LogSink {
 public:
  void write(const LogRecord& record) override {
    lines.push_back(std::string(record.component) + ": " + std::string(record.message) +
                    (record.failure != nullptr ? ": " + record.failure->message() : ""));
    if (throws) throw std::runtime_error("a sink that is broken");
  }
  std::vector<std::string> lines;
  bool throws = false;
};

class Logging : public ::testing::Test {
 protected:
  Logging() : previous_(set_log_sink(sink_)) {}
  ~Logging() override {
    set_log_sink(previous_);
    set_log_level(LogLevel::info);
  }
  std::shared_ptr<Collector> sink_ = std::make_shared<Collector>();

 private:
  std::shared_ptr<LogSink> previous_;
};

TEST_F(Logging, GoesToTheSinkOfTheApplication) {
  log(LogLevel::warning, "test", "something");
  log_failure("test", "went wrong", make_failure<TimeoutError>("Too long."));
  EXPECT_EQ(sink_->lines,
            (std::vector<std::string>{"test: something", "test: went wrong: Too long."}));
}

TEST_F(Logging, DropsWhatIsBelowTheLevel) {
  log(LogLevel::debug, "test", "quiet");
  EXPECT_TRUE(sink_->lines.empty());
  set_log_level(LogLevel::debug);
  EXPECT_TRUE(log_enabled(LogLevel::debug));
  log(LogLevel::debug, "test", "loud");
  EXPECT_EQ(sink_->lines.size(), 1U);
  set_log_level(LogLevel::off);
  log(LogLevel::error, "test", "off");
  EXPECT_EQ(sink_->lines.size(), 1U);
}

TEST_F(Logging, SurvivesASinkThatThrows) {
  sink_->throws = true;
  log(LogLevel::error, "test", "still here");
  EXPECT_EQ(sink_->lines.size(), 1U);
}

TEST_F(Logging, WritesToStandardErrorByDefault) {
#ifdef _WIN32
  GTEST_SKIP() << "the sink keeps the handle that standard error had when it was first used";
#endif
  set_log_sink(nullptr);
  set_log_level(LogLevel::trace);
  ::testing::internal::CaptureStderr();
  for (const auto level :
       {LogLevel::trace, LogLevel::debug, LogLevel::info, LogLevel::warning, LogLevel::error}) {
    log(level, "test", "said");
  }
  log_failure("test", "went wrong", make_failure<TimeoutError>("Too long."));
  const auto written = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(written.find("test: said"), std::string::npos);
  EXPECT_NE(written.find("went wrong: weft::TimeoutError: Too long."), std::string::npos);
  set_log_sink(sink_);
}

}  // namespace
}  // namespace weft
