#include "windows_launch.hpp"

#include "../../framework/error.hpp"
#include "utf16.hpp"
#include "windows_command.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace weft::detail {

namespace {

// Of a program that did not begin; nobody sees it.
constexpr UINT never_began = 1;

std::error_code windows_error(DWORD code) noexcept {
  return {static_cast<int>(code), std::system_category()};
}

[[noreturn]] void refuse_spawn(const std::string& program, const std::string& why, DWORD code) {
  const auto error = windows_error(code);
  throw SpawnError("The program " + program + " could not be run: " + why + error.message() + ".",
                   {}, error);
}

[[noreturn]] void refuse_option(const std::string& program, const char* what) {
  throw NotSupportedOnThisPlatform("The program " + program + " cannot be run with " + what +
                                   ", which Windows has no notion of; leave that out.");
}

// Its characters are those of UTF-16.
static_assert(sizeof(wchar_t) == sizeof(char16_t));

std::wstring wide(std::u16string_view text) {
  return {text.begin(), text.end()};
}

std::u16string our_variable(const wchar_t* name) {
  std::wstring value;
  for (DWORD size = ::GetEnvironmentVariableW(name, nullptr, 0); size > value.size();) {
    value.resize(size);
    size = ::GetEnvironmentVariableW(name, value.data(), static_cast<DWORD>(value.size()));
    if (size < value.size()) value.resize(size);
  }
  return {value.begin(), value.end()};
}

// ---- which file, and what it is told

std::u16string search_path(const ProcessOptions& options) {
  if (!options.environment) return our_variable(L"PATH");
  return windows_text(windows_variable(*options.environment, "PATH"), "The PATH");
}

std::u16string find_program(const ProcessOptions& options) {
  if (options.program.empty()) throw InvalidArgument("No program to run was given; name one.");
  const auto program = windows_text(options.program, "The name");
  const auto directory = windows_text(options.directory, "The directory");
  DWORD error = ERROR_FILE_NOT_FOUND;
  for (auto& path : windows_candidates(program, search_path(options), directory)) {
    const auto attributes = ::GetFileAttributesW(wide(path).c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES) continue;
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) == 0) return std::move(path);
    error = ERROR_ACCESS_DENIED;
  }
  refuse_spawn(options.program, "", error);
}

void refuse_batch_file(const ProcessOptions& options, std::u16string_view path) {
  if (!is_batch_file(path)) return;
  throw InvalidArgument(
      "The program " + options.program +
      " is a batch file. Windows hands it to cmd.exe, for which parts of an argument may be "
      "commands, and no quoting prevents that; run a program instead, or cmd.exe itself with "
      "arguments that you know.");
}

void check_directory(const ProcessOptions& options, const std::wstring& directory) {
  if (directory.empty()) return;
  const auto attributes = ::GetFileAttributesW(directory.c_str());
  const bool there = attributes != INVALID_FILE_ATTRIBUTES;
  if (there && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return;
  refuse_spawn(options.program, "its directory " + options.directory + " cannot be entered: ",
               there ? DWORD{ERROR_DIRECTORY} : ::GetLastError());
}

// ---- what it inherits

// What Windows hands on to the program's C runtime: how many descriptors, how each is open, and its
// handle.
std::vector<std::byte> runtime_descriptors(const std::map<int, HANDLE>& targets) {
  constexpr std::byte is_open{0x01};
  constexpr std::byte is_pipe{0x08};
  constexpr std::byte is_device{0x40};
  constexpr std::byte is_text{0x80};
  if (targets.empty() || targets.rbegin()->first <= 2) return {};
  const int count = targets.rbegin()->first + 1;
  const auto number = static_cast<std::size_t>(count);
  std::vector<std::byte> block(sizeof count + number * (1 + sizeof(HANDLE)));
  std::memcpy(block.data(), &count, sizeof count);
  auto* const flags = block.data() + sizeof count;
  auto* const handles = flags + number;
  const HANDLE none = INVALID_HANDLE_VALUE;
  for (std::size_t i = 0; i < number; ++i)
    std::memcpy(handles + i * sizeof none, &none, sizeof none);
  for (const auto& [target, handle] : targets) {
    const auto at = static_cast<std::size_t>(target);
    const auto type = ::GetFileType(handle);
    flags[at] = is_open;
    if (type == FILE_TYPE_PIPE) flags[at] |= is_pipe;
    if (type == FILE_TYPE_CHAR) flags[at] |= is_device;
    // As the runtime has them where it is told of nothing else.
    if (target <= 2) flags[at] |= is_text;
    std::memcpy(handles + at * sizeof handle, &handle, sizeof handle);
  }
  return block;
}

// Has CreateProcess pass on those handles and no others.
class InheritedHandles {
 public:
  explicit InheritedHandles(const std::map<int, HANDLE>& targets) {
    for (const auto& [target, handle] : targets)
      handles_.push_back(handle);
    // It takes none twice.
    std::sort(handles_.begin(), handles_.end());
    handles_.erase(std::unique(handles_.begin(), handles_.end()), handles_.end());
    if (handles_.empty()) return;
    SIZE_T size = 0;
    ::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    memory_ = std::make_unique<std::byte[]>(size);
    auto* const attributes = reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.get());
    const bool made = ::InitializeProcThreadAttributeList(attributes, 1, 0, &size) &&
                      ::UpdateProcThreadAttribute(attributes, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                                  handles_.data(), handles_.size() * sizeof(HANDLE),
                                                  nullptr, nullptr);
    if (made) attributes_ = attributes;
  }
  ~InheritedHandles() {
    if (attributes_ != nullptr) ::DeleteProcThreadAttributeList(attributes_);
  }
  InheritedHandles(const InheritedHandles&) = delete;
  InheritedHandles& operator=(const InheritedHandles&) = delete;

  /// Whether there are any; null attributes are then an error, which GetLastError has.
  [[nodiscard]] bool any() const noexcept { return !handles_.empty(); }
  [[nodiscard]] LPPROC_THREAD_ATTRIBUTE_LIST attributes() const noexcept { return attributes_; }

 private:
  std::vector<HANDLE> handles_;
  std::unique_ptr<std::byte[]> memory_;
  LPPROC_THREAD_ATTRIBUTE_LIST attributes_ = nullptr;
};

// What a program does not have is no handle: it must not get those of our console instead.
HANDLE standard_handle(const std::map<int, HANDLE>& targets, int number) {
  const auto found = targets.find(number);
  return found == targets.end() ? INVALID_HANDLE_VALUE : found->second;
}

// ---- its group

OwnedHandle new_job(const std::string& program, HANDLE process) {
  OwnedHandle job(::CreateJobObjectW(nullptr, nullptr));
  if (job.open() && ::AssignProcessToJobObject(job.get(), process)) return job;
  const auto error = ::GetLastError();
  ::TerminateProcess(process, never_began);
  refuse_spawn(program, "it could get no group of its own: ", error);
}

}  // namespace

void refuse_what_windows_lacks(const ProcessOptions& options) {
  if (options.terminal) refuse_option(options.program, "a terminal");
  if (options.user) refuse_option(options.program, "a user's number");
  if (options.group) refuse_option(options.program, "a group's number");
  if (!options.groups.empty()) refuse_option(options.program, "groups' numbers");
  if (options.process_group == ProcessOptions::Group::own_session) {
    refuse_option(options.program, "a session of its own");
  }
}

LaunchedProgram launch_program(const ProcessOptions& options,
                               const std::map<int, HANDLE>& targets) {
  const auto path = find_program(options);
  refuse_batch_file(options, path);
  auto line =
      wide(windows_command_line(options.called.value_or(options.program), options.arguments));
  std::wstring environment;
  if (options.environment) environment = wide(windows_environment(*options.environment));
  const auto directory = wide(windows_text(options.directory, "The directory"));
  check_directory(options, directory);

  const InheritedHandles inherited(targets);
  if (inherited.any() && inherited.attributes() == nullptr) {
    refuse_spawn(options.program, "its descriptors could not be put in place: ", ::GetLastError());
  }
  auto descriptors = runtime_descriptors(targets);
  STARTUPINFOEXW startup{};
  startup.StartupInfo.cb = inherited.any() ? sizeof startup : sizeof startup.StartupInfo;
  startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
  startup.StartupInfo.hStdInput = standard_handle(targets, 0);
  startup.StartupInfo.hStdOutput = standard_handle(targets, 1);
  startup.StartupInfo.hStdError = standard_handle(targets, 2);
  startup.StartupInfo.cbReserved2 = static_cast<WORD>(descriptors.size());
  startup.StartupInfo.lpReserved2 = reinterpret_cast<LPBYTE>(descriptors.data());
  startup.lpAttributeList = inherited.attributes();

  const bool grouped = options.process_group == ProcessOptions::Group::own_group;
  DWORD flags = CREATE_UNICODE_ENVIRONMENT;
  if (inherited.any()) flags |= EXTENDED_STARTUPINFO_PRESENT;
  // Nothing of it may run outside of its job.
  if (grouped) flags |= CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED;
  PROCESS_INFORMATION started{};
  const auto start = [&] {
    return ::CreateProcessW(wide(path).c_str(), line.data(), nullptr, nullptr, inherited.any(),
                            flags, options.environment ? environment.data() : nullptr,
                            directory.empty() ? nullptr : directory.c_str(), &startup.StartupInfo,
                            &started) != FALSE;
  };
  // Wine loses one program in a thousand so, before anything of it has run.
  if (!start() && (::GetLastError() != ERROR_INTERNAL_ERROR || !start())) {
    refuse_spawn(options.program, "", ::GetLastError());
  }
  LaunchedProgram launched{started.dwProcessId, OwnedHandle(started.hProcess), OwnedHandle()};
  const OwnedHandle thread(started.hThread);
  if (grouped) {
    launched.job = new_job(options.program, launched.process.get());
    ::ResumeThread(thread.get());
  }
  return launched;
}

}  // namespace weft::detail
