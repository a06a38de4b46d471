#include "child_process.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace weft::detail {

namespace {

using Kind = ChildDescriptor::Kind;

// The key of a terminal's one stream, which descriptors 0 to 2 mean.
constexpr int terminal_stream = STDOUT_FILENO;
// What a child's own children may hold up a shutdown by its pipes.
constexpr Duration drain_at_stop = std::chrono::seconds(1);
// How long a killed process may take to go; only one that waits for a device takes any time.
constexpr int max_death_throes_milliseconds = 2000;

ProcessStatus status_from(const siginfo_t& info) noexcept {
  if (info.si_code == CLD_EXITED) return ProcessStatus::exited(info.si_status);
  return ProcessStatus::signalled(info.si_status, info.si_code == CLD_DUMPED);
}

// What became of the process, if it is gone; `flags` is WNOWAIT to leave it as it is.
std::optional<ProcessStatus> look(int handle, int flags) noexcept {
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

/// Has the process's protocol told of one of its pipes.
class ChildProcess::Pipe final : public Protocol {
 public:
  Pipe(std::shared_ptr<ChildProcess> child, int descriptor)
      : child_(std::move(child)), descriptor_(descriptor) {}

  void data_received(BytesView data) override {
    const ContextSwitch inside(child_->context_);
    child_->protocol_->child_data_received(descriptor_, data);
  }
  void change_transport(std::shared_ptr<Transport> transport) override {
    child_->change_pipe(descriptor_, transport);
    Protocol::change_transport(std::move(transport));
  }
  void pause_writing() override {
    const ContextSwitch inside(child_->context_);
    child_->protocol_->pause_writing(descriptor_);
  }
  void resume_writing() override {
    const ContextSwitch inside(child_->context_);
    child_->protocol_->resume_writing(descriptor_);
  }
  void connection_lost(const Failure&) override { child_->pipe_lost(descriptor_); }

 private:
  std::shared_ptr<ChildProcess> child_;
  int descriptor_;
};

// ---- the beginning

ChildProcess::ChildProcess(Reactor& reactor, const ProcessOptions& options)
    : Turn::Participant(reactor.turn()),
      reactor_(reactor),
      program_(options.program),
      group_(options.terminal ? ProcessOptions::Group::own_session : options.process_group),
      at_stop_(options.at_stop),
      grace_(options.grace),
      drain_grace_(options.drain_grace),
      descriptors_(options),
      terminal_size_(options.terminal.value_or(TerminalSize{})),
      on_terminal_(options.terminal.has_value()) {
  auto launched = launch_process(options, std::move(descriptors_.copies));
  pid_ = launched.pid;
  handle_ = std::move(launched.handle);
  // Somebody else was told of its end.
  reaped_ = !handle_.open();
  descriptors_.childs.clear();
}

ChildProcess::~ChildProcess() {
  if (!reaped_) kill_and_reap();
  if (stop_trigger_ && turn() != nullptr) reactor_.remove_system_event_trigger(*stop_trigger_);
}

void ChildProcess::add_stream(int descriptor, Kind kind,
                              std::shared_ptr<DescriptorTransport> transport) {
  streams_.emplace(descriptor, Stream{kind, transport, transport});
}

std::shared_ptr<DescriptorTransport> ChildProcess::open_terminal() {
  terminal_ = OwnedDescriptor(::fcntl(descriptors_.terminal.get(), F_DUPFD_CLOEXEC, 3));
  return std::make_shared<DescriptorTransport>(
      reactor_, UsedDescriptor(std::move(descriptors_.terminal)), Address(), Address());
}

std::shared_ptr<DescriptorTransport> ChildProcess::join_standard_streams() {
  auto& ends = descriptors_.ours;
  const auto take = [&ends](int target) {
    const auto found = std::find_if(
        ends.begin(), ends.end(), [target](const ParentEnd& end) { return end.target == target; });
    UsedDescriptor used(std::move(found->descriptor));
    ends.erase(found);
    return used;
  };
  std::shared_ptr<DescriptorTransport> joined;
  if (descriptors_.terminal.open()) {
    joined = open_terminal();
  } else {
    auto from_child = take(STDOUT_FILENO);
    auto to_child = take(STDIN_FILENO);
    joined =
        std::make_shared<DescriptorTransport>(reactor_, std::move(from_child), std::move(to_child));
    streams_.emplace(STDIN_FILENO, Stream{Kind::both_ways, joined, nullptr});
  }
  streams_.emplace(STDOUT_FILENO, Stream{Kind::both_ways, joined, nullptr});
  ++open_pipes_;
  return joined;
}

void ChildProcess::begin(std::shared_ptr<ProcessProtocol> protocol) {
  const auto self = shared_from_this();
  for (auto& end : descriptors_.ours) {
    add_stream(end.target, end.kind,
               std::make_shared<DescriptorTransport>(
                   reactor_, UsedDescriptor(std::move(end.descriptor)), Address(), Address()));
  }
  descriptors_.ours.clear();
  if (descriptors_.terminal.open()) {
    add_stream(terminal_stream, Kind::both_ways, open_terminal());
  }
  if (at_stop_ == ProcessOptions::AtStop::terminate) {
    stop_trigger_ = reactor_.add_system_event_trigger(
        Phase::before, SystemEvent::shutdown, [weak = weak_from_this()] {
          const auto child = weak.lock();
          return child != nullptr ? child->stop() : succeed();
        });
  }
  if (reaped_) {
    kill_call_ = reactor_.call_later(Duration::zero(),
                                     [self] { self->tell_exit(ProcessStatus::unknown()); });
  } else {
    handle_ = above_standard(std::move(handle_));
    exit_watch_ = reactor_.watch(handle_.get(), Interest::readable, [self] { self->exited(); });
  }
  protocol_ = std::move(protocol);
  for (auto& [descriptor, stream] : streams_) {
    if (const auto transport = std::exchange(stream.waiting, nullptr)) {
      ++open_pipes_;
      transport->establish(std::make_shared<Pipe>(self, descriptor));
    }
  }
  reactor_.turn().enter_in(
      context_, [&] { protocol_->make_connection(self); },
      [this](const Failure& failure) {
        log_failure("process", "connection_made for " + program_ + " threw", failure);
        kill();
      });
}

std::shared_ptr<Process> spawn_child(Reactor& reactor, std::shared_ptr<ProcessProtocol> protocol,
                                     const ProcessOptions& options) {
  reactor.turn().check_thread();
  if (protocol == nullptr) {
    throw InvalidArgument("A process was given no protocol, so nobody would be told; pass one.");
  }
  auto child = std::make_shared<ChildProcess>(reactor, options);
  child->begin(std::move(protocol));
  return child;
}

// ---- pipes

const ChildProcess::Stream& ChildProcess::stream(int descriptor) const {
  const bool standard = descriptor >= STDIN_FILENO && descriptor <= STDERR_FILENO;
  const auto found = streams_.find(on_terminal_ && standard ? terminal_stream : descriptor);
  if (found == streams_.end()) {
    throw InvalidArgument("The process of " + program_ + " has no pipe of ours at its descriptor " +
                          std::to_string(descriptor) + "; name it in the options.");
  }
  return found->second;
}

Transport& ChildProcess::pipe(int descriptor) const {
  return *stream(descriptor).transport;
}

void ChildProcess::check_writable(int descriptor) const {
  if (stream(descriptor).kind != Kind::from_child) return;
  throw InvalidArgument("The process of " + program_ + " writes to its descriptor " +
                        std::to_string(descriptor) + ", so it would read nothing from there.");
}

void ChildProcess::close_child_descriptor(int descriptor) {
  pipe(descriptor).lose_connection();
}

void ChildProcess::close_stdin() {
  check_writable(STDIN_FILENO);
  if (terminal_.open()) {
    termios settings{};
    if (::tcgetattr(terminal_.get(), &settings) != 0) return;
    const char end = static_cast<char>(settings.c_cc[VEOF]);
    return pipe(STDIN_FILENO).write(BytesView(&end, 1));
  }
  const auto& input = stream(STDIN_FILENO);
  input.kind == Kind::both_ways ? input.transport->lose_write_connection()
                                : input.transport->lose_connection();
}

void ChildProcess::lose_connection() {
  for (const auto& [descriptor, stream] : streams_)
    stream.transport->lose_connection();
}

void ChildProcess::pause_producing() {
  for (const auto& [descriptor, stream] : streams_) {
    if (stream.kind != Kind::to_child) stream.transport->pause_producing();
  }
}

void ChildProcess::resume_producing() {
  for (const auto& [descriptor, stream] : streams_) {
    if (stream.kind != Kind::to_child) stream.transport->resume_producing();
  }
}

void ChildProcess::abort_pipes() {
  for (const auto& [descriptor, stream] : streams_)
    stream.transport->abort_connection();
}

void ChildProcess::change_pipe(int descriptor, const std::shared_ptr<Transport>& transport) {
  const auto before = stream(descriptor).transport;
  // Joined streams have one transport.
  for (auto& [number, stream] : streams_) {
    if (stream.transport == before) stream.transport = transport;
  }
}

void ChildProcess::pipe_lost(int descriptor) noexcept {
  const auto self = shared_from_this();
  --open_pipes_;
  if (descriptor == terminal_stream) terminal_.close();
  call_user("child_connection_lost", [&] { protocol_->child_connection_lost(descriptor); });
  end_if_over();
}

// ---- its terminal

TerminalSize ChildProcess::terminal_size() const {
  if (!on_terminal_) {
    throw InvalidArgument("The process of " + program_ +
                          " has no terminal; ask for one in its options.");
  }
  return terminal_size_;
}

void ChildProcess::set_terminal_size(TerminalSize size) {
  static_cast<void>(terminal_size());
  terminal_size_ = size;
  const winsize shape{size.rows, size.columns, 0, 0};
  // Once it is closed there is nobody to tell.
  if (terminal_.open()) ::ioctl(terminal_.get(), TIOCSWINSZ, &shape);
}

// ---- signals

bool ChildProcess::send(int signal) const noexcept {
  return ::syscall(SYS_pidfd_send_signal, handle_.get(), signal, nullptr, 0) == 0;
}

void ChildProcess::signal_process(int signal) {
  if (!status_ && send(signal)) return;
  const std::error_code error(errno, std::system_category());
  if (status_ || error == std::errc::no_such_process) {
    throw ProcessExited("The process of " + program_ +
                        " is gone, so there is nobody to signal; ask for its status first.");
  }
  throw InvalidArgument("The process of " + program_ + " cannot be sent signal " +
                            std::to_string(signal) + ": " + error.message() + ".",
                        {}, error);
}

void ChildProcess::terminate(std::optional<Duration> grace, Reach reach) {
  if (reach == Reach::group && group_ == ProcessOptions::Group::ours) {
    throw InvalidArgument("The process of " + program_ +
                          " is in our own group, which would end with it; give it its own.");
  }
  if (status_) return;
  if (reach == Reach::group) {
    ends_group_ = true;
    ::kill(-pid_, SIGTERM);
  } else {
    send(SIGTERM);
  }
  const auto wait = grace.value_or(grace_);
  // Whoever is in more of a hurry has his way.
  if (kill_call_.active() && kill_call_.due() <= reactor_.now() + wait) return;
  kill_call_.cancel_if_active();
  kill_call_ = reactor_.call_later(wait, [self = shared_from_this()] {
    self->ends_group_ ? self->kill_group_and_reap() : self->kill();
  });
}

void ChildProcess::kill() noexcept {
  if (!status_) send(SIGKILL);
}

void ChildProcess::kill_group_and_reap() noexcept {
  ::kill(-pid_, SIGKILL);
  ends_group_ = false;
  if (status_ && !reaped_) reap();
}

// ---- the end

template <class F>
void ChildProcess::call_user(const char* what, F&& callback) noexcept {
  if (protocol_ == nullptr) return;
  reactor_.turn().enter_in(context_, std::forward<F>(callback), [&](const Failure& failure) {
    log_failure("process", what + (" for " + program_) + " threw", failure);
  });
}

void ChildProcess::exited() {
  const auto self = shared_from_this();
  const auto status = look(handle_.get(), WNOWAIT);
  if (!status) return;
  exit_watch_ = Watch();
  if (!ends_group_) {
    kill_call_.cancel_if_active();
    reap();
  }
  tell_exit(*status);
}

void ChildProcess::reap() noexcept {
  look(handle_.get(), 0);
  reaped_ = true;
  handle_.close();
}

void ChildProcess::tell_exit(ProcessStatus status) {
  status_ = status;
  call_user("process_exited", [&] { protocol_->process_exited(status); });
  auto drain = drain_grace_;
  if (stopped_) drain = std::min(drain.value_or(drain_at_stop), drain_at_stop);
  if (drain && open_pipes_ > 0) {
    drain_call_ = reactor_.call_later(*drain, [self = shared_from_this()] { self->abort_pipes(); });
  }
  end_if_over();
}

void ChildProcess::end_if_over() {
  if (!status_ || open_pipes_ > 0 || protocol_ == nullptr) return;
  drain_call_.cancel_if_active();
  if (stop_trigger_) reactor_.remove_system_event_trigger(*std::exchange(stop_trigger_, {}));
  call_user("process_ended", [this] { protocol_->process_ended(*status_); });
  context_ = HeldContext();
  reactor_.turn().release_later(std::exchange(protocol_, nullptr));
  if (stopped_ && !stopped_->fired()) stopped_->callback();
}

Deferred<void> ChildProcess::stop() {
  stop_trigger_.reset();
  stopped_.emplace();
  auto over = stopped_->deferred();
  terminate(std::nullopt, Reach::process);
  if (status_ && !drain_call_.active()) {
    drain_call_ =
        reactor_.call_later(drain_at_stop, [self = shared_from_this()] { self->abort_pipes(); });
  }
  return over;
}

// The pipes have ended already: they came after this.
void ChildProcess::loop_ended() noexcept {
  const auto self = weak_from_this().lock();
  if (self == nullptr) return;
  exit_watch_ = Watch();
  kill_call_.cancel_if_active();
  drain_call_.cancel_if_active();
  try {
    if (!status_) {
      kill_and_reap();
      tell_exit(death_.value_or(ProcessStatus::unknown()));
    } else if (!reaped_) {
      kill_group_and_reap();
    }
    drain_call_.cancel_if_active();
  } catch (...) {
    log_failure("process", "The end of a process could not be told", Failure::current());
  }
}

void ChildProcess::kill_and_reap() noexcept {
  if (reaped_) return;
  if (ends_group_) ::kill(-pid_, SIGKILL);
  send(SIGKILL);
  pollfd waiting{handle_.get(), POLLIN, 0};
  while (::poll(&waiting, 1, max_death_throes_milliseconds) < 0 && errno == EINTR) {
  }
  death_ = look(handle_.get(), 0);
  if (!death_) log(LogLevel::warning, "process", "A killed process does not go away");
  reaped_ = true;
  handle_.close();
}

}  // namespace weft::detail
