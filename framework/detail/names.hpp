// Places and types as people write them.
#pragma once

#include "../source_location.hpp"

#include <string>

namespace weft::detail {

/// "file.cpp:12", or "" for a place that is not known.
[[nodiscard]] std::string place_text(const SourceLocation& where);

/// The name of a type as it stands in the source, from `std::type_info::name`.
[[nodiscard]] std::string type_text(const char* mangled);

}  // namespace weft::detail
