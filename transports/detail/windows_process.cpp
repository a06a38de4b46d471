#include "windows_process.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"
#include "object_wait.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

namespace weft::detail {

namespace {

// Windows has no number for it.
constexpr int sigkill = 9;
// How long a killed process may take to go; only one that waits for a device takes any time.
constexpr DWORD max_death_throes_milliseconds = 2000;

constexpr UINT code_of(int signal) noexcept {
  return 128U + static_cast<UINT>(signal);
}

// What a program ends with that does something it must not.
struct Fault {
  DWORD code;
  int signal;
};
constexpr Fault faults[] = {
    {STATUS_ACCESS_VIOLATION, SIGSEGV},      {STATUS_STACK_OVERFLOW, SIGSEGV},
    {STATUS_ILLEGAL_INSTRUCTION, SIGILL},    {STATUS_PRIVILEGED_INSTRUCTION, SIGILL},
    {STATUS_INTEGER_DIVIDE_BY_ZERO, SIGFPE}, {STATUS_FLOAT_DIVIDE_BY_ZERO, SIGFPE},
    {STATUS_CONTROL_C_EXIT, SIGINT}};

iocp::AsioLoop& loop_for(Reactor& reactor, const ProcessOptions& options) {
  refuse_what_windows_lacks(options);
  return iocp_loop_of(reactor);
}

}  // namespace

NativeProcess::NativeProcess(Reactor& reactor, const ProcessOptions& options)
    : loop_(loop_for(reactor, options)),
      handles_(options),
      launched_(launch_program(options, handles_.targets)) {
  handles_.childs.clear();
}

// ---- pipes

std::shared_ptr<StreamTransport> NativeProcess::join_standard_streams() {
  auto& ends = handles_.ours;
  const auto take = [&ends](int target) {
    const auto found = std::find_if(ends.begin(), ends.end(), [target](const ParentHandle& end) {
      return end.target == target;
    });
    auto handle = std::move(found->handle);
    ends.erase(found);
    return handle;
  };
  auto from_child = take(1);
  auto to_child = take(0);
  return iocp::over_handles(loop_, std::move(from_child), std::move(to_child));
}

std::vector<ChildPipe> NativeProcess::open_pipes() {
  std::vector<ChildPipe> pipes;
  pipes.reserve(handles_.ours.size());
  for (auto& end : std::exchange(handles_.ours, {})) {
    const bool to_child = end.kind == ChildDescriptor::Kind::to_child;
    OwnedHandle none;
    auto transport = to_child ? iocp::over_handles(loop_, std::move(none), std::move(end.handle))
                              : iocp::over_handle(loop_, std::move(end.handle));
    pipes.push_back({end.target, end.kind, std::move(transport)});
  }
  return pipes;
}

// ---- the gentle way, and the other

bool NativeProcess::ask_to_end() const noexcept {
  return launched_.job.open() && ::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, launched_.pid);
}

// The first is what ends it; the next may come while it goes.
bool NativeProcess::ended(bool by_us, int signal) noexcept {
  if (by_us && ended_by_ == 0) ended_by_ = signal;
  return by_us;
}

bool NativeProcess::end_process(int signal) noexcept {
  return ended(::TerminateProcess(launched_.process.get(), code_of(signal)), signal);
}

bool NativeProcess::end_group(int signal) noexcept {
  return ended(::TerminateJobObject(launched_.job.get(), code_of(signal)), signal);
}

std::error_code NativeProcess::send(int signal) noexcept {
  if (look()) return std::make_error_code(std::errc::no_such_process);
  if (signal == SIGTERM || signal == SIGINT || signal == SIGBREAK) {
    if (ask_to_end()) {
      asked_by_ = signal;
      return {};
    }
  } else if (signal != sigkill) {
    return std::make_error_code(std::errc::not_supported);
  }
  if (end_process(signal)) return {};
  const std::error_code error(static_cast<int>(::GetLastError()), std::system_category());
  // It may have gone in between.
  return look() ? std::make_error_code(std::errc::no_such_process) : error;
}

void NativeProcess::ask_group_to_end() noexcept {
  if (ask_to_end()) {
    asked_by_ = SIGTERM;
  } else {
    end_group(SIGTERM);
  }
}

void NativeProcess::kill() noexcept {
  end_process(sigkill);
}

void NativeProcess::kill_group() noexcept {
  end_group(sigkill);
}

// ---- the end

void NativeProcess::wait_for_exit(Callback exited) {
  HANDLE copy = nullptr;
  const HANDLE self = ::GetCurrentProcess();
  if (!::DuplicateHandle(self, launched_.process.get(), self, &copy, 0, FALSE,
                         DUPLICATE_SAME_ACCESS)) {
    const std::error_code error(static_cast<int>(::GetLastError()), std::system_category());
    throw SpawnError("The program that was run cannot be watched: " + error.message() + ".", {},
                     error);
  }
  exit_watch_ = iocp::wait_for_object(loop_, OwnedHandle(copy), std::move(exited));
}

std::optional<ProcessStatus> NativeProcess::look() const noexcept {
  const HANDLE process = launched_.process.get();
  if (::WaitForSingleObject(process, 0) != WAIT_OBJECT_0) return std::nullopt;
  DWORD code = 0;
  if (!::GetExitCodeProcess(process, &code)) return ProcessStatus::unknown();
  if (ended_by_ != 0 && code == code_of(ended_by_)) return ProcessStatus::signalled(ended_by_);
  if (asked_by_ != 0 && code == STATUS_CONTROL_C_EXIT) return ProcessStatus::signalled(asked_by_);
  for (const auto& fault : faults) {
    if (fault.code == code) return ProcessStatus::signalled(fault.signal);
  }
  return ProcessStatus::exited(static_cast<int>(code));
}

std::optional<ProcessStatus> NativeProcess::kill_and_reap(bool group) noexcept {
  if (group) kill_group();
  kill();
  ::WaitForSingleObject(launched_.process.get(), max_death_throes_milliseconds);
  const auto death = look();
  if (!death) log(LogLevel::warning, "process", "A killed process does not go away");
  reap();
  return death;
}

}  // namespace weft::detail
