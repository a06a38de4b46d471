#include "thread_pool.hpp"

#include "detail/held_context.hpp"
#include "logging.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft {

struct ThreadPool::State {
  struct Work {
    Callback callback;
    detail::HeldContext context = detail::HeldContext::capture();
  };

  static void run(Work work);

  std::mutex mutex;
  std::condition_variable has_work;
  std::condition_variable thread_ended;
  std::deque<Work> queue;
  std::size_t threads = 0;
  std::size_t idle = 0;
  bool stopping = false;
};

ThreadPool::ThreadPool(std::size_t max_threads)
    : state_(std::make_shared<State>()),
      door_(std::make_shared<detail::ThreadDoor>()),
      max_threads_(max_threads) {
  if (max_threads == 0) {
    throw InvalidArgument("A thread pool without threads would run nothing; allow at least one.");
  }
}

ThreadPool::~ThreadPool() {
  stop(std::chrono::hours(24));
  door_->shut();
}

bool ThreadPool::submit(Callback work) {
  State::Work taken{std::move(work)};
  const std::lock_guard lock(state_->mutex);
  if (state_->stopping) return false;
  state_->queue.push_back(std::move(taken));
  if (state_->idle >= state_->queue.size() || state_->threads >= max_threads_) {
    state_->has_work.notify_one();
    return true;
  }
  try {
    std::thread([state = state_] { ThreadPool::work(state); }).detach();
  } catch (const std::system_error&) {
    // The others will come to it; without any there is nobody.
    if (state_->threads > 0) return true;
    state_->queue.pop_back();
    throw;
  }
  ++state_->threads;
  return true;
}

void ThreadPool::State::run(Work work) {
  const detail::ContextSwitch inside(work.context);
  // Destroyed in its context too.
  auto callback = std::move(work.callback);
  try {
    callback();
  } catch (...) {
    log_failure("threads", "Work in the thread pool threw", Failure::current());
  }
}

void ThreadPool::work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  for (;;) {
    ++state->idle;
    state->has_work.wait(lock, [&] { return state->stopping || !state->queue.empty(); });
    --state->idle;
    if (state->queue.empty()) break;
    auto next = std::move(state->queue.front());
    state->queue.pop_front();
    lock.unlock();
    State::run(std::move(next));
    lock.lock();
  }
  --state->threads;
  state->thread_ended.notify_all();
}

bool ThreadPool::stop(Duration deadline) {
  std::deque<State::Work> dropped;
  std::unique_lock lock(state_->mutex);
  state_->stopping = true;
  dropped.swap(state_->queue);
  state_->has_work.notify_all();
  const bool ended =
      state_->thread_ended.wait_for(lock, deadline, [&] { return state_->threads == 0; });
  const auto left = state_->threads;
  lock.unlock();
  // Those left have the old state to themselves.
  if (ended) {
    const std::lock_guard again(state_->mutex);
    state_->stopping = false;
  } else {
    log(LogLevel::warning, "threads",
        std::to_string(left) + " calls in the thread pool did not end in time; left to themselves");
    state_ = std::make_shared<State>();
    std::exchange(door_, std::make_shared<detail::ThreadDoor>())->shut();
  }
  return ended;
}

std::size_t ThreadPool::threads() const {
  const std::lock_guard lock(state_->mutex);
  return state_->threads;
}

namespace detail {

ThreadDebt::~ThreadDebt() = default;

void ThreadDoor::expect(std::shared_ptr<ThreadDebt> debt) {
  const std::lock_guard lock(mutex_);
  expected_.insert(std::move(debt));
}

void ThreadDoor::settle(const std::shared_ptr<ThreadDebt>& debt) noexcept {
  const std::lock_guard lock(mutex_);
  expected_.erase(debt);
}

void ThreadDoor::shut() noexcept {
  std::unordered_set<std::shared_ptr<ThreadDebt>> expected;
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
    expected.swap(expected_);
  }
  for (const auto& debt : expected)
    debt->give_up();
}

Failure reactor_gone() {
  return Failure(NotRunningError("The reactor has ended, so the call will never be made."));
}

void refuse_blocking_own_reactor(Reactor& reactor) {
  if (Reactor::current_or_null() == &reactor) {
    throw WrongThreadError(
        "This thread runs the reactor, so waiting for it would last for ever; call directly.");
  }
}

}  // namespace detail

}  // namespace weft
