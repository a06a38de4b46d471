// The way from a program's description to a running child, where little may be done in between.
#pragma once

#include "../../framework/process.hpp"
#include "owned_descriptor.hpp"

#include <span>
#include <sys/types.h>
#include <vector>

namespace weft::detail {

/// The child's descriptor `target` is a copy of `source`, which is ours.
struct DescriptorCopy {
  int target;
  int source;
};

struct LaunchedProcess {
  pid_t pid = -1;
  /// The process by more than its number; not open when it was gone, and taken, already.
  OwnedDescriptor handle;
};

/// Starts the program with the descriptors of `copies` and no others; with a terminal, that is what
/// descriptor 0 must be. Returns when the program runs. Errors: SpawnError, InvalidArgument.
[[nodiscard]] LaunchedProcess launch_process(const ProcessOptions& options,
                                             std::vector<DescriptorCopy> copies);

/// Has every descriptor closed at the next exec but those in `kept`, which is in order. Safe
/// between fork and exec. False when the system has none of the ways to do so; `newest_way` false
/// passes over the best.
bool close_others_on_exec(std::span<const int> kept, bool newest_way = true) noexcept;

}  // namespace weft::detail
