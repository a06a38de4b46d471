#include "process.hpp"

#include "transport.hpp"

#include <csignal>
#include <span>
#include <utility>

namespace weft {

namespace {

struct SignalName {
  int number;
  std::string_view name;
};

// Those that have a meaning of their own; which there are depends on the system. Windows has BREAK
// besides, and KILL is what we end its processes by.
constexpr SignalName signal_names[] = {
    {SIGABRT, "ABRT"},   {SIGFPE, "FPE"},       {SIGILL, "ILL"},   {SIGINT, "INT"},
    {SIGSEGV, "SEGV"},   {SIGTERM, "TERM"},
#ifdef SIGKILL
    {SIGHUP, "HUP"},     {SIGQUIT, "QUIT"},     {SIGTRAP, "TRAP"}, {SIGBUS, "BUS"},
    {SIGKILL, "KILL"},   {SIGUSR1, "USR1"},     {SIGUSR2, "USR2"}, {SIGPIPE, "PIPE"},
    {SIGALRM, "ALRM"},   {SIGCHLD, "CHLD"},     {SIGCONT, "CONT"}, {SIGSTOP, "STOP"},
    {SIGTSTP, "TSTP"},   {SIGTTIN, "TTIN"},     {SIGTTOU, "TTOU"}, {SIGURG, "URG"},
    {SIGXCPU, "XCPU"},   {SIGXFSZ, "XFSZ"},     {SIGPROF, "PROF"}, {SIGVTALRM, "VTALRM"},
    {SIGWINCH, "WINCH"}, {SIGIO, "IO"},         {SIGSYS, "SYS"},
#endif
#ifdef SIGPWR
    {SIGPWR, "PWR"},     {SIGSTKFLT, "STKFLT"},
#endif
#ifdef SIGBREAK
    {SIGBREAK, "BREAK"}, {9, "KILL"},
#endif
};

std::string failure_text(const std::string& program, const ProcessStatus& status,
                         std::string_view said) {
  std::string text = "The program " + program + " " + status.text();
  if (said.empty()) return text + ".";
  while (!said.empty() && said.back() == '\n')
    said.remove_suffix(1);
  return text + "; it said last: " + std::string(said);
}

}  // namespace

int signal_number(std::string_view name) {
  auto bare = name;
  if (bare.starts_with("SIG")) bare.remove_prefix(3);
  for (const auto& known : signal_names) {
    if (known.name == bare) return known.number;
  }
  throw InvalidArgument("This system has no signal called \"" + std::string(name) +
                        "\"; give a name such as \"TERM\", or a number.");
}

std::string signal_name(int number) {
  for (const auto& known : signal_names) {
    if (known.number == number) return "SIG" + std::string(known.name);
  }
  return "signal " + std::to_string(number);
}

// ---- how it ended

ProcessStatus ProcessStatus::exited(int code) noexcept {
  return {Kind::exited, code, false};
}
ProcessStatus ProcessStatus::signalled(int signal, bool dumped_core) noexcept {
  return {Kind::signalled, signal, dumped_core};
}
ProcessStatus ProcessStatus::unknown() noexcept {
  return {Kind::unknown, 0, false};
}

std::optional<int> ProcessStatus::exit_code() const noexcept {
  return kind_ == Kind::exited ? std::optional(value_) : std::nullopt;
}
std::optional<int> ProcessStatus::signal() const noexcept {
  return kind_ == Kind::signalled ? std::optional(value_) : std::nullopt;
}

std::string ProcessStatus::text() const {
  switch (kind_) {
    case Kind::exited:
      return "exited with code " + std::to_string(value_);
    case Kind::signalled:
      return "was ended by " + signal_name(value_) + (dumped_core_ ? ", leaving a core" : "");
    default:
      return "ended, but somebody else was told how";
  }
}

ProcessFailed::ProcessFailed(const std::string& program, ProcessStatus status,
                             std::string_view said)
    : Error(failure_text(program, status, said)), status_(status) {}

// ---- how it is run

ProcessOptions::ProcessOptions(std::initializer_list<std::string> command, SourceLocation asked_at)
    : ProcessOptions(std::vector<std::string>(command), asked_at) {}

ProcessOptions::ProcessOptions(std::vector<std::string> command, SourceLocation asked_at)
    : where(asked_at) {
  if (command.empty()) throw InvalidArgument("A command without a program was given; name one.");
  program = std::move(command.front());
  command.erase(command.begin());
  arguments = std::move(command);
}

// ---- the protocol and its process

ProcessProtocol::ProcessProtocol() = default;
ProcessProtocol::~ProcessProtocol() = default;

void ProcessProtocol::child_data_received(int descriptor, BytesView data) {
  if (descriptor == 1) out_received(data);
  if (descriptor == 2) err_received(data);
}

void ProcessProtocol::make_connection(std::shared_ptr<Process> process) {
  process_ = std::move(process);
  connection_made();
}

Process& ProcessProtocol::process() const {
  if (process_ == nullptr) {
    throw NotConnectedError(
        "This protocol has no process yet; use it in or after connection_made.");
  }
  return *process_;
}

Process::Process() = default;
Process::~Process() = default;

void Process::write(int descriptor, BytesView data) {
  check_writable(descriptor);
  pipe(descriptor).write(data);
}

void Process::write(int descriptor, Bytes data) {
  check_writable(descriptor);
  pipe(descriptor).write(std::move(data));
}

void Process::signal_process(std::string_view name) {
  signal_process(signal_number(name));
}

}  // namespace weft
