// What a reactor has done and has, and the same for Prometheus.
#pragma once

#include "loop_counts.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

/// A moment's figures; `Reactor::stats` gives them.
struct ReactorStats {
  /// Since the reactor was made.
  LoopCounts counts;
  /// Connections that are open.
  std::uint64_t connections = 0;
  /// Calls that are scheduled.
  std::size_t pending_calls = 0;
};

/// The figures in Prometheus's text format (version 0.0.4), each with a HELP and a TYPE line.
/// `reactor` becomes the label of that name.
[[nodiscard]] std::string prometheus_text(const ReactorStats& stats, std::string_view reactor);

}  // namespace weft
