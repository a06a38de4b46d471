// Where another thread stands at this moment.
#pragma once

#include "../../framework/source_location.hpp"
#include "../../framework/turn.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::detail {

/// What a loop's thread was found doing.
struct StackSample {
  /// Of the turn's subject; null when there is none.
  const char* subject_type = nullptr;
  SourceLocation scheduled_at;
  /// Innermost first.
  std::vector<std::string> stack;
};

/// Samples the thread that made it, by a signal. Where there is none, as on Windows, it never
/// answers.
class StackSampler {
 public:
  StackSampler();
  ~StackSampler();
  StackSampler(const StackSampler&) = delete;
  StackSampler& operator=(const StackSampler&) = delete;

  /// Nothing when the thread does not answer within a tenth of a second. Thread: another than the
  /// sampled one.
  [[nodiscard]] std::optional<StackSample> sample(const Turn& turn);

 private:
  struct Target;
  // Where the system has no such thing there is none.
  std::shared_ptr<Target> target_;
};

}  // namespace weft::detail
