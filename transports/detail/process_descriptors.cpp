#include "process_descriptors.hpp"

#include "../../framework/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace weft::detail {

namespace {

using Kind = ChildDescriptor::Kind;

[[noreturn]] void refuse(const char* what) {
  const std::error_code error(errno, std::system_category());
  throw SpawnError(
      std::string("There is no ") + what + " for a child to be had: " + error.message() + ".", {},
      error);
}

}  // namespace

OwnedDescriptor above_standard(OwnedDescriptor descriptor) {
  if (!descriptor.open() || descriptor.get() > STDERR_FILENO) return descriptor;
  OwnedDescriptor moved(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved.open()) refuse("descriptor");
  return moved;
}

ProcessDescriptors::ProcessDescriptors(const ProcessOptions& options) {
  if (options.terminal) open_terminal(*options.terminal);
  for (const auto& [target, wanted] : options.descriptors) {
    if (target < 0) {
      throw InvalidArgument("A child cannot have the descriptor " + std::to_string(target) +
                            "; they are counted from 0.");
    }
    if (options.terminal && target <= STDERR_FILENO) continue;
    if (wanted.kind() != Kind::same_as) add(target, wanted);
  }
  for (const auto& [target, wanted] : options.descriptors) {
    if (options.terminal && target <= STDERR_FILENO) continue;
    if (wanted.kind() == Kind::same_as) add_same(target, wanted);
  }
}

void ProcessDescriptors::add(int target, const ChildDescriptor& wanted) {
  switch (wanted.kind()) {
    case Kind::descriptor:
      if (::fcntl(wanted.number(), F_GETFD) < 0) {
        throw InvalidArgument("A child was to get a copy of descriptor " +
                              std::to_string(wanted.number()) + ", which is not open.");
      }
      copies.push_back({target, wanted.number()});
      break;
    case Kind::null: {
      OwnedDescriptor null(::open("/dev/null", O_RDWR | O_CLOEXEC));
      if (!null.open()) refuse("/dev/null");
      add_child_end(target, std::move(null));
      break;
    }
    default:
      add_pipe(target, wanted);
  }
}

void ProcessDescriptors::add_pipe(int target, const ChildDescriptor& wanted) {
  int ends[2] = {-1, -1};
  const bool made = wanted.kind() == Kind::both_ways
                        ? ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0
                        : ::pipe2(ends, O_CLOEXEC) == 0;
  if (!made) refuse("pipe");
  OwnedDescriptor first(ends[0]);
  OwnedDescriptor second(ends[1]);
  // What a pipe is read from comes first.
  if (wanted.kind() == Kind::to_child) std::swap(first, second);
  ours.push_back({target, wanted.kind(), above_standard(std::move(first))});
  add_child_end(target, std::move(second));
}

void ProcessDescriptors::add_child_end(int target, OwnedDescriptor end) {
  copies.push_back({target, end.get()});
  childs.push_back(std::move(end));
}

void ProcessDescriptors::add_same(int target, const ChildDescriptor& wanted) {
  const auto other = std::find_if(copies.begin(), copies.end(), [&](const DescriptorCopy& copy) {
    return copy.target == wanted.number();
  });
  if (other == copies.end() || wanted.number() == target) {
    throw InvalidArgument("A child's descriptor " + std::to_string(target) +
                          " was to be the same as " + std::to_string(wanted.number()) +
                          ", which it does not have; name that one too.");
  }
  const int source = other->source;
  copies.push_back({target, source});
}

void ProcessDescriptors::open_terminal(TerminalSize size) {
  OwnedDescriptor master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!master.open() || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0) {
    refuse("terminal");
  }
  const winsize shape{size.rows, size.columns, 0, 0};
  OwnedDescriptor slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave.open() || ::ioctl(master.get(), TIOCSWINSZ, &shape) != 0) refuse("terminal");
  for (int target = STDIN_FILENO; target <= STDERR_FILENO; ++target)
    copies.push_back({target, slave.get()});
  childs.push_back(std::move(slave));
  terminal = above_standard(std::move(master));
}

}  // namespace weft::detail
