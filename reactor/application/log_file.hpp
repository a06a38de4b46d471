// A log in a file, which can be opened anew when somebody has moved it away.
#pragma once

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace weft {

/// The log cannot be written to its file.
class LogFileError : public Error {
 public:
  using Error::Error;
};

/// Appends one line for each record, at once. Give it to `set_log_sink`.
class LogFile final : public LogSink {
 public:
  /// Errors: LogFileError when it cannot be opened.
  explicit LogFile(std::string path);
  ~LogFile() override;

  void write(const LogRecord& record) override;
  /// Opens the path once more, for a file that was rotated. Thread: any.
  /// Errors: LogFileError; the file so far is then written on.
  void reopen();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { static_cast<void>(std::fclose(file)); }
  };
  using File = std::unique_ptr<std::FILE, Close>;
  [[nodiscard]] static File open(const std::string& path);

  const std::string path_;
  std::mutex mutex_;
  File file_;
};

/// "trace", "debug", "info", "warning", "error" or "off".
/// Errors: InvalidArgument for anything else.
[[nodiscard]] LogLevel log_level_named(std::string_view name);

}  // namespace weft
