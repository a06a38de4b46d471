#include "process_pool_core.hpp"

#include "../../framework/context.hpp"
#include "../../framework/logging.hpp"
#include "worker_registry.hpp"

#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

namespace weft::detail {

namespace {

// A program that cannot start once may do so the next time; one that cannot three times will not.
constexpr std::size_t max_failed_starts = 3;
// How long those who start and then end by themselves, without a call, are not replaced: each time
// in a row twice as long. Who has lasted that long is no such worker.
constexpr Duration first_pause = std::chrono::milliseconds(100);
constexpr Duration longest_pause = std::chrono::seconds(10);
// What a frame has room for.
constexpr std::size_t most_message_bytes =
    std::numeric_limits<std::uint32_t>::max() - max_envelope_bytes;

Failure stopped_before() {
  return make_failure<NotRunningError>("The process pool stopped before the call was done.");
}

void refuse_nesting(const ProcessPoolOptions& options) {
  const auto role = worker_role();
  if (role == WorkerRole::forgetful) {
    throw NestedProcessPool(
        "This process was started as a worker, and its main went on as if it were none; have main "
        "begin with: if (const auto status = weft::run_worker(argc, argv)) return *status;");
  }
  if (role == WorkerRole::worker && !options.allow_in_worker) {
    throw NestedProcessPool(
        "This is a worker process, and workers of workers may become very many; make the pool "
        "after run_worker, or set allow_in_worker.");
  }
}

ProcessPoolOptions checked(ProcessPoolOptions options) {
  if (options.max_workers == 0) options.max_workers = std::thread::hardware_concurrency();
  options.max_workers = std::max<std::size_t>(options.max_workers, 1);
  options.max_message_bytes = std::min(options.max_message_bytes, most_message_bytes);
  if (options.min_workers > options.max_workers) {
    throw InvalidArgument("A process pool cannot start with " +
                          std::to_string(options.min_workers) + " workers when it may have " +
                          std::to_string(options.max_workers) + "; raise max_workers.");
  }
  if (options.max_calls_per_worker && *options.max_calls_per_worker == 0) {
    throw InvalidArgument("Workers that may run no call are of no use; leave the limit unset.");
  }
  return options;
}

}  // namespace

ProcessPoolCore::ProcessPoolCore(Reactor& reactor, ProcessPoolOptions options)
    : Turn::Participant(reactor.turn()),
      reactor_(reactor),
      options_(checked(std::move(options))),
      grown_(options_.min_workers) {
  refuse_nesting(options_);
}

void ProcessPoolCore::open() {
  stop_trigger_ = reactor_.add_system_event_trigger(
      Phase::before, SystemEvent::shutdown, [weak = weak_from_this()] {
        const auto core = weak.lock();
        if (core == nullptr) return succeed();
        core->stop_trigger_.reset();
        return core->stop(core->options_.grace, SourceLocation::current());
      });
  start_workers_soon();
}

void ProcessPoolCore::abandon() noexcept {
  const auto self = shared_from_this();
  start_no_more();
  stop_call_.cancel_if_active();
  if (turn() == nullptr) return;
  if (stop_trigger_) reactor_.remove_system_event_trigger(*std::exchange(stop_trigger_, {}));
  try {
    fail_all(stopped_before());
    kill_all();
    tell_stopped();
  } catch (...) {
    log_failure("workers", "A process pool could not end in order", Failure::current());
  }
}

// ---- calls

std::size_t ProcessPoolCore::busy() const noexcept {
  return static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(),
                                                [](const auto& each) { return each->busy(); }));
}

Deferred<std::string> ProcessPoolCore::call(const std::string& function, std::string arguments,
                                            const CallOptions& options,
                                            const SourceLocation& where) {
  if (turn() != nullptr) turn()->check_thread();
  if (stopping_ || turn() == nullptr) {
    return fail<std::string>(
        make_failure<NotRunningError>("The process pool has stopped; make another."));
  }
  if (arguments.size() > options_.max_message_bytes) {
    return fail<std::string>(make_failure<WorkerMessageTooLong>(
        "The arguments for the worker function \"" + function + "\" have " +
        std::to_string(arguments.size()) + " bytes, and may have " +
        std::to_string(options_.max_message_bytes) +
        "; raise max_message_bytes, or pass them in pieces."));
  }
  const auto unfinished = waiting_.size() + busy();
  if (unfinished >= options_.max_workers &&
      unfinished - options_.max_workers >= options_.max_queued) {
    return fail<std::string>(make_failure<QueueFull>(
        "The process pool has " + std::to_string(waiting_.size()) +
        " calls waiting, as many as may; wait for results, or raise max_queued."));
  }
  const auto call = std::make_shared<PoolCall>();
  call->number = ++calls_;
  call->function = function;
  call->options = options;
  call->arguments = std::move(arguments);
  {
    // Nothing flows where that is suppressed.
    auto flowing = HeldContext::capture();
    const ContextSwitch inside(flowing);
    call->context = Context::current().transferable();
  }
  const auto drop = [weak = weak_from_this(), waiting = std::weak_ptr(call)] {
    const auto core = weak.lock();
    const auto cancelled = waiting.lock();
    if (core != nullptr && cancelled != nullptr) core->cancel(cancelled);
  };
  call->promise.emplace(Callback(drop), where);
  auto result = call->promise->deferred();
  waiting_.push_back(call);
  // What kept workers from starting may be over.
  failed_starts_ = std::min(failed_starts_, max_failed_starts - 1);
  give_out_calls();
  return result;
}

void ProcessPoolCore::cancel(const std::shared_ptr<PoolCall>& call) {
  if (auto* const worker = std::exchange(call->worker, nullptr)) return worker->drop_call();
  std::erase(waiting_, call);
}

void ProcessPoolCore::give_out_calls() {
  const auto self = shared_from_this();
  std::vector<std::pair<std::shared_ptr<PoolCall>, Failure>> refused;
  for (const auto& worker : workers_) {
    while (!waiting_.empty() && worker->idle()) {
      const auto call = std::move(waiting_.front());
      waiting_.pop_front();
      try {
        worker->begin(call);
      } catch (...) {
        refused.emplace_back(call, Failure::current());
      }
    }
  }
  if (!waiting_.empty()) start_workers_soon();
  for (const auto& [call, why] : refused) {
    if (!call->promise->fired()) call->promise->errback(why);
  }
}

void ProcessPoolCore::call_answered(PoolWorker& worker, const std::shared_ptr<PoolCall>& call,
                                    Outcome<std::string> outcome) {
  const auto self = shared_from_this();
  call->worker = nullptr;
  failed_starts_ = 0;
  if (worker.has_answered()) pauses_ = 0;
  if (stopping_) {
    for (const auto& each : workers_) {
      if (each->idle()) each->retire();
    }
  } else {
    give_out_calls();
  }
  // Whoever hears of it may do anything, and the pool be gone then.
  if (!call->promise->fired()) call->promise->fire(std::move(outcome));
}

void ProcessPoolCore::fail_waiting(const Failure& why) {
  const auto self = shared_from_this();
  for (const auto& call : std::exchange(waiting_, {})) {
    if (!call->promise->fired()) call->promise->errback(why);
  }
}

void ProcessPoolCore::fail_all(const Failure& why) {
  const auto workers = workers_;
  std::vector<std::shared_ptr<PoolCall>> running;
  for (const auto& worker : workers) {
    if (auto call = worker->take_call()) running.push_back(std::move(call));
  }
  for (const auto& call : running) {
    call->worker = nullptr;
    if (!call->promise->fired()) call->promise->errback(why);
  }
  fail_waiting(why);
}

// ---- workers

// Outside of whatever runs now: starting a process takes a while, and the loop may be ending.
void ProcessPoolCore::start_workers_soon() {
  if (stopping_ || start_call_.active() || wanted_workers() <= workers_.size()) return;
  // A worker serves many: it must not hold on to the context of whoever needed it first.
  const auto none = Context::suppress();
  start_call_ = reactor_.call_later(Duration::zero(), [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->start_workers();
  });
}

std::size_t ProcessPoolCore::wanted_workers() const noexcept {
  // One after the other until it is known whether they start at all.
  if (failed_starts_ > 0) {
    return waiting_.empty() || (failed_starts_ >= max_failed_starts && !workers_.empty())
               ? workers_.size()
               : std::min(options_.max_workers, workers_.size() + 1);
  }
  const auto needed = std::min(options_.max_workers, busy() + waiting_.size());
  return pause_.active() ? needed : std::max(grown_, needed);
}

void ProcessPoolCore::start_no_more() noexcept {
  stopping_ = true;
  start_call_.cancel_if_active();
  pause_.cancel_if_active();
}

void ProcessPoolCore::start_workers() {
  for (auto wanted = wanted_workers(); !stopping_ && workers_.size() < wanted;) {
    try {
      start_worker();
    } catch (const std::exception&) {
      return start_failed(Failure::current().message());
    }
  }
}

void ProcessPoolCore::start_worker() {
  const auto worker = std::make_shared<PoolWorker>(reactor_, weak_from_this(), options_);
  worker->start();
  ++started_;
  workers_.push_back(worker);
}

void ProcessPoolCore::worker_ready(PoolWorker&) {
  failed_starts_ = 0;
  if (stopping_) return kill_all();
  const auto ready = std::count_if(workers_.begin(), workers_.end(),
                                   [](const auto& each) { return !each->starting(); });
  grown_ = std::max(grown_, static_cast<std::size_t>(ready));
  give_out_calls();
}

void ProcessPoolCore::worker_ended(PoolWorker& worker) {
  const auto self = shared_from_this();
  const auto kept = worker.shared_from_this();
  std::erase_if(workers_, [&](const auto& each) { return each.get() == &worker; });
  if (stopping_) return tell_if_stopped();
  if (!worker.useful()) return start_failed(worker.why_unused());
  const bool lasted = reactor_.now() - worker.ready_at() >= longest_pause;
  if (lasted) pauses_ = 0;
  if (worker.calls_begun() == 0 && !lasted) pause_replacing(worker.why_unused());
  start_workers_soon();
}

// Calls get their workers all the same: each of those ends one call at most.
void ProcessPoolCore::pause_replacing(const std::string& why) {
  // It ended with others: they are replaced together.
  if (pause_.active()) return;
  const auto pause = std::min(longest_pause, first_pause * (1 << std::min(pauses_++, 7)));
  log(LogLevel::warning, "workers",
      "A worker process " + why + "; unless a call needs one before, the next is started in " +
          std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(pause).count()) +
          " ms");
  const auto none = Context::suppress();
  pause_ = reactor_.call_later(pause, [weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->start_workers_soon();
  });
}

void ProcessPoolCore::start_failed(const std::string& why) {
  ++failed_starts_;
  if (failed_starts_ < max_failed_starts || !workers_.empty()) return start_workers_soon();
  fail_waiting(make_failure<WorkerStartError>(
      "No worker process starts: the last one " + why +
      ". See that main begins with: if (const auto status = weft::run_worker(argc, argv)) "
      "return *status;"));
}

void ProcessPoolCore::kill_all() {
  const auto workers = workers_;
  for (const auto& worker : workers)
    worker->kill();
}

// ---- the end

Deferred<void> ProcessPoolCore::stop(Duration deadline, const SourceLocation& where) {
  // The workers went with the reactor.
  if (turn() == nullptr) return succeed();
  turn()->check_thread();
  const auto self = shared_from_this();
  auto over = stopped_.emplace_back(Callback(), where).deferred();
  start_no_more();
  if (!stop_call_.active() || stop_call_.due() - reactor_.now() > deadline) {
    stop_call_.cancel_if_active();
    stop_call_ = reactor_.call_later(deadline, [weak = weak_from_this()] {
      if (const auto core = weak.lock()) {
        core->fail_all(stopped_before());
        core->kill_all();
      }
    });
  }
  const auto workers = workers_;
  for (const auto& worker : workers) {
    if (!worker->busy()) worker->retire();
  }
  fail_waiting(stopped_before());
  tell_if_stopped();
  return over;
}

void ProcessPoolCore::tell_if_stopped() {
  if (!workers_.empty()) return;
  stop_call_.cancel_if_active();
  if (stop_trigger_) reactor_.remove_system_event_trigger(*std::exchange(stop_trigger_, {}));
  tell_stopped();
}

void ProcessPoolCore::tell_stopped() {
  for (auto& promise : std::exchange(stopped_, {})) {
    if (!promise.fired()) promise.callback();
  }
}

void ProcessPoolCore::loop_ended() noexcept {
  const auto self = weak_from_this().lock();
  if (self == nullptr) return;
  start_no_more();
  stop_call_.cancel_if_active();
  try {
    fail_all(stopped_before());
    // The reactor ends the workers itself.
    tell_stopped();
  } catch (...) {
    log_failure("workers", "The calls of a process pool could not be ended", Failure::current());
  }
}

ProcessPoolStats ProcessPoolCore::stats() const {
  ProcessPoolStats stats;
  for (const auto& worker : workers_) {
    if (worker->starting()) ++stats.starting;
    if (worker->busy()) ++stats.busy;
    if (worker->busy() || worker->idle()) ++stats.workers;
    stats.pids.push_back(worker->pid());
  }
  stats.queued = waiting_.size();
  stats.started = started_;
  return stats;
}

}  // namespace weft::detail
