// The name of a named pipe, as Windows wants it.
#pragma once

#include "../../framework/address.hpp"

#include <string>
#include <string_view>

namespace weft::detail {

/// UTF-8 as UTF-16. Errors: InvalidArgument.
[[nodiscard]] std::wstring to_wide(std::string_view text);

class PipeName {
 public:
  static constexpr std::string_view prefix = R"(\\.\pipe\)";

  /// A name with the prefix or without. Errors: InvalidArgument.
  explicit PipeName(std::string_view name);

  [[nodiscard]] const std::wstring& wide() const noexcept { return wide_; }
  [[nodiscard]] const Address& address() const noexcept { return address_; }

 private:
  Address address_;
  std::wstring wide_;
};

}  // namespace weft::detail
