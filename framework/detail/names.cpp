#include "names.hpp"

#include <cstdlib>
#include <cxxabi.h>
#include <memory>

namespace weft::detail {

std::string place_text(const SourceLocation& where) {
  if (*where.file_name() == '\0') return {};
  return std::string(where.file_name()) + ':' + std::to_string(where.line());
}

std::string type_text(const char* mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : mangled;
}

}  // namespace weft::detail
