#include "string_process.hpp"

#include "../framework/error.hpp"
#include "../framework/turn.hpp"

#include <csignal>
#include <utility>

namespace weft::testing {

namespace {

using Kind = ChildDescriptor::Kind;

// As everywhere, be it that this system has none.
constexpr int kill_signal = 9;
constexpr int terminal_stream = 1;

bool is_piped(Kind kind) noexcept {
  return kind == Kind::from_child || kind == Kind::to_child || kind == Kind::both_ways;
}

}  // namespace

class StringProcess::Pipe final : public Protocol {
 public:
  Pipe(StringProcess& child, int descriptor) : child_(child), descriptor_(descriptor) {}
  void data_received(BytesView data) override {
    const weft::detail::ContextSwitch inside(child_.context_);
    child_.protocol_->child_data_received(descriptor_, data);
  }
  void pause_writing() override {
    const weft::detail::ContextSwitch inside(child_.context_);
    child_.protocol_->pause_writing(descriptor_);
  }
  void resume_writing() override {
    const weft::detail::ContextSwitch inside(child_.context_);
    child_.protocol_->resume_writing(descriptor_);
  }
  void connection_lost(const Failure&) override { child_.pipe_lost(descriptor_); }

 private:
  StringProcess& child_;
  int descriptor_;
};

StringProcess::StringProcess(const ProcessOptions& options)
    : grace_(options.grace), terminal_(options.terminal) {
  if (terminal_) add_stream(terminal_stream, Kind::both_ways);
  for (const auto& [descriptor, wanted] : options.descriptors) {
    if (terminal_ && descriptor >= 0 && descriptor <= 2) continue;
    if (is_piped(wanted.kind())) add_stream(descriptor, wanted.kind());
  }
}

StringProcess::~StringProcess() = default;

void StringProcess::add_stream(int descriptor, Kind kind) {
  streams_.emplace(descriptor, Stream{kind, std::make_shared<StringTransport>(clock_)});
}

void StringProcess::start(std::shared_ptr<ProcessProtocol> protocol) {
  protocol_ = std::move(protocol);
  for (const auto& [descriptor, stream] : streams_) {
    ++open_pipes_;
    stream.transport->establish(std::make_shared<Pipe>(*this, descriptor));
  }
  clock_.turn().enter_in(
      context_, [this] { protocol_->make_connection(shared_from_this()); },
      [this](const Failure&) { kill(); });
  settle();
}

void StringProcess::settle() {
  if (!clock_.turn().inside()) clock_.settle();
}

template <class F>
void StringProcess::call_user(F&& callback) {
  if (protocol_ == nullptr) return;
  clock_.turn().enter_logged_in(context_, "A callback of a process threw",
                                std::forward<F>(callback));
}

// ---- what was asked of it

std::string StringProcess::written(int descriptor) const {
  return stream(descriptor).transport->value();
}

bool StringProcess::closed(int descriptor) const {
  const auto& transport = *stream(descriptor).transport;
  return transport.disconnecting() || transport.ended_writing();
}

const StringProcess::Stream& StringProcess::stream(int descriptor) const {
  const bool standard = descriptor >= 0 && descriptor <= 2;
  const auto found = streams_.find(terminal_ && standard ? terminal_stream : descriptor);
  if (found == streams_.end()) {
    throw InvalidArgument("The test's process has no pipe of ours at its descriptor " +
                          std::to_string(descriptor) + "; name it in the options.");
  }
  return found->second;
}

StringTransport& StringProcess::string_transport(int descriptor) const {
  return *stream(descriptor).transport;
}

Transport& StringProcess::pipe(int descriptor) const {
  return string_transport(descriptor);
}

void StringProcess::check_writable(int descriptor) const {
  if (stream(descriptor).kind != Kind::from_child) return;
  throw InvalidArgument("The test's process writes to its descriptor " +
                        std::to_string(descriptor) + ", so it would read nothing from there.");
}

void StringProcess::close_child_descriptor(int descriptor) {
  pipe(descriptor).lose_connection();
}

void StringProcess::close_stdin() {
  check_writable(0);
  if (terminal_) return pipe(0).write("\x04");
  stream(0).kind == Kind::both_ways ? pipe(0).lose_write_connection() : pipe(0).lose_connection();
}

void StringProcess::lose_connection() {
  for (const auto& [descriptor, stream] : streams_)
    stream.transport->lose_connection();
}

void StringProcess::pause_producing() {
  for (const auto& [descriptor, stream] : streams_) {
    if (stream.kind != Kind::to_child) stream.transport->pause_producing();
  }
}

void StringProcess::resume_producing() {
  for (const auto& [descriptor, stream] : streams_) {
    if (stream.kind != Kind::to_child) stream.transport->resume_producing();
  }
}

void StringProcess::signal_process(int signal) {
  if (status_) throw ProcessExited("The test's process is gone, so there is nobody to signal.");
  signals_.push_back(signal);
  if (signal != kill_signal) return;
  // Not inside this call, as with any child.
  clock_.call_later(Duration::zero(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr && !self->status_) self->exit(ProcessStatus::signalled(kill_signal));
  });
}

void StringProcess::terminate(std::optional<Duration> grace, Reach) {
  if (status_) return;
  signals_.push_back(SIGTERM);
  const auto wait = grace.value_or(grace_);
  if (kill_call_.active() && kill_call_.due() <= clock_.now() + wait) return;
  kill_call_.cancel_if_active();
  kill_call_ = clock_.call_later(wait, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->kill();
  });
}

void StringProcess::kill() noexcept {
  if (!status_) signal_process(kill_signal);
}

TerminalSize StringProcess::terminal_size() const {
  if (!terminal_) {
    throw InvalidArgument("The test's process has no terminal; ask for one in its options.");
  }
  return *terminal_;
}

void StringProcess::set_terminal_size(TerminalSize size) {
  static_cast<void>(terminal_size());
  terminal_ = size;
}

// ---- what the child does

void StringProcess::deliver(int descriptor, BytesView data) {
  string_transport(descriptor).deliver(data);
  settle();
}

void StringProcess::close(int descriptor) {
  const auto& closing = stream(descriptor);
  closing.kind == Kind::to_child
      ? closing.transport->break_with(make_failure<ConnectionLost>("The child closed its input."))
      : closing.transport->deliver_end();
  settle();
}

void StringProcess::exit_alone(ProcessStatus status) {
  if (status_) return;
  status_ = status;
  kill_call_.cancel_if_active();
  call_user([&] { protocol_->process_exited(status); });
  end_if_over();
  settle();
}

void StringProcess::exit(ProcessStatus status) {
  const auto self = shared_from_this();
  exit_alone(status);
  for (const auto& [descriptor, stream] : streams_) {
    if (stream.transport->connected()) close(descriptor);
  }
}

void StringProcess::pipe_lost(int descriptor) {
  --open_pipes_;
  call_user([&] { protocol_->child_connection_lost(descriptor); });
  end_if_over();
}

void StringProcess::end_if_over() {
  if (!status_ || open_pipes_ > 0 || protocol_ == nullptr) return;
  call_user([this] { protocol_->process_ended(*status_); });
  context_ = weft::detail::HeldContext();
  clock_.turn().release_later(std::exchange(protocol_, nullptr));
}

std::shared_ptr<StringProcess> spawn(std::shared_ptr<ProcessProtocol> protocol,
                                     const ProcessOptions& options) {
  const auto child = std::make_shared<StringProcess>(options);
  child->start(std::move(protocol));
  return {child.get(), [child](StringProcess*) {
            child->exit(ProcessStatus::signalled(kill_signal));
            for (const auto& [descriptor, stream] : child->streams_)
              stream.transport->abort_connection();
            child->settle();
          }};
}

}  // namespace weft::testing
