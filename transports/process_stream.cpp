#include "process_stream.hpp"

#include "../framework/error.hpp"

#if defined(__linux__) || defined(_WIN32)

#include "../framework/connect_attempt.hpp"
#include "../framework/logging.hpp"
#include "../framework/protocol_wrapper.hpp"
#include "detail/child_process.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

namespace {

using detail::ChildProcess;

// A longer line of standard error is logged in pieces.
constexpr std::size_t max_logged_line = 4096;

/// The user's protocol, which is told of the end only when connection and program are over.
class Conversation final : public Protocol {
 public:
  Conversation(std::shared_ptr<Protocol> protocol, std::shared_ptr<Transport> transport,
               std::shared_ptr<ChildProcess> child)
      : user_(std::move(protocol)), way_(std::move(transport)), child_(std::move(child)) {}

  void connection_made() override { user_->make_connection(way_); }
  void data_received(BytesView data) override { user_->data_received(data); }
  void eof_received() override { user_->eof_received(); }
  void pause_writing() override { user_->pause_writing(); }
  void resume_writing() override { user_->resume_writing(); }
  void change_transport(std::shared_ptr<Transport> transport) override {
    child_->change_pipe(1, transport);
    user_->change_transport(std::move(transport));
  }
  [[nodiscard]] std::string take_undelivered() override { return user_->take_undelivered(); }
  [[nodiscard]] Transport* carried() noexcept override { return user_->carried(); }
  [[nodiscard]] BufferedProtocol* buffered() noexcept override { return user_->buffered(); }

  void connection_lost(const Failure& reason) override {
    // Each call below may end the program, or the reactor, and so come back here.
    if (loss_) return;
    loss_ = reason;
    context_ = detail::HeldContext::current();
    in_order_ = reason.check<ConnectionDone>() != nullptr;
    const auto child = child_;
    child->pipe_lost(1);
    if (child->status()) return tell();
    if (!in_order_) return child->kill();
    // Its input has ended, which most programs take for the end.
    overdue_ = way_->clock().call_later(
        child->grace(), [child] { child->terminate(std::nullopt, Process::Reach::process); });
  }
  void process_exited(std::string_view last_words) {
    overdue_.cancel_if_active();
    last_words_ = last_words;
    if (loss_) tell();
  }

 private:
  void tell() {
    const auto child = std::exchange(child_, nullptr);
    if (child == nullptr) return;
    if (in_order_ && !child->status()->succeeded()) {
      loss_ = make_failure<ProcessFailed>(child->program(), *child->status(), last_words_);
    }
    const detail::ContextSwitch inside(context_);
    user_->connection_lost(*loss_);
  }

  std::shared_ptr<Protocol> user_;
  std::shared_ptr<Transport> way_;
  std::shared_ptr<ChildProcess> child_;
  std::optional<Failure> loss_;
  // The connection's, for when it is over and the program is not.
  detail::HeldContext context_;
  std::string last_words_;
  DelayedCall overdue_;
  bool in_order_ = false;
};

/// The rest of the program: its standard error and its end.
class Program final : public ProcessProtocol {
 public:
  Program(std::string name, std::shared_ptr<Conversation> conversation)
      : name_(std::move(name)), conversation_(std::move(conversation)) {}

  void err_received(BytesView data) override {
    line_ += data.text();
    std::size_t from = 0;
    for (auto end = line_.find('\n'); end != std::string::npos; end = line_.find('\n', from)) {
      log_line(std::string_view(line_).substr(from, end - from));
      from = end + 1;
    }
    line_.erase(0, from);
    for (; line_.size() > max_logged_line; line_.erase(0, max_logged_line))
      log_line(std::string_view(line_).substr(0, max_logged_line));
  }
  void child_connection_lost(int descriptor) override {
    if (descriptor == 2 && !line_.empty()) log_line(std::exchange(line_, {}));
  }
  void process_exited(const ProcessStatus&) override { conversation_->process_exited(last_line_); }

 private:
  void log_line(std::string_view line) {
    last_line_ = line;
    log(LogLevel::warning, "process", name_ + " says: " + last_line_);
  }

  std::string name_;
  std::shared_ptr<Conversation> conversation_;
  std::string line_;
  std::string last_line_;
};

/// A program that runs, and the connection with it.
struct Started {
  Started(Reactor& reactor, ProcessOptions options) : program(options.program) {
    options.descriptors.insert_or_assign(0, ChildDescriptor::to_child());
    options.descriptors.insert_or_assign(1, ChildDescriptor::from_child());
    child = std::make_shared<ChildProcess>(reactor, options);
    transport = child->join_standard_streams();
  }
  std::shared_ptr<Protocol> talk(std::shared_ptr<Protocol> protocol) const {
    auto conversation = std::make_shared<Conversation>(std::move(protocol), transport, child);
    child->begin(std::make_shared<Program>(program, conversation));
    return conversation;
  }

  std::string program;
  std::shared_ptr<ChildProcess> child;
  std::shared_ptr<StreamTransport> transport;
};

/// Has another factory build the protocols that talk with a program.
class ConversationFactory final : public WrappingFactory {
 public:
  using WrappingFactory::WrappingFactory;
  std::optional<Started> started;
  std::shared_ptr<Protocol> user;
  bool talking = false;

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    user = protocol;
    talking = true;
    return std::exchange(started, std::nullopt)->talk(std::move(protocol));
  }
};

class ProcessConnector final : public ConnectAttempt {
 public:
  ProcessConnector(Reactor& reactor, ProcessOptions options,
                   std::shared_ptr<ConversationFactory> factory)
      : ConnectAttempt(reactor, factory),
        reactor_(reactor),
        options_(std::move(options)),
        factory_(std::move(factory)) {}

  Deferred<std::shared_ptr<Protocol>> start() {
    auto outcome = begin();
    // Nothing is told inside the call that begins it, however soon it is known.
    call_ = clock().call_later(Duration::zero(), [this, self = shared_from_this()] { run(); });
    return std::move(outcome).add_callback(
        [factory = factory_](const auto&) { return std::exchange(factory->user, nullptr); });
  }

 private:
  void run() {
    try {
      const auto& started = factory_->started.emplace(reactor_, options_);
      // Kept here: the factory gives away what it has.
      const auto child = started.child;
      const auto transport = started.transport;
      connected(transport);
      if (factory_->talking) return;
      child->begin(std::make_shared<ProcessProtocol>());
      // Nobody will be told of this connection, and so nobody would tell of its end.
      child->pipe_lost(1);
      child->kill();
    } catch (...) {
      failed(Failure::current());
    }
  }
  void end_attempt() noexcept override { call_.cancel_if_active(); }
  [[nodiscard]] std::string target() const override { return "\"" + options_.program + "\""; }

  Reactor& reactor_;
  ProcessOptions options_;
  std::shared_ptr<ConversationFactory> factory_;
  DelayedCall call_;
};

}  // namespace

std::shared_ptr<Process> spawn_stream(Reactor& reactor, ProcessOptions options,
                                      std::shared_ptr<Protocol> protocol) {
  reactor.turn().check_thread();
  if (protocol == nullptr) {
    throw InvalidArgument("A connection was given no protocol, so nobody would talk; pass one.");
  }
  const Started started(reactor, std::move(options));
  started.transport->establish(started.talk(std::move(protocol)));
  return started.child;
}

Deferred<std::shared_ptr<Protocol>> connect_process(Reactor& reactor, ProcessOptions options,
                                                    std::shared_ptr<Factory> factory) {
  reactor.turn().check_thread();
  return std::make_shared<ProcessConnector>(
             reactor, std::move(options), std::make_shared<ConversationFactory>(std::move(factory)))
      ->start();
}

}  // namespace weft

#else

namespace weft {

namespace {

[[noreturn]] void refuse_processes() {
  throw NotSupportedOnThisPlatform("There are no processes on this system yet; use a socket.");
}

}  // namespace

std::shared_ptr<Process> spawn_stream(Reactor&, ProcessOptions, std::shared_ptr<Protocol>) {
  refuse_processes();
}
Deferred<std::shared_ptr<Protocol>> connect_process(Reactor&, ProcessOptions,
                                                    std::shared_ptr<Factory>) {
  refuse_processes();
}

}  // namespace weft

#endif
