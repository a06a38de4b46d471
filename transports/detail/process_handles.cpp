#include "process_handles.hpp"

#include "../../framework/error.hpp"
#include "pipe_pair.hpp"

#include <cstdint>
#include <cstdlib>
#include <io.h>
#include <string>
#include <system_error>
#include <utility>

namespace weft::detail {

namespace {

using Kind = ChildDescriptor::Kind;

// So many the C runtime has room for.
constexpr int max_descriptors = 2048;

[[noreturn]] void refuse(const char* what, const std::error_code& error) {
  throw SpawnError(
      std::string("There is no ") + what + " for a child to be had: " + error.message() + ".", {},
      error);
}

// While it lives, a number that is no descriptor is an error instead of the end of the program.
class ToleratesBadDescriptors {
 public:
  ToleratesBadDescriptors() noexcept : before_(::_set_invalid_parameter_handler(&ignore)) {}
  ~ToleratesBadDescriptors() { ::_set_invalid_parameter_handler(before_); }
  ToleratesBadDescriptors(const ToleratesBadDescriptors&) = delete;
  ToleratesBadDescriptors& operator=(const ToleratesBadDescriptors&) = delete;

 private:
  static void ignore(const wchar_t*, const wchar_t*, const wchar_t*, unsigned int,
                     std::uintptr_t) noexcept {}
  _invalid_parameter_handler before_;
};

// Null for none.
HANDLE handle_of(int descriptor) noexcept {
  const ToleratesBadDescriptors tolerant;
  const auto found = ::_get_osfhandle(descriptor);
  // -2 is a standard one that leads nowhere.
  return found == -1 || found == -2 ? nullptr : reinterpret_cast<HANDLE>(found);
}

}  // namespace

ProcessHandles::ProcessHandles(const ProcessOptions& options) {
  for (const auto& [target, wanted] : options.descriptors) {
    if (target < 0) {
      throw InvalidArgument("A child cannot have the descriptor " + std::to_string(target) +
                            "; they are counted from 0.");
    }
    if (target >= max_descriptors) {
      throw SpawnError("A child cannot have the descriptor " + std::to_string(target) +
                           ": the descriptors of a program end at " +
                           std::to_string(max_descriptors - 1) + ".",
                       {}, std::make_error_code(std::errc::too_many_files_open));
    }
    if (wanted.kind() != Kind::same_as) add(target, wanted);
  }
  for (const auto& [target, wanted] : options.descriptors) {
    if (wanted.kind() == Kind::same_as) add_same(target, wanted.number());
  }
}

void ProcessHandles::add(int target, const ChildDescriptor& wanted) {
  switch (wanted.kind()) {
    case Kind::descriptor:
      return add_copy(target, wanted.number());
    case Kind::null:
      return add_null(target);
    case Kind::both_ways:
      throw NotSupportedOnThisPlatform(
          "A child's descriptor " + std::to_string(target) +
          " was to be both_ways, but a pipe of Windows cannot end one direction alone; use two "
          "descriptors.");
    default:
      return add_pipe(target, wanted.kind());
  }
}

void ProcessHandles::add_copy(int target, int ours_number) {
  const HANDLE source = handle_of(ours_number);
  HANDLE copy = nullptr;
  if (source == nullptr || !::DuplicateHandle(::GetCurrentProcess(), source, ::GetCurrentProcess(),
                                              &copy, 0, TRUE, DUPLICATE_SAME_ACCESS)) {
    throw InvalidArgument("A child was to get a copy of descriptor " + std::to_string(ours_number) +
                          ", which is not open.");
  }
  add_childs(target, OwnedHandle(copy));
}

void ProcessHandles::add_null(int target) {
  SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
  OwnedHandle null(::CreateFileW(L"NUL", GENERIC_READ | GENERIC_WRITE,
                                 FILE_SHARE_READ | FILE_SHARE_WRITE, &inherited, OPEN_EXISTING, 0,
                                 nullptr));
  if (!null.open()) {
    refuse("NUL", {static_cast<int>(::GetLastError()), std::system_category()});
  }
  add_childs(target, std::move(null));
}

void ProcessHandles::add_pipe(int target, Kind kind) {
  try {
    auto pipe =
        overlapped_pipe_pair(kind == Kind::from_child ? PipeFlow::to_us : PipeFlow::from_us);
    ours.push_back({target, kind, std::move(pipe.ours)});
    add_childs(target, std::move(pipe.theirs));
  } catch (const std::system_error& error) {
    refuse("pipe", error.code());
  }
}

void ProcessHandles::add_childs(int target, OwnedHandle handle) {
  targets.emplace(target, handle.get());
  childs.push_back(std::move(handle));
}

void ProcessHandles::add_same(int target, int other) {
  const auto found = targets.find(other);
  if (found == targets.end() || other == target) {
    throw InvalidArgument("A child's descriptor " + std::to_string(target) +
                          " was to be the same as " + std::to_string(other) +
                          ", which it does not have; name that one too.");
  }
  targets.emplace(target, found->second);
}

}  // namespace weft::detail
