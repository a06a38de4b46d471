// A file with the number of the process that runs, and a lock that keeps a second one out.
#pragma once

#include "../../framework/error.hpp"

#include <cstdint>
#include <string>

namespace weft {

/// The file cannot be had; `process` tells who has it.
class PidFileError : public Error {
 public:
  explicit PidFileError(const std::string& message, std::int64_t process = 0,
                        std::error_code code = {})
      : Error(message, {}, code), process_(process) {}
  /// The process that holds it, or zero.
  [[nodiscard]] std::int64_t process() const noexcept { return process_; }

 private:
  std::int64_t process_;
};

/// Holds the file locked while it lives, and removes it at its end; where it may not, because
/// privileges were dropped meanwhile, it empties it. What a program left that ended otherwise is
/// replaced: the lock ends with its holder, so no number is ever believed.
class PidFile {
 public:
  /// Errors: PidFileError when a program that runs holds it, when it holds something that is no
  /// number, and when the system refuses; NotSupportedOnThisPlatform.
  explicit PidFile(std::string path);
  ~PidFile();
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  const std::string path_;
  int descriptor_ = -1;
};

}  // namespace weft
