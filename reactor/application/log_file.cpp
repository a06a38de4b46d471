#include "log_file.hpp"

#include "../../framework/context.hpp"
#include "../../framework/detail/record_text.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>
#include <utility>

namespace weft {

namespace {

constexpr std::array<std::string_view, 6> level_names{"trace",   "debug", "info",
                                                      "warning", "error", "off"};

// As spdlog writes it to standard error: [2026-01-31 23:59:59.123].
std::string time_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(
                          now - std::chrono::system_clock::from_time_t(seconds))
                          .count();
  std::tm parts{};
#ifdef _WIN32
  ::localtime_s(&parts, &seconds);
#else
  ::localtime_r(&seconds, &parts);
#endif
  std::array<char, 64> text{};
  const auto length = std::strftime(text.data(), text.size(), "[%Y-%m-%d %H:%M:%S", &parts);
  std::array<char, 16> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03d]", static_cast<int>(millis));
  return std::string(text.data(), length) + fraction.data();
}

std::string line_of(const LogRecord& record) {
  std::string line = time_now() + " [weft] [";
  line += level_names[static_cast<std::size_t>(record.level)];
  line += "] ";
  // As %& in a pattern: see docs/context.md.
  const auto context = Context::current().text();
  if (!context.empty()) line += '[' + context + "] ";
  return line + detail::record_text(record) + '\n';
}

}  // namespace

LogFile::LogFile(std::string path) : path_(std::move(path)), file_(open(path_)) {}

LogFile::~LogFile() = default;

LogFile::File LogFile::open(const std::string& path) {
#ifdef _WIN32
  const char* const mode = "ab";
#else
  const char* const mode = "abe";
#endif
  File file(std::fopen(path.c_str(), mode));
  if (file == nullptr) {
    const std::error_code error(errno, std::generic_category());
    throw LogFileError("The log file " + path + " cannot be opened: " + error.message() +
                           "; see to its directory and rights, or choose another file.",
                       {}, error);
  }
  return file;
}

void LogFile::write(const LogRecord& record) {
  const auto line = line_of(record);
  const std::lock_guard lock(mutex_);
  // There is nobody left to tell when it fails.
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), file_.get()));
  static_cast<void>(std::fflush(file_.get()));
}

void LogFile::reopen() {
  auto opened = open(path_);
  const std::lock_guard lock(mutex_);
  file_ = std::move(opened);
}

LogLevel log_level_named(std::string_view name) {
  for (std::size_t i = 0; i < level_names.size(); ++i) {
    if (level_names[i] == name) return static_cast<LogLevel>(i);
  }
  throw InvalidArgument("There is no log level \"" + std::string(name) +
                        "\"; choose trace, debug, info, warning, error or off.");
}

}  // namespace weft
