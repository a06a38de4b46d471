#include "pipe_name.hpp"

#include "../../framework/error.hpp"

#include <algorithm>
#include <cctype>
#include <windows.h>

namespace weft::detail {

namespace {

constexpr std::size_t max_name_length = 256;

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
  throw InvalidArgument("\"" + std::string(name) + "\" names no pipe: " + why + ".");
}

bool begins_with_prefix(std::string_view name) {
  const auto same = [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); };
  const auto start = name.substr(0, PipeName::prefix.size());
  return std::equal(PipeName::prefix.begin(), PipeName::prefix.end(), start.begin(), start.end(),
                    same);
}

}  // namespace

std::wstring to_wide(std::string_view text) {
  if (text.empty()) return {};
  const int size = static_cast<int>(text.size());
  const int wide_size =
      ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), size, nullptr, 0);
  if (wide_size == 0) {
    throw InvalidArgument("\"" + std::string(text) + "\" is no UTF-8; write it so.");
  }
  std::wstring wide(static_cast<std::size_t>(wide_size), L'\0');
  ::MultiByteToWideChar(CP_UTF8, 0, text.data(), size, wide.data(), wide_size);
  return wide;
}

PipeName::PipeName(std::string_view name) {
  const auto own = begins_with_prefix(name) ? name.substr(prefix.size()) : name;
  if (own.empty()) refuse(name, "it is empty");
  if (own.starts_with("\\\\")) {
    refuse(name, R"(opening one of another machine would stop the loop; give one in \\.\pipe\)");
  }
  // Windows takes a slash for a backslash, and what such a path then leads to need be no pipe.
  if (own.find_first_of(std::string_view("\\/\0", 3)) != std::string_view::npos) {
    refuse(name, R"(behind \\.\pipe\ there may be anything but a backslash, a slash and NUL)");
  }
  if (own == "." || own == "..") {
    refuse(name, R"(Windows takes it for a folder, \\.\pipe\ itself or the one above)");
  }
  const auto whole = std::string(prefix) + std::string(own);
  wide_ = to_wide(whole);
  if (wide_.size() > max_name_length) {
    refuse(name, "it is longer than " + std::to_string(max_name_length) + " characters");
  }
  address_ = Address::unix_socket(whole);
}

}  // namespace weft::detail
