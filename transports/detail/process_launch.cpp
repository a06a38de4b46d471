#include "process_launch.hpp"

#include "../../framework/error.hpp"
#include "system_errors.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace weft::detail {

namespace {

// What the child was about when it failed.
enum class Step : std::int32_t { session, descriptors, terminal, directory, user, program };

struct StepFailure {
  Step step;
  std::int32_t error;
};

// All that the child needs between fork and exec, where it may not allocate.
struct Plan {
  const char* directory = nullptr;
  std::vector<const char*> paths;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::vector<DescriptorCopy> copies;
  // The targets in order, for what is kept open.
  std::vector<int> targets;
  std::span<const gid_t> groups;
  std::int64_t user = -1;
  std::int64_t group = -1;
  ProcessOptions::Group belongs = ProcessOptions::Group::ours;
  bool on_terminal = false;
  int report = -1;
  // Set by a child that shares our memory: then it has become the program, or failed, before we go
  // on.
  volatile bool shared = false;
};

// ---- in the child, which may share our memory until it has become another program: system calls
// only, since the library's own would be ours to undo

[[noreturn]] void give_up(const Plan& plan, Step step) noexcept {
  const StepFailure failure{step, errno};
  [[maybe_unused]] const auto written = ::write(plan.report, &failure, sizeof failure);
  ::_exit(127);
}

void reset_signals() noexcept {
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  // An ignored SIGPIPE would be inherited. Those that cannot be set are as they should be.
  for (int number = 1; number < NSIG; ++number)
    ::sigaction(number, &by_default, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Out of the way first, then each to its place: so any order and any exchange is right.
void place_descriptors(Plan& plan) noexcept {
  const int above = plan.targets.empty() ? 0 : plan.targets.back() + 1;
  const auto move_away = [above](int descriptor) {
    return descriptor >= above ? descriptor : ::fcntl(descriptor, F_DUPFD_CLOEXEC, above);
  };
  const int report = move_away(plan.report);
  if (report < 0) give_up(plan, Step::descriptors);
  plan.report = report;
  for (auto& copy : plan.copies) {
    copy.source = move_away(copy.source);
    if (copy.source < 0) give_up(plan, Step::descriptors);
  }
  for (const auto& copy : plan.copies) {
    if (::dup2(copy.source, copy.target) < 0) give_up(plan, Step::descriptors);
  }
  if (!close_others_on_exec(plan.targets)) give_up(plan, Step::descriptors);
}

#ifdef SYS_setresuid32
constexpr long set_groups = SYS_setgroups32;
constexpr long set_group = SYS_setresgid32;
constexpr long set_user = SYS_setresuid32;
#else
constexpr long set_groups = SYS_setgroups;
constexpr long set_group = SYS_setresgid;
constexpr long set_user = SYS_setresuid;
#endif

// The library would change all threads of a program, and its memory is that of our parent.
void change_user(const Plan& plan) noexcept {
  if (plan.user < 0 && plan.group < 0) return;
  // Who may not set groups has none to lose.
  const bool set = ::syscall(set_groups, plan.groups.size(), plan.groups.data()) == 0;
  if (!set && !(errno == EPERM && plan.groups.empty() && ::geteuid() != 0)) {
    give_up(plan, Step::user);
  }
  const auto group = plan.group;
  if (group >= 0 && ::syscall(set_group, group, group, group) != 0) give_up(plan, Step::user);
  const auto user = plan.user;
  if (user >= 0 && ::syscall(set_user, user, user, user) != 0) give_up(plan, Step::user);
}

void run_program(const Plan& plan) noexcept {
  bool refused = false;
  for (const char* const path : plan.paths) {
    ::execve(path, plan.arguments.data(), plan.environment.data());
    if (errno == EACCES) {
      refused = true;
    } else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV &&
               errno != ETIMEDOUT) {
      return;
    }
  }
  errno = refused ? EACCES : ENOENT;
}

[[noreturn]] void become(Plan& plan) noexcept {
  plan.shared = true;
  reset_signals();
  using Group = ProcessOptions::Group;
  if (plan.belongs == Group::own_session && ::setsid() < 0) give_up(plan, Step::session);
  if (plan.belongs == Group::own_group && ::setpgid(0, 0) != 0) give_up(plan, Step::session);
  place_descriptors(plan);
  if (plan.on_terminal && ::ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) give_up(plan, Step::terminal);
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) give_up(plan, Step::directory);
  change_user(plan);
  run_program(plan);
  give_up(plan, Step::program);
}

// ---- before

void refuse_nul(std::string_view text, const char* what) {
  if (text.find('\0') == std::string_view::npos) return;
  throw InvalidArgument(std::string(what) +
                        " of a program has a NUL byte, which cannot be passed; take it out.");
}

// The system takes it for no change, so that the program would run as whoever we are.
constexpr std::uint32_t no_change = 0xFFFFFFFF;

void check_identity(const ProcessOptions& options) {
  const auto& groups = options.groups;
  if (options.user == no_change || options.group == no_change ||
      std::find(groups.begin(), groups.end(), no_change) != groups.end()) {
    throw InvalidArgument("The program " + options.program + " cannot run as the user or group " +
                          std::to_string(no_change) + ", which is nobody's number; name another.");
  }
  if (!groups.empty() && !options.user && !options.group) {
    throw InvalidArgument("The program " + options.program +
                          " was given groups, but no user or group to run as, so that they would "
                          "not be set; give one of these too.");
  }
}

// What a plan points into.
struct Texts {
  explicit Texts(const ProcessOptions& options);
  void add_environment(const ProcessOptions& options);
  void add_paths(const ProcessOptions& options);

  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<std::string> paths;
};

Texts::Texts(const ProcessOptions& options) {
  if (options.program.empty()) throw InvalidArgument("No program to run was given; name one.");
  refuse_nul(options.program, "The name");
  refuse_nul(options.directory, "The directory");
  arguments.push_back(options.called.value_or(options.program));
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  for (const auto& argument : arguments)
    refuse_nul(argument, "An argument");
  add_environment(options);
  add_paths(options);
}

void Texts::add_environment(const ProcessOptions& options) {
  if (!options.environment) {
    for (char** variable = ::environ; variable != nullptr && *variable != nullptr; ++variable)
      environment.emplace_back(*variable);
    return;
  }
  for (const auto& [name, value] : *options.environment) {
    if (name.empty() || name.find('=') != std::string::npos) {
      throw InvalidArgument("\"" + name + "\" cannot be the name of an environment variable.");
    }
    environment.push_back(name + "=" + value);
    refuse_nul(environment.back(), "An environment variable");
  }
}

void Texts::add_paths(const ProcessOptions& options) {
  if (options.program.find('/') != std::string::npos) {
    paths.push_back(options.program);
    return;
  }
  std::string_view search = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string_view variable : environment) {
    if (variable.starts_with("PATH=")) search = variable.substr(5);
  }
  for (std::size_t from = 0; from <= search.size();) {
    const auto to = std::min(search.find(':', from), search.size());
    const auto folder = search.substr(from, to - from);
    paths.push_back((folder.empty() ? std::string(".") : std::string(folder)) + "/" +
                    options.program);
    from = to + 1;
  }
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (auto& text : texts)
    all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

Plan plan_for(const ProcessOptions& options, Texts& texts, std::vector<DescriptorCopy> copies) {
  Plan plan;
  if (!options.directory.empty()) plan.directory = options.directory.c_str();
  for (const auto& path : texts.paths)
    plan.paths.push_back(path.c_str());
  plan.arguments = pointers(texts.arguments);
  plan.environment = pointers(texts.environment);
  plan.copies = std::move(copies);
  for (const auto& copy : plan.copies)
    plan.targets.push_back(copy.target);
  std::sort(plan.targets.begin(), plan.targets.end());
  static_assert(sizeof(gid_t) == sizeof(std::uint32_t));
  plan.groups = options.groups;
  if (options.user) plan.user = *options.user;
  if (options.group) plan.group = *options.group;
  plan.on_terminal = options.terminal.has_value();
  plan.belongs = plan.on_terminal ? ProcessOptions::Group::own_session : options.process_group;
  return plan;
}

// ---- the step itself

[[noreturn]] void refuse_spawn(const std::string& program, const std::string& why, int code) {
  const auto error = system_error(code);
  throw SpawnError("The program " + program + " could not be run: " + why + error.message() + ".",
                   {}, error);
}

[[noreturn]] void refuse_step(const ProcessOptions& options, const StepFailure& failure) {
  const auto why = [&]() -> std::string {
    switch (failure.step) {
      case Step::session:
        return "it could get no group of its own: ";
      case Step::descriptors:
        return "its descriptors could not be put in place: ";
      case Step::terminal:
        return "it could not take its terminal: ";
      case Step::directory:
        return "its directory " + options.directory + " cannot be entered: ";
      case Step::user:
        return "it may not run as that user or group: ";
      default:
        return "";
    }
  };
  refuse_spawn(options.program, why(), failure.error);
}

// No handler of ours may run in the child while it shares our memory.
class NoSignals {
 public:
  NoSignals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  NoSignals(const NoSignals&) = delete;
  NoSignals& operator=(const NoSignals&) = delete;

 private:
  sigset_t before_;
};

// Ours waits until the child has become another program, so that nothing of a large program's
// memory need be copied.
[[gnu::noinline]] pid_t fork_and_become(Plan& plan) noexcept {
  const NoSignals quiet;
  const pid_t pid = ::vfork();
  if (pid == 0) become(plan);
  return pid;
}

int open_handle(pid_t pid) noexcept {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

void check_handles() {
  static const int missing = [] {
    const OwnedDescriptor ours(open_handle(::getpid()));
    return ours.open() || errno == EMFILE || errno == ENFILE ? 0 : errno;
  }();
  if (missing == 0) return;
  throw NotSupportedOnThisPlatform(
      "Processes need pidfd_open, which this system lacks or forbids (Linux has it from 5.3 on): " +
          system_error(missing).message() + ".",
      {}, system_error(missing));
}

void wait_for(pid_t pid) noexcept {
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

LaunchedProcess launch_process(const ProcessOptions& options, std::vector<DescriptorCopy> copies) {
  check_handles();
  check_identity(options);
  Texts texts(options);
  auto plan = plan_for(options, texts, std::move(copies));
  int ends[2] = {};
  if (::pipe2(ends, O_CLOEXEC) != 0) refuse_spawn(options.program, "", errno);
  const OwnedDescriptor reports(ends[0]);
  OwnedDescriptor child_reports(ends[1]);
  plan.report = child_reports.get();

  LaunchedProcess launched;
  launched.pid = fork_and_become(plan);
  if (launched.pid < 0) refuse_spawn(options.program, "", errno);
  child_reports.close();
  // Somebody else's child may have got the other end too, and it would be long until that ends.
  if (plan.shared) ::fcntl(reports.get(), F_SETFL, O_NONBLOCK);
  StepFailure failure{};
  ssize_t told = 0;
  do {
    told = ::read(reports.get(), &failure, sizeof failure);
  } while (told < 0 && errno == EINTR);
  if (told == static_cast<ssize_t>(sizeof failure)) {
    wait_for(launched.pid);
    refuse_step(options, failure);
  }
  launched.handle = OwnedDescriptor(open_handle(launched.pid));
  if (!launched.handle.open() && errno != ESRCH) {
    const int error = errno;
    ::kill(launched.pid, SIGKILL);
    wait_for(launched.pid);
    refuse_spawn(options.program, "it cannot be watched: ", error);
  }
  return launched;
}

// ---- which descriptors the program keeps

namespace {

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

bool mark_range(unsigned int first, unsigned int last) noexcept {
#ifdef SYS_close_range
  return ::syscall(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC) == 0;
#else
  static_cast<void>(first);
  static_cast<void>(last);
  return false;
#endif
}

bool mark_ranges(std::span<const int> kept) noexcept {
  unsigned int first = 0;
  for (const int keep : kept) {
    const auto number = static_cast<unsigned int>(keep);
    if (number > first && !mark_range(first, number - 1)) return false;
    first = number + 1;
  }
  return mark_range(first, UINT_MAX);
}

// What getdents64 gives before each name.
struct EntryHead {
  std::uint64_t inode;
  std::int64_t offset;
  unsigned short length;
  unsigned char type;
};
constexpr std::size_t name_offset = offsetof(EntryHead, type) + 1;

// Zero and more; -1 for what is no number.
int number_of(const char* name) noexcept {
  int number = 0;
  if (*name == '\0') return -1;
  for (; *name != '\0'; ++name) {
    if (*name < '0' || *name > '9') return -1;
    number = number * 10 + (*name - '0');
  }
  return number;
}

bool mark_listed(std::span<const int> kept) noexcept {
  const int directory = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  alignas(EntryHead) std::array<char, 4096> block;
  long size = 0;
  while ((size = ::syscall(SYS_getdents64, directory, block.data(), block.size())) > 0) {
    for (long at = 0; at < size;) {
      const auto* const entry = reinterpret_cast<const EntryHead*>(block.data() + at);
      const int number = number_of(block.data() + at + name_offset);
      at += entry->length;
      if (number < 0 || std::binary_search(kept.begin(), kept.end(), number)) continue;
      ::fcntl(number, F_SETFD, FD_CLOEXEC);
    }
  }
  ::close(directory);
  return size == 0;
}

}  // namespace

bool close_others_on_exec(std::span<const int> kept, bool newest_way) noexcept {
  return (newest_way && mark_ranges(kept)) || mark_listed(kept);
}

}  // namespace weft::detail
