#include "pool_worker.hpp"

#include "../../framework/logging.hpp"
#include "../../framework/transport.hpp"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace weft::detail {

namespace {

// Enough for the last words of most programs, and not for a novel in an error's message.
constexpr std::size_t max_last_words = 1000;
// A longer line of standard error is logged in pieces.
constexpr std::size_t max_logged_line = 4096;
// What a worker's own children may hold up its end by its standard error.
constexpr Duration drain_grace = std::chrono::milliseconds(500);
// How long a worker that was let go may take over it.
constexpr Duration retiring_grace = std::chrono::seconds(5);

ChildDescriptor ours_or_nothing(int descriptor) {
  return ::fcntl(descriptor, F_GETFD) >= 0 ? ChildDescriptor::descriptor(descriptor)
                                           : ChildDescriptor::null();
}

std::string in_quotes(const std::string& text) {
  return "\"" + text + "\"";
}

/// What was thrown there, as itself, for the types that are their message.
std::optional<Failure> known_failure(const std::string& type, const std::string& said) {
  using Maker = Failure (*)(const std::string&);
  static constexpr auto made = []<class E>(std::type_identity<E>) -> Maker {
    return [](const std::string& text) { return Failure(E(text)); };
  };
  static const std::pair<std::string_view, Maker> makers[] = {
      {"weft::CancelledError", made(std::type_identity<CancelledError>())},
      {"weft::TimeoutError", made(std::type_identity<TimeoutError>())},
      {"weft::InvalidArgument", made(std::type_identity<InvalidArgument>())},
      {"std::invalid_argument", made(std::type_identity<std::invalid_argument>())},
      {"std::domain_error", made(std::type_identity<std::domain_error>())},
      {"std::length_error", made(std::type_identity<std::length_error>())},
      {"std::out_of_range", made(std::type_identity<std::out_of_range>())},
      {"std::logic_error", made(std::type_identity<std::logic_error>())},
      {"std::range_error", made(std::type_identity<std::range_error>())},
      {"std::overflow_error", made(std::type_identity<std::overflow_error>())},
      {"std::underflow_error", made(std::type_identity<std::underflow_error>())},
      {"std::runtime_error", made(std::type_identity<std::runtime_error>())},
  };
  for (const auto& [name, make] : makers) {
    if (name == type) return make(said);
  }
  return std::nullopt;
}

}  // namespace

PoolWorker::PoolWorker(Reactor& reactor, std::weak_ptr<WorkerOwner> owner,
                       const ProcessPoolOptions& options)
    : reactor_(reactor),
      owner_(std::move(owner)),
      options_(options),
      frames_(options.max_message_bytes + max_envelope_bytes) {}

ProcessOptions PoolWorker::process_options() const {
  ProcessOptions process;
  // The link leads to this program even when its file was replaced or removed.
  process.program = options_.program.empty() ? "/proc/self/exe" : options_.program;
  std::error_code unknown;
  const auto file = std::filesystem::read_symlink("/proc/self/exe", unknown);
  if (options_.program.empty() && !unknown) process.called = file.string();
  process.arguments = options_.arguments;
  process.arguments.emplace_back(worker_argument);
  process.descriptors = {{0, ChildDescriptor::null()},
                         {1, ours_or_nothing(STDOUT_FILENO)},
                         {2, ChildDescriptor::from_child()},
                         {worker_descriptor, ChildDescriptor::both_ways()}};
  // What a terminal sends to the program is the program's business: it ends its workers itself.
  process.process_group = ProcessOptions::Group::own_group;
  process.at_stop = ProcessOptions::AtStop::kill;
  process.drain_grace = drain_grace;
  return process;
}

void PoolWorker::start() {
  const auto process = reactor_.spawn_process(
      std::static_pointer_cast<PoolWorker>(shared_from_this()), process_options());
  pid_ = process->pid();
}

void PoolWorker::connection_made() {
  process().write(worker_descriptor, framed(ToWorker(WorkerSetup{options_.max_message_bytes})));
  time_limit_ = reactor_.call_later(
      options_.start_timeout, [self = std::static_pointer_cast<PoolWorker>(shared_from_this())] {
        self->trouble_ = "said nothing in time";
        self->kill();
      });
}

// ---- what it is asked

void PoolWorker::begin(std::shared_ptr<PoolCall> call) {
  const auto& options = call->options;
  WorkerCall asked{call->number, options.max_memory_bytes.value_or(0), std::move(call->context),
                   call->function, std::move(call->arguments)};
  // What throws here leaves the worker as it is.
  auto message = framed(ToWorker(std::move(asked)));
  if (options.timeout) {
    time_limit_ = reactor_.call_later(
        *options.timeout,
        [self = std::static_pointer_cast<PoolWorker>(shared_from_this())] { self->timed_out(); });
  }
  state_ = State::busy;
  ++calls_begun_;
  call->worker = this;
  call_ = std::move(call);
  process().write(worker_descriptor, Bytes(std::move(message)));
}

void PoolWorker::drop_call() {
  call_.reset();
  kill();
}

void PoolWorker::retire() {
  if (state_ == State::ending || state_ == State::ended) return;
  if (state_ == State::starting) return kill();
  state_ = State::ending;
  time_limit_ = reactor_.call_later(
      retiring_grace,
      [self = std::static_pointer_cast<PoolWorker>(shared_from_this())] { self->kill(); });
  process().close_child_descriptor(worker_descriptor);
}

void PoolWorker::kill() {
  if (state_ == State::ended) return;
  state_ = State::ending;
  time_limit_.cancel_if_active();
  process().kill();
}

void PoolWorker::timed_out() {
  const auto call = std::exchange(call_, nullptr);
  kill();
  const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(*call->options.timeout);
  if (const auto owner = owner_.lock()) {
    owner->call_answered(
        *this, call,
        make_failure<TimeoutError>("The worker function " + in_quotes(call->function) +
                                   " took longer than " + std::to_string(limit.count()) +
                                   " ms, and its worker was killed; give it more time."));
  }
}

// ---- what it says

void PoolWorker::child_data_received(int descriptor, BytesView data) {
  if (descriptor != worker_descriptor) return said(data.text());
  const auto self = shared_from_this();
  try {
    frames_.feed(data.text());
    while (state_ != State::ending && state_ != State::ended) {
      const auto frame = frames_.next();
      if (!frame) return;
      heard(parse_from_worker(*frame));
    }
  } catch (const ProtocolError&) {
    misunderstood(Failure::current());
  }
}

void PoolWorker::heard(const FromWorker& message) {
  if (const auto* const hello = std::get_if<WorkerHello>(&message)) {
    greeted(*hello);
  } else if (const auto* const result = std::get_if<WorkerResult>(&message)) {
    answered(result->call, result->value);
  } else {
    const auto& failure = std::get<WorkerFailure>(message);
    answered(failure.call, call_ != nullptr ? failure_of(failure) : pool_stopped());
  }
}

void PoolWorker::greeted(const WorkerHello& hello) {
  if (state_ != State::starting) throw ProtocolError("A worker process greeted twice.");
  if (hello.version != worker_protocol_version) {
    trouble_ = "is of another build of weft";
    return kill();
  }
  time_limit_.cancel_if_active();
  state_ = State::idle;
  ready_at_ = reactor_.now();
  if (const auto owner = owner_.lock()) owner->worker_ready(*this);
}

void PoolWorker::answered(std::uint64_t number, Outcome<std::string> outcome) {
  if (call_ == nullptr || call_->number != number) {
    throw ProtocolError("A worker process answered what it was not asked.");
  }
  time_limit_.cancel_if_active();
  const auto call = std::exchange(call_, nullptr);
  call->worker = nullptr;
  has_answered_ = true;
  state_ = State::idle;
  if (options_.max_calls_per_worker && calls_begun_ >= *options_.max_calls_per_worker) retire();
  if (const auto owner = owner_.lock()) owner->call_answered(*this, call, std::move(outcome));
}

void PoolWorker::misunderstood(const Failure& failure) {
  trouble_ = "does not speak like a worker";
  const auto call = std::exchange(call_, nullptr);
  kill();
  const auto owner = owner_.lock();
  if (call != nullptr && owner != nullptr) owner->call_answered(*this, call, failure);
}

Failure PoolWorker::failure_of(const WorkerFailure& failure) const {
  using Kind = WorkerFailure::Kind;
  const auto& function = call_->function;
  switch (failure.kind) {
    case Kind::unknown_function:
      return make_failure<UnknownWorkerFunction>(
          "The workers know no function called " + in_quotes(function) +
          "; register it at namespace scope, or in main before run_worker.");
    case Kind::too_long:
      return make_failure<WorkerMessageTooLong>(
          "The result of the worker function " + in_quotes(function) + " has " + failure.said +
          " bytes, and may have " + std::to_string(options_.max_message_bytes) +
          "; raise max_message_bytes, or give it in pieces.");
    case Kind::out_of_memory:
      return make_failure<WorkerOutOfMemory>(function, failure.type_name, failure.said);
    case Kind::threw:
      break;
  }
  if (auto known = known_failure(failure.type_name, failure.said)) return *std::move(known);
  return make_failure<RemoteError>(function, failure.type_name, failure.said);
}

void PoolWorker::said(std::string_view text) {
  last_words_ += text;
  last_words_.erase(0, last_words_.size() - std::min(last_words_.size(), max_last_words));
  unfinished_line_ += text;
  const auto log_line = [this](std::string_view line) {
    log(LogLevel::warning, "workers",
        "Worker " + std::to_string(pid_) + " says: " + std::string(line));
  };
  std::string_view left = unfinished_line_;
  for (auto end = left.find('\n'); end != std::string_view::npos || left.size() > max_logged_line;
       end = left.find('\n')) {
    const auto size = std::min(end, max_logged_line);
    log_line(left.substr(0, size));
    left.remove_prefix(size == end ? size + 1 : size);
  }
  unfinished_line_.erase(0, unfinished_line_.size() - left.size());
}

// ---- its end

void PoolWorker::child_connection_lost(int descriptor) {
  // Whether it has ended, or only closed its end: nothing more comes of it.
  if (descriptor == worker_descriptor && state_ != State::ending) kill();
}

void PoolWorker::process_ended(const ProcessStatus& status) {
  time_limit_.cancel_if_active();
  state_ = State::ended;
  status_ = status;
  if (!unfinished_line_.empty()) said("\n");
  const auto owner = owner_.lock();
  if (owner == nullptr) return;
  if (const auto call = std::exchange(call_, nullptr)) {
    owner->call_answered(*this, call,
                         make_failure<WorkerLost>(call->function, status, last_words_));
  }
  owner->worker_ended(*this);
}

std::string PoolWorker::why_unused() const {
  auto why = trouble_.empty() && status_ ? status_->text() + " before it took a call" : trouble_;
  if (!last_words_.empty()) why += "; it said: " + last_words_;
  return why;
}

}  // namespace weft::detail
