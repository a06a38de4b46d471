// Where in the source a call stands: std::source_location, or our own where a compiler lacks it.
#pragma once

#include <version>

#if defined(__cpp_lib_source_location)
#include <source_location>
#else
#include <cstdint>
#endif

namespace weft {

#if defined(__cpp_lib_source_location)
/// As a parameter's default argument, `SourceLocation::current()` is where the caller stands.
using SourceLocation = std::source_location;
#else
/// Clang 14 has no std::source_location; this offers the same members.
class SourceLocation {
 public:
  constexpr SourceLocation() noexcept = default;
  [[nodiscard]] static constexpr SourceLocation current(
      const char* file = __builtin_FILE(), const char* function = __builtin_FUNCTION(),
      std::uint_least32_t line = __builtin_LINE()) noexcept {
    SourceLocation here;
    here.file_ = file;
    here.function_ = function;
    here.line_ = line;
    return here;
  }

  [[nodiscard]] constexpr const char* file_name() const noexcept { return file_; }
  [[nodiscard]] constexpr const char* function_name() const noexcept { return function_; }
  [[nodiscard]] constexpr std::uint_least32_t line() const noexcept { return line_; }
  [[nodiscard]] constexpr std::uint_least32_t column() const noexcept { return 0; }

 private:
  const char* file_ = "";
  const char* function_ = "";
  std::uint_least32_t line_ = 0;
};
#endif

/// A place as the last parameter of an overload that another one differs from by its options: `{}`
/// cannot mean it.
class CallPlace {
 public:
  CallPlace(const SourceLocation& where) noexcept : where_(where) {}
  operator const SourceLocation&() const noexcept { return where_; }

 private:
  SourceLocation where_;
};

}  // namespace weft
