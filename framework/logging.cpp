#include "logging.hpp"

#include "context.hpp"
#include "detail/names.hpp"
#include "detail/record_text.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::trace:
      return spdlog::level::trace;
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      break;
  }
  return spdlog::level::off;
}

// The text of the context that this thread's record is written in. It is made beforehand: what
// makes it is the application's, which may log itself, and spdlog's sink holds its mutex while it
// lays out.
thread_local std::string_view context_text;

class ShownContext {
 public:
  explicit ShownContext(std::string_view text) noexcept { context_text = text; }
  ~ShownContext() { context_text = {}; }
  ShownContext(const ShownContext&) = delete;
  ShownContext& operator=(const ShownContext&) = delete;
};

class ContextFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&,
              spdlog::memory_buf_t& line) override {
    const auto text = context_text;
    if (text.empty()) return;
    line.push_back('[');
    line.append(text.data(), text.data() + text.size());
    line.push_back(']');
    line.push_back(' ');
  }
  [[nodiscard]] std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<ContextFlag>();
  }
};

class SpdlogSink final : public LogSink {
 public:
  SpdlogSink() : logger_("weft", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    logger_.set_level(spdlog::level::trace);
    logger_.flush_on(spdlog::level::trace);
    set_pattern("[%Y-%m-%d %H:%M:%S.%e] [%n] [%l] %&%v");
  }
  void set_pattern(const std::string& pattern) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<ContextFlag>('&').set_pattern(pattern);
    logger_.set_formatter(std::move(formatter));
  }
  void write(const LogRecord& record) override {
    const auto context = Context::current().text();
    const auto line = detail::record_text(record);
    const ShownContext shown(context);
    logger_.log(spdlog_level(record.level), line);
  }

 private:
  spdlog::logger logger_;
};

struct Sinks {
  std::mutex mutex;
  std::shared_ptr<LogSink> chosen;
  std::shared_ptr<SpdlogSink> standard;

  std::shared_ptr<LogSink> current() {
    const std::lock_guard lock(mutex);
    return chosen != nullptr ? chosen : made_standard();
  }
  const std::shared_ptr<SpdlogSink>& made_standard() {
    if (standard == nullptr) standard = std::make_shared<SpdlogSink>();
    return standard;
  }
};

// Never destroyed: something may be logged while the program's statics are.
Sinks& sinks() {
  static auto* const all = new Sinks;
  return *all;
}

std::atomic<LogLevel> lowest_level{LogLevel::info};

void write(const LogRecord& record) noexcept {
  if (!log_enabled(record.level)) return;
  try {
    sinks().current()->write(record);
  } catch (...) {
    // Logging must not break what it reports on, and there is nobody left to tell.
    return;
  }
}

}  // namespace

LogSink::~LogSink() = default;

std::string detail::record_text(const LogRecord& record) {
  if (record.failure == nullptr) {
    return fmt::format("{}: {}", record.component, record.message);
  }
  const Failure& failure = *record.failure;
  const auto place = place_text(failure.where());
  return fmt::format("{}: {}: {}: {}{}", record.component, record.message, failure.type_name(),
                     failure.message(), place.empty() ? place : " (made at " + place + ")");
}

std::shared_ptr<LogSink> set_log_sink(std::shared_ptr<LogSink> sink) {
  const std::lock_guard lock(sinks().mutex);
  return std::exchange(sinks().chosen, std::move(sink));
}

void set_log_pattern(const std::string& pattern) {
  const std::lock_guard lock(sinks().mutex);
  sinks().made_standard()->set_pattern(pattern);
}

void set_log_level(LogLevel level) noexcept {
  lowest_level.store(level, std::memory_order_relaxed);
}

bool log_enabled(LogLevel level) noexcept {
  return level >= lowest_level.load(std::memory_order_relaxed) && level != LogLevel::off;
}

void log(LogLevel level, std::string_view component, std::string_view message) noexcept {
  write({level, component, message, nullptr});
}

void log_failure(std::string_view component, std::string_view message,
                 const Failure& failure) noexcept {
  write({LogLevel::error, component, message, &failure});
}

}  // namespace weft
