// What keeps a loop busy, one thing at a time, and how people are told of it.
#pragma once

#include "../source_location.hpp"

#include <string>
#include <vector>

namespace weft {

/// One thing that a loop waits for.
struct PendingWork {
  /// "connection", "port", "call", "process", ...; empty for what is of no interest.
  std::string kind;
  /// Which one: "Echo with 127.0.0.1:80".
  std::string subject;
  /// Where the application asked for it; "" when that is not known.
  SourceLocation where;
};

/// The same for people: what is of one kind and was asked for in one place is one line, with how
/// many there are and the first of them.
[[nodiscard]] std::string report_pending(const std::vector<PendingWork>& pending);

}  // namespace weft
