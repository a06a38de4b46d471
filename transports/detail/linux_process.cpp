#include "linux_process.hpp"

#include "../../framework/logging.hpp"
#include "descriptor_transport.hpp"
#include "system_errors.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace weft::detail {

namespace {

// How long a killed process may take to go; only one that waits for a device takes any time.
constexpr int max_death_throes_milliseconds = 2000;

ProcessStatus status_from(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return ProcessStatus::exited(info.si_status);
  return ProcessStatus::signalled(info.si_status, info.si_code == CLD_DUMPED);
}

// What became of the process, if it is gone; `flags` is WNOWAIT to leave it as it is.
std::optional<ProcessStatus> look_at(int handle, int flags) noexcept {
  siginfo_t info{};
  int result = 0;
  do {
    result = ::waitid(P_PIDFD, static_cast<id_t>(handle), &info, WEXITED | WNOHANG | flags);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return ProcessStatus::unknown();
  if (info.si_pid == 0) return std::nullopt;
  return status_from(info);
}

}  // namespace

NativeProcess::NativeProcess(Reactor& reactor, const ProcessOptions& options)
    : reactor_(reactor), descriptors_(options) {
  auto launched = launch_process(options, std::move(descriptors_.copies));
  pid_ = launched.pid;
  handle_ = std::move(launched.handle);
  // Somebody else was told of its end.
  reaped_ = !handle_.open();
  descriptors_.childs.clear();
}

// ---- pipes

std::shared_ptr<StreamTransport> NativeProcess::open_terminal() {
  terminal_ = OwnedDescriptor(::fcntl(descriptors_.terminal.get(), F_DUPFD_CLOEXEC, 3));
  return std::make_shared<DescriptorTransport>(
      reactor_, UsedDescriptor(std::move(descriptors_.terminal)), Address(), Address());
}

std::shared_ptr<StreamTransport> NativeProcess::join_standard_streams() {
  if (descriptors_.terminal.open()) return open_terminal();
  auto& ends = descriptors_.ours;
  const auto take = [&ends](int target) {
    const auto found = std::find_if(
        ends.begin(), ends.end(), [target](const ParentEnd& end) { return end.target == target; });
    UsedDescriptor used(std::move(found->descriptor));
    ends.erase(found);
    return used;
  };
  auto from_child = take(STDOUT_FILENO);
  auto to_child = take(STDIN_FILENO);
  return std::make_shared<DescriptorTransport>(reactor_, std::move(from_child),
                                               std::move(to_child));
}

std::vector<ChildPipe> NativeProcess::open_pipes() {
  std::vector<ChildPipe> pipes;
  pipes.reserve(descriptors_.ours.size() + 1);
  for (auto& end : descriptors_.ours) {
    pipes.push_back(
        {end.target, end.kind,
         std::make_shared<DescriptorTransport>(reactor_, UsedDescriptor(std::move(end.descriptor)),
                                               Address(), Address())});
  }
  descriptors_.ours.clear();
  if (descriptors_.terminal.open()) {
    pipes.push_back({terminal_pipe, ChildDescriptor::Kind::both_ways, open_terminal()});
  }
  return pipes;
}

// ---- its terminal

std::optional<char> NativeProcess::end_of_input() const noexcept {
  termios settings{};
  if (::tcgetattr(terminal_.get(), &settings) != 0) return std::nullopt;
  return static_cast<char>(settings.c_cc[VEOF]);
}

void NativeProcess::resize_terminal(TerminalSize size) noexcept {
  const winsize shape{size.rows, size.columns, 0, 0};
  // Once it is closed there is nobody to tell.
  if (terminal_.open()) ::ioctl(terminal_.get(), TIOCSWINSZ, &shape);
}

// ---- signals

std::error_code NativeProcess::send(int signal) noexcept {
  const bool sent = ::syscall(SYS_pidfd_send_signal, handle_.get(), signal, nullptr, 0) == 0;
  return sent ? std::error_code() : system_error(errno);
}

void NativeProcess::ask_group_to_end() noexcept {
  ::kill(-pid_, SIGTERM);
}

void NativeProcess::kill() noexcept {
  send(SIGKILL);
}

void NativeProcess::kill_group() noexcept {
  ::kill(-pid_, SIGKILL);
}

// ---- the end

void NativeProcess::wait_for_exit(Callback exited) {
  handle_ = above_standard(std::move(handle_));
  exit_watch_ =
      reactor_.watch(handle_.get(), Interest::readable, std::move(exited), SourceLocation());
}

std::optional<ProcessStatus> NativeProcess::look() const noexcept {
  return look_at(handle_.get(), WNOWAIT);
}

void NativeProcess::reap() noexcept {
  look_at(handle_.get(), 0);
  reaped_ = true;
  handle_.close();
}

std::optional<ProcessStatus> NativeProcess::kill_and_reap(bool group) noexcept {
  if (group) kill_group();
  kill();
  pollfd waiting{handle_.get(), POLLIN, 0};
  while (::poll(&waiting, 1, max_death_throes_milliseconds) < 0 && errno == EINTR) {
  }
  const auto death = look_at(handle_.get(), 0);
  if (!death) log(LogLevel::warning, "process", "A killed process does not go away");
  reaped_ = true;
  handle_.close();
  return death;
}

}  // namespace weft::detail
