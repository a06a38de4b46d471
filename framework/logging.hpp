// What weft has to say to the operator, through a sink that the application may replace.
#pragma once

#include "failure.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

enum class LogLevel : std::uint8_t { trace, debug, info, warning, error, off };

/// One thing said. All of it lives until the sink returns.
struct LogRecord {
  LogLevel level = LogLevel::info;
  /// Which part of weft speaks: "reactor", "connection", "deferred", ...
  std::string_view component;
  std::string_view message;
  /// The failure it is about, or null.
  const Failure* failure = nullptr;
};

/// Where records go.
class LogSink {
 public:
  virtual ~LogSink();
  /// Thread: any, and several at once. Errors: what it throws is dropped.
  virtual void write(const LogRecord& record) = 0;
};

/// Replaces the sink and gives the one before; null restores the default, which writes to standard
/// error through spdlog. Thread: any.
std::shared_ptr<LogSink> set_log_sink(std::shared_ptr<LogSink> sink);
/// Lays out what the default sink writes, by spdlog's patterns; %& gives the printable variables of
/// the context that speaks, as "[name=value name=value] ", or nothing where none is set. Thread:
/// any. Limits: the default is "[%Y-%m-%d %H:%M:%S.%e] [%n] [%l] %&%v".
void set_log_pattern(const std::string& pattern);
/// Records below `level` (info unless set) are dropped. Thread: any.
void set_log_level(LogLevel level) noexcept;
/// Whether a record of this level would be written: asked before one that is dear to make. Thread:
/// any.
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;

/// Thread: any.
void log(LogLevel level, std::string_view component, std::string_view message) noexcept;
/// The same at level error, about a failure.
void log_failure(std::string_view component, std::string_view message,
                 const Failure& failure) noexcept;

}  // namespace weft
