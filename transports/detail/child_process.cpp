#include "child_process.hpp"

#include "../../framework/error.hpp"
#include "../../framework/logging.hpp"

#include <algorithm>
#include <csignal>
#include <string>
#include <system_error>
#include <typeinfo>
#include <utility>

namespace weft::detail {

namespace {

using Kind = ChildDescriptor::Kind;

constexpr int standard_input = 0;
constexpr int standard_output = 1;
constexpr int standard_error = 2;
// What a child's own children may hold up a shutdown by its pipes.
constexpr Duration drain_at_stop = std::chrono::seconds(1);

}  // namespace

/// Has the process's protocol told of one of its pipes.
class ChildProcess::Pipe final : public Protocol {
 public:
  Pipe(std::shared_ptr<ChildProcess> child, int descriptor)
      : child_(std::move(child)), descriptor_(descriptor) {}

  void data_received(BytesView data) override {
    tell([&](ProcessProtocol& protocol) { protocol.child_data_received(descriptor_, data); });
  }
  void change_transport(std::shared_ptr<Transport> transport) override {
    child_->change_pipe(descriptor_, transport);
    Protocol::change_transport(std::move(transport));
  }
  void pause_writing() override {
    tell([this](ProcessProtocol& protocol) { protocol.pause_writing(descriptor_); });
  }
  void resume_writing() override {
    tell([this](ProcessProtocol& protocol) { protocol.resume_writing(descriptor_); });
  }
  void connection_lost(const Failure&) override { child_->pipe_lost(descriptor_); }

 private:
  // In the process's context and name. What it throws is the pipe's: its transport ends by it.
  template <class F>
  void tell(F&& callback) {
    std::optional<Failure> thrown;
    child_->reactor_.turn().enter_in(
        child_->context_, [&] { callback(*child_->protocol_); },
        [&](const Failure& failure) { thrown = failure; }, Turn::Subject(child_.get()));
    if (thrown) thrown->raise();
  }

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
      native_(reactor, options),
      terminal_size_(options.terminal.value_or(TerminalSize{})),
      on_terminal_(options.terminal.has_value()) {}

const char* ChildProcess::subject_type() const noexcept {
  const auto* const protocol = protocol_.get();
  return protocol != nullptr ? typeid(*protocol).name() : nullptr;
}

ChildProcess::~ChildProcess() {
  kill_and_reap();
  if (stop_trigger_ && turn() != nullptr) reactor_.remove_system_event_trigger(*stop_trigger_);
}

std::shared_ptr<StreamTransport> ChildProcess::join_standard_streams() {
  auto joined = native_.join_standard_streams();
  if (!on_terminal_) streams_.emplace(standard_input, Stream{Kind::both_ways, joined, nullptr});
  streams_.emplace(standard_output, Stream{Kind::both_ways, joined, nullptr});
  ++open_pipes_;
  return joined;
}

void ChildProcess::begin(std::shared_ptr<ProcessProtocol> protocol) {
  const auto self = shared_from_this();
  for (const auto& [descriptor, kind, transport] : native_.open_pipes())
    streams_.emplace(descriptor, Stream{kind, transport, transport});
  if (at_stop_ == ProcessOptions::AtStop::terminate) {
    stop_trigger_ = reactor_.add_system_event_trigger(
        Phase::before, SystemEvent::shutdown, [weak = weak_from_this()] {
          const auto child = weak.lock();
          return child != nullptr ? child->stop() : succeed();
        });
  }
  if (native_.reaped()) {
    kill_call_ = reactor_.call_later(Duration::zero(),
                                     [self] { self->tell_exit(ProcessStatus::unknown()); });
  } else {
    native_.wait_for_exit([self] { self->exited(); });
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
      },
      Turn::Subject(this));
}

std::shared_ptr<Process> spawn_child(Reactor& reactor, std::shared_ptr<ProcessProtocol> protocol,
                                     const ProcessOptions& options) {
  reactor.turn().check_thread();
  if (protocol == nullptr) {
    throw InvalidArgument("A process was given no protocol, so nobody would be told; pass one.");
  }
  auto child = std::make_shared<ChildProcess>(reactor, options);
  child->made_at(options.where);
  child->begin(std::move(protocol));
  return child;
}

// ---- pipes

const ChildProcess::Stream& ChildProcess::stream(int descriptor) const {
  const bool standard = descriptor >= standard_input && descriptor <= standard_error;
  const auto found = streams_.find(on_terminal_ && standard ? terminal_pipe : descriptor);
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
  check_writable(standard_input);
  if (native_.terminal_open()) {
    const auto end = native_.end_of_input();
    if (end) pipe(standard_input).write(BytesView(&*end, 1));
    return;
  }
  const auto& input = stream(standard_input);
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
  if (descriptor == terminal_pipe) native_.close_terminal();
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
  native_.resize_terminal(size);
}

// ---- signals

void ChildProcess::signal_process(int signal) {
  std::error_code error;
  if (!status_) {
    error = native_.send(signal);
    if (!error) return;
  }
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
    native_.ask_group_to_end();
  } else {
    native_.send(SIGTERM);
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
  if (!status_) native_.kill();
}

void ChildProcess::kill_group_and_reap() noexcept {
  native_.kill_group();
  ends_group_ = false;
  if (status_ && !native_.reaped()) native_.reap();
}

// ---- the end

template <class F>
void ChildProcess::call_user(const char* what, F&& callback) noexcept {
  if (protocol_ == nullptr) return;
  reactor_.turn().enter_in(
      context_, std::forward<F>(callback),
      [&](const Failure& failure) {
        log_failure("process", what + (" for " + program_) + " threw", failure);
      },
      Turn::Subject(this));
}

void ChildProcess::exited() {
  const auto self = shared_from_this();
  const auto status = native_.look();
  if (!status) return;
  native_.stop_waiting();
  if (!ends_group_) {
    kill_call_.cancel_if_active();
    native_.reap();
  }
  tell_exit(*status);
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
  native_.stop_waiting();
  kill_call_.cancel_if_active();
  drain_call_.cancel_if_active();
  try {
    if (!status_) {
      kill_and_reap();
      tell_exit(death_.value_or(ProcessStatus::unknown()));
    } else if (!native_.reaped()) {
      kill_group_and_reap();
    }
    drain_call_.cancel_if_active();
  } catch (...) {
    log_failure("process", "The end of a process could not be told", Failure::current());
  }
}

void ChildProcess::kill_and_reap() noexcept {
  if (!native_.reaped()) death_ = native_.kill_and_reap(ends_group_);
}

}  // namespace weft::detail
