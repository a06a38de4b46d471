// A record of the log as one line.
#pragma once

#include "../logging.hpp"

#include <string>

namespace weft::detail {

/// "component: message", and for a failure its type, its message and the place where it was made.
[[nodiscard]] std::string record_text(const LogRecord& record);

}  // namespace weft::detail
