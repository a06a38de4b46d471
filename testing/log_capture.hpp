// Keeps what is logged while it lives, for tests that expect it.
#pragma once

#include "../framework/logging.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::testing {

/// Replaces the log's sink, and puts the former one back. Thread: that of the test; what is logged
/// may come from any.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// One line a record: "component: message: failure".
  [[nodiscard]] std::vector<std::string> lines() const;
  /// True when a line holds `text`.
  [[nodiscard]] bool contains(std::string_view text) const;

 private:
  class Sink;
  std::shared_ptr<Sink> sink_;
  std::shared_ptr<LogSink> former_;
};

}  // namespace weft::testing
