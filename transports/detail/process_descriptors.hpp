// The pipes, sockets and terminals between us and a child, made before it is started.
#pragma once

#include "../../framework/process.hpp"
#include "owned_descriptor.hpp"
#include "process_launch.hpp"

#include <vector>

namespace weft::detail {

/// Moves a new descriptor out of the way of the standard ones, which may be closed.
/// Errors: SpawnError when the system has no descriptors left.
[[nodiscard]] OwnedDescriptor above_standard(OwnedDescriptor descriptor);

/// Our end of what a child has at `target`.
struct ParentEnd {
  int target;
  ChildDescriptor::Kind kind;
  OwnedDescriptor descriptor;
};

/// Both ends, as options ask for. The child's are to be closed once it runs.
struct ProcessDescriptors {
  /// Errors: InvalidArgument when they make no sense; SpawnError.
  explicit ProcessDescriptors(const ProcessOptions& options);

  std::vector<ParentEnd> ours;
  std::vector<DescriptorCopy> copies;
  std::vector<OwnedDescriptor> childs;
  /// The side of the terminal that is ours; not open without one.
  OwnedDescriptor terminal;

 private:
  void open_terminal(TerminalSize size);
  void add(int target, const ChildDescriptor& wanted);
  void add_pipe(int target, const ChildDescriptor& wanted);
  void add_child_end(int target, OwnedDescriptor end);
  void add_same(int target, const ChildDescriptor& wanted);
};

}  // namespace weft::detail
