#include "log_capture.hpp"

#include <algorithm>
#include <mutex>

namespace weft::testing {

class LogCapture::Sink final : public LogSink {
 public:
  void write(const LogRecord& record) override {
    std::string line(record.component);
    line += ": ";
    line += record.message;
    if (record.failure != nullptr) line += ": " + record.failure->message();
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
  }
  [[nodiscard]] std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

LogCapture::LogCapture() : sink_(std::make_shared<Sink>()), former_(set_log_sink(sink_)) {}

LogCapture::~LogCapture() {
  set_log_sink(former_);
}

std::vector<std::string> LogCapture::lines() const {
  return sink_->lines();
}

bool LogCapture::contains(std::string_view text) const {
  const auto all = lines();
  return std::any_of(all.begin(), all.end(), [text](const std::string& line) {
    return line.find(text) != std::string::npos;
  });
}

}  // namespace weft::testing
