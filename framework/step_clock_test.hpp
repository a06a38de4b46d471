// A clock that tests move by hand, from deadline to deadline, and what was logged meanwhile.
#pragma once

#include "clock.hpp"
#include "logging.hpp"
#include "turn.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft {

class StepClock final : public Clock {
 public:
  ~StepClock() override { turn().end_participants(); }
  [[nodiscard]] TimePoint now() const override { return now_; }

  /// Goes from deadline to deadline, so that each call sees its own time.
  void advance(Duration by) {
    const auto end = now_ + by;
    for (auto due = next_due(); due && *due <= end; due = next_due()) {
      now_ = std::max(now_, *due);
      run_due(now_);
    }
    now_ = end;
  }
  /// Makes the calls that are due without letting time pass, once.
  std::size_t turn_over() { return run_due(now_); }
  /// Lets time pass without making a call: the loop was busy.
  void be_busy(Duration by) { now_ += by; }

  using Clock::drop_calls;
  using Clock::next_due;
  int earliest_moved = 0;

 private:
  void earliest_call_moved_forward() override { ++earliest_moved; }

  TimePoint now_{};
};

/// Takes the place of the log while it lives.
class RecordedLog {
 public:
  RecordedLog() : previous_(set_log_sink(sink_)) {}
  ~RecordedLog() { set_log_sink(std::move(previous_)); }
  RecordedLog(const RecordedLog&) = delete;
  RecordedLog& operator=(const RecordedLog&) = delete;

  [[nodiscard]] const std::vector<std::string>& lines() const { return sink_->lines; }

 private:
  struct Sink final : LogSink {
    void write(const LogRecord& record) override {
      auto line = std::string(record.message);
      if (record.failure != nullptr) line += " | " + record.failure->message();
      lines.push_back(std::move(line));
    }
    std::vector<std::string> lines;
  };

  std::shared_ptr<Sink> sink_ = std::make_shared<Sink>();
  std::shared_ptr<LogSink> previous_;
};

}  // namespace weft
