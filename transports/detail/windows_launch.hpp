// The way from a program's description to a running child on Windows.
#pragma once

#include "../../framework/process.hpp"
#include "owned_handle.hpp"

#include <cstdint>
#include <map>

namespace weft::detail {

struct LaunchedProgram {
  std::uint32_t pid = 0;
  OwnedHandle process;
  /// Who belongs to its group; not open without a group of its own.
  OwnedHandle job;
};

/// Starts the program with the handles of `targets`, which can be inherited, and no others.
/// Errors: SpawnError; InvalidArgument; NotSupportedOnThisPlatform, which names the option.
[[nodiscard]] LaunchedProgram launch_program(const ProcessOptions& options,
                                             const std::map<int, HANDLE>& targets);

/// Errors: NotSupportedOnThisPlatform, which names the option that Windows has no notion of.
void refuse_what_windows_lacks(const ProcessOptions& options);

}  // namespace weft::detail
