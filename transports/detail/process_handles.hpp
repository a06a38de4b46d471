// The pipes between us and a child on Windows, made before it is started.
#pragma once

#include "../../framework/process.hpp"
#include "owned_handle.hpp"

#include <map>
#include <vector>

namespace weft::detail {

/// Our end of what a child has at `target`.
struct ParentHandle {
  int target;
  ChildDescriptor::Kind kind;
  OwnedHandle handle;
};

/// Both ends, as options ask for. The child's are to be closed once it runs.
struct ProcessHandles {
  /// Errors: InvalidArgument when they make no sense; SpawnError; NotSupportedOnThisPlatform for
  /// `both_ways`.
  explicit ProcessHandles(const ProcessOptions& options);

  std::vector<ParentHandle> ours;
  /// What the child has at each number, to be inherited.
  std::map<int, HANDLE> targets;
  std::vector<OwnedHandle> childs;

 private:
  void add(int target, const ChildDescriptor& wanted);
  void add_copy(int target, int ours);
  void add_null(int target);
  void add_pipe(int target, ChildDescriptor::Kind kind);
  void add_childs(int target, OwnedHandle handle);
  void add_same(int target, int other);
};

}  // namespace weft::detail
