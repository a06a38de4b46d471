#include "pool_core.hpp"

#include "../../framework/basic_reactor.hpp"
#include "../../framework/logging.hpp"
#include "../../framework/thread_name.hpp"
#include "../../framework/turn.hpp"
#include "../make_reactor.hpp"

#include <string>
#include <utility>

namespace weft::detail {

PoolPorts::~PoolPorts() = default;

PoolCore::PoolCore(ReactorPool& owner, std::size_t count, const ReactorPoolOptions& options)
    : pool(owner), options_(options), members_(count) {
  if (count == 0) {
    throw InvalidArgument("A pool without reactors would run nothing; ask for at least one.");
  }
  for (auto& member : members_)
    member.reactor = make_reactor(options_.reactor);
  ports_ = make_pool_ports(*this);
  for (std::size_t i = 0; i < count; ++i)
    prepare(i);
}

PoolCore::~PoolCore() {
  // What the reactors drop, as they go, has nobody to go back to.
  for (const auto& member : members_)
    member.door->shut();
}

// Ours are the first triggers of each phase.
void PoolCore::prepare(std::size_t index) {
  auto& reactor = *members_[index].reactor;
  reactor.set_shutdown_deadline(options_.shutdown_deadline);
  // One takes the signals, and tells the others by its shutdown.
  reactor.set_stop_on_signals(options_.stop_on_signals && index == 0);
  // A stop that came before `run` did is not remembered there.
  reactor.call_when_running([this, &reactor] {
    if (stop_asked_) reactor.stop_from_thread();
  });
  reactor.add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                   [this] { stop_from_thread(); });
  reactor.add_system_event_trigger(Phase::during, SystemEvent::shutdown,
                                   [this, index] { ports_->reactor_ends(index); });
  reactor.add_system_event_trigger(Phase::after, SystemEvent::shutdown,
                                   [this, index] { return last_phase(index); });
}

// The first one keeps the signals until all others have ended, so that another signal still ends
// them at once.
Deferred<void> PoolCore::last_phase(std::size_t index) {
  const bool waits = index == 0 && others_running_ > 0;
  members_[index].orderly = !waits;
  return waits ? others_have_ended_.emplace().deferred() : succeed();
}

void PoolCore::others_have_ended() noexcept {
  if (!others_have_ended_) return;
  members_.front().orderly = true;
  std::exchange(others_have_ended_, {})->callback();
}

Reactor& PoolCore::reactor(std::size_t index) const {
  if (index < members_.size()) return *members_[index].reactor;
  throw InvalidArgument("There is no reactor " + std::to_string(index) +
                        " in this pool, which has " + std::to_string(members_.size()) +
                        "; they are counted from 0.");
}

std::optional<std::size_t> PoolCore::index() const noexcept {
  const auto* const current = Reactor::current_or_null();
  if (current == nullptr) return std::nullopt;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].reactor.get() == current) return i;
  }
  return std::nullopt;
}

// ---- beginning

void PoolCore::start(bool all) {
  auto before = State::idle;
  if (!state_.compare_exchange_strong(before, State::running)) {
    throw AlreadyRunningError(before == State::running
                                  ? "This pool runs already."
                                  : "This pool has run, and runs only once; make another.");
  }
  running_ = size();
  others_running_ = size() - 1;
  std::promise<bool> go;
  try {
    begin_threads(all, go.get_future().share());
  } catch (...) {
    go.set_value(false);
    for (auto& member : members_) {
      if (member.thread.joinable()) member.thread.join();
    }
    bound_here_.reset();
    state_ = State::idle;
    throw;
  }
  go.set_value(true);
}

// They wait for `go`, so that nothing runs when one of them cannot be had.
void PoolCore::begin_threads(bool all, const std::shared_future<bool>& go) {
  const auto& cores = options_.cores;
  if (!all && !cores.empty()) bound_here_.emplace(cores.front());
  for (std::size_t i = all ? 0 : 1; i < size(); ++i) {
    auto& thread = members_[i].thread;
    thread = std::thread([this, i, go] {
      name_this_thread(options_.thread_name + "-" + std::to_string(i));
      if (go.get()) run(i);
    });
    if (!cores.empty()) bind_thread(thread.native_handle(), cores[i % cores.size()]);
  }
}

void PoolCore::run_first() {
  run(0);
  bound_here_.reset();
}

void PoolCore::run(std::size_t index) noexcept {
  auto& member = members_[index];
  bool alive = true;
  try {
    member.reactor->run();
  } catch (...) {
    alive = false;
    died(index, Failure::current());
  }
  {
    const Turn::Scope scope(member.reactor->turn());
    if (alive && !member.orderly) cut_others(index);
    member.door->shut();
    // It was cut short: nothing waits for the others any more.
    if (index == 0) others_have_ended();
  }
  has_ended(index);
}

// ---- ending

void PoolCore::stop() {
  if (state_ != State::running || stop_asked_) {
    throw NotRunningError(state_ == State::running
                              ? "This pool is stopping already; once is enough."
                              : "This pool does not run, so it cannot be stopped.");
  }
  stop_from_thread();
}

void PoolCore::stop_from_thread() noexcept {
  if (state_ != State::running || stop_asked_.exchange(true)) return;
  for (const auto& member : members_)
    member.reactor->stop_from_thread();
}

void PoolCore::died(std::size_t index, const Failure& failure) noexcept {
  log_failure("pool",
              "Reactor " + std::to_string(index) + " of a pool died; the others end in order",
              failure);
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = failure;
  }
  stop_from_thread();
}

// A second signal, or the deadline, has ended this one at once.
void PoolCore::cut_others(std::size_t index) noexcept {
  for (std::size_t i = 0; i < size(); ++i) {
    if (i == index) continue;
    try {
      post(i, [&reactor = *members_[i].reactor] {
        auto* const basic = dynamic_cast<BasicReactor*>(&reactor);
        if (basic == nullptr) return reactor.stop_from_thread();
        basic->turn().end_participants();
        basic->crash();
      });
    } catch (...) {
      members_[i].reactor->stop_from_thread();
    }
  }
}

void PoolCore::has_ended(std::size_t index) noexcept {
  if (index != 0 && --others_running_ == 0) {
    try {
      // One that has ended already waits for nobody.
      static_cast<void>(post(0, [this] { others_have_ended(); }));
    } catch (...) {
      log_failure("pool", "The first reactor ends at its deadline", Failure::current());
    }
  }
  if (--running_ > 0) return;
  const std::lock_guard lock(mutex_);
  state_ = State::ended;
  all_ended_.notify_all();
}

void PoolCore::join() {
  if (index()) {
    throw WrongThreadError(
        "This thread runs a reactor of the pool, so waiting for it would last for ever.");
  }
  if (state_ == State::idle) throw NotRunningError("This pool was never started; nothing to join.");
  std::unique_lock lock(mutex_);
  all_ended_.wait(lock, [this] { return state_ == State::ended; });
  for (auto& member : members_) {
    if (member.thread.joinable()) member.thread.join();
  }
  if (error_) error_->raise();
}

}  // namespace weft::detail
