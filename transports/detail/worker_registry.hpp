// The functions that this program knows as a worker, and whether it is one.
#pragma once

#include "../worker_function.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weft::detail {

[[nodiscard]] std::vector<std::string> registered_functions();
/// Null when there is none of that name.
[[nodiscard]] PackedFunction* registered_function(const std::string& name);

/// What this process is, as to worker processes. `forgetful` was started as one, and did not call
/// `run_worker`.
enum class WorkerRole : std::uint8_t { none, worker, forgetful };
[[nodiscard]] WorkerRole worker_role();

}  // namespace weft::detail
