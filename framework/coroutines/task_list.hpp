// Which tasks there are, and what each waits for.
#pragma once

#include "../source_location.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace weft {

class Reactor;

/// A task that has begun and not ended.
struct TaskInfo {
  /// What it was named, or the function that it is.
  std::string name;
  /// The function that it is; GCC gives the line of its end.
  SourceLocation made;
  /// The co_await that it is suspended at, or came to last.
  SourceLocation awaits_at;
  /// "a deferred made at fetch.cpp:12", or "a task"; empty where it runs.
  std::string waits_for;
  /// How many await it, one the other.
  std::size_t depth = 0;
  /// Who awaits it, as an index of the list that this is of.
  std::optional<std::size_t> awaited_by;
};

/// The tasks of `reactor`, each followed by what it awaits; the oldest first. Those that this
/// thread began where no reactor ran count as tasks of every reactor until they are resumed in one.
/// Thread: the reactor's, or any while it does not run.
[[nodiscard]] std::vector<TaskInfo> tasks(Reactor& reactor);
/// The same as text, a line for each, indented by who awaits whom: by up to 40 columns, behind
/// which the depth stands as a number.
[[nodiscard]] std::string dump_tasks(Reactor& reactor);

}  // namespace weft
