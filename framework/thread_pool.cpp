#include "thread_pool.hpp"

#include "detail/held_context.hpp"
#include "logging.hpp"
#include "thread_name.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

namespace weft {

namespace {

// What Linux shows of a name; other systems show more.
constexpr std::size_t max_name_bytes = 15;

void check(const ThreadPoolOptions& options) {
  if (options.max_threads == 0) {
    throw InvalidArgument("A thread pool without threads would run nothing; allow at least one.");
  }
  if (options.min_threads > options.max_threads) {
    throw InvalidArgument("A thread pool cannot keep " + std::to_string(options.min_threads) +
                          " threads when it may have " + std::to_string(options.max_threads) +
                          "; raise max_threads.");
  }
}

std::string numbered(const std::string& name, std::size_t number) {
  const auto end = "-" + std::to_string(number);
  return name.substr(0, max_name_bytes - std::min(max_name_bytes, end.size())) + end;
}

ThreadPoolOptions with_threads(std::size_t max_threads) {
  ThreadPoolOptions options;
  options.max_threads = max_threads;
  return options;
}

}  // namespace

struct ThreadJob::Pool {
  struct Job {
    std::uint64_t number = 0;
    Callback work;
    detail::HeldContext context = detail::HeldContext::capture();
  };

  static void run(Job job);

  std::mutex mutex;
  std::condition_variable has_work;
  std::condition_variable thread_ended;
  ThreadPoolOptions options;
  Reactor* reactor = nullptr;
  std::shared_ptr<detail::ThreadDoor> door = std::make_shared<detail::ThreadDoor>();
  // The door is another pool's, which shuts it.
  bool door_is_borrowed = false;
  // In the order of their numbers.
  std::deque<Job> queue;
  std::uint64_t last_number = 0;
  std::size_t threads = 0;
  std::size_t started = 0;
  std::size_t idle = 0;
  std::size_t busy = 0;
  bool stopping = false;

  void borrow_door(std::shared_ptr<detail::ThreadDoor> of_another) noexcept {
    door = std::move(of_another);
    door_is_borrowed = true;
  }
  void shut_door() noexcept {
    if (!door_is_borrowed) door->shut();
  }
  [[nodiscard]] bool full() const noexcept {
    const auto most = ThreadPoolOptions::unlimited - options.max_threads;
    return queue.size() + busy >= options.max_threads + std::min(options.max_queued, most);
  }
  [[nodiscard]] bool awaited() const noexcept { return stopping || !queue.empty(); }
  /// Waits for work; false when this thread is to end without.
  [[nodiscard]] bool wait_for_work(std::unique_lock<std::mutex>& lock) {
    const auto patience = std::min(options.max_idle, detail::longest_wait);
    const auto until = std::chrono::steady_clock::now() + patience;
    ++idle;
    while (!awaited() && threads <= options.max_threads) {
      if (threads <= options.min_threads) {
        has_work.wait(lock);
      } else if (has_work.wait_until(lock, until) == std::cv_status::timeout &&
                 threads > options.min_threads) {
        break;
      }
    }
    --idle;
    return !queue.empty();
  }
  void finished() noexcept {
    const std::lock_guard lock(mutex);
    --busy;
  }

  // The one whose work this thread is busy with.
  static inline thread_local Pool* running = nullptr;
};

bool ThreadJob::cancel() const noexcept {
  const auto pool = pool_.lock();
  if (pool == nullptr) return false;
  // Destroyed without the lock: what it captured may do anything.
  Pool::Job dropped;
  const std::lock_guard lock(pool->mutex);
  const auto found =
      std::lower_bound(pool->queue.begin(), pool->queue.end(), number_,
                       [](const auto& job, std::uint64_t number) { return job.number < number; });
  if (found == pool->queue.end() || found->number != number_) return false;
  dropped = std::move(*found);
  pool->queue.erase(found);
  return true;
}

ThreadPool::ThreadPool(std::size_t max_threads) : ThreadPool(with_threads(max_threads)) {}

ThreadPool::ThreadPool(ThreadPoolOptions options, Reactor* works_for)
    : state_(std::make_shared<State>()) {
  check(options);
  state_->options = std::move(options);
  state_->reactor = works_for;
  if (works_for != nullptr) state_->borrow_door(works_for->thread_pool().lasting_door());
}

std::unique_ptr<ThreadPool> ThreadPool::of_reactor(Reactor& reactor) {
  auto pool = std::make_unique<ThreadPool>();
  pool->state_->reactor = &reactor;
  return pool;
}

ThreadPool::~ThreadPool() {
  stop(std::chrono::hours(24));
  state_->shut_door();
  lasting_door_->shut();
}

std::shared_ptr<ThreadPool::State> ThreadPool::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::shared_ptr<detail::ThreadDoor> ThreadPool::door() const {
  return state()->door;
}

ThreadPoolStats ThreadPool::stats() const {
  const auto now = state();
  const std::lock_guard lock(now->mutex);
  return {now->threads, now->busy, now->queue.size()};
}

void ThreadPool::set_options(ThreadPoolOptions options) {
  check(options);
  const auto now = state();
  const std::lock_guard lock(now->mutex);
  now->options = std::move(options);
  now->has_work.notify_all();
  // For what waits already; where no more can be started, those that run come to it.
  try {
    for (auto known = now->idle;
         known < now->queue.size() && now->threads < now->options.max_threads; ++known)
      start_thread(now);
  } catch (const std::system_error&) {
    log_failure("threads", "A thread pool could not grow", Failure::current());
  }
}

bool ThreadPool::submit(Callback work) {
  return submit_job(std::move(work)).accepted();
}

ThreadJob ThreadPool::submit_job(Callback work) {
  // What is not accepted is destroyed without the lock.
  State::Job job{0, std::move(work)};
  const auto pool = state();
  const std::lock_guard lock(pool->mutex);
  if (pool->stopping) return {};
  if (pool->full()) {
    throw QueueFull("The thread pool " + pool->options.name + " has " +
                    std::to_string(pool->queue.size()) +
                    " calls waiting, as many as may; wait for results, or raise max_queued.");
  }
  const auto number = job.number = ++pool->last_number;
  pool->queue.push_back(std::move(job));
  if (pool->idle >= pool->queue.size() || pool->threads >= pool->options.max_threads) {
    pool->has_work.notify_one();
    return {pool, number};
  }
  try {
    start_thread(pool);
  } catch (const std::system_error&) {
    // The others will come to it; without any there is nobody.
    if (pool->threads > 0) return {pool, number};
    job = std::move(pool->queue.back());
    pool->queue.pop_back();
    throw;
  }
  return {pool, number};
}

void ThreadPool::start_thread(const std::shared_ptr<State>& state) {
  std::thread([state, number = ++state->started] { ThreadPool::work(state, number); }).detach();
  ++state->threads;
}

void ThreadJob::Pool::run(Job job) {
  const detail::ContextSwitch inside(job.context);
  // Destroyed in its context too.
  auto work = std::move(job.work);
  try {
    work();
  } catch (...) {
    log_failure("threads", "Work in the thread pool threw", Failure::current());
  }
}

void ThreadPool::work(const std::shared_ptr<State>& state, std::size_t number) {
  std::unique_lock lock(state->mutex);
  const auto name = numbered(state->options.name, number);
  lock.unlock();
  name_this_thread(name);
  const detail::WorksFor scope(state->reactor, state->door);
  lock.lock();
  while (state->wait_for_work(lock)) {
    auto next = std::move(state->queue.front());
    state->queue.pop_front();
    ++state->busy;
    lock.unlock();
    State::running = state.get();
    State::run(std::move(next));
    detail::work_is_done();
    lock.lock();
  }
  --state->threads;
  state->thread_ended.notify_all();
}

bool ThreadPool::stop(Duration deadline) {
  std::deque<State::Job> dropped;
  const auto pool = state();
  std::unique_lock lock(pool->mutex);
  pool->stopping = true;
  dropped.swap(pool->queue);
  pool->has_work.notify_all();
  const bool ended = pool->thread_ended.wait_for(lock, std::min(deadline, detail::longest_wait),
                                                 [&] { return pool->threads == 0; });
  const auto left = pool->threads;
  if (ended) {
    pool->stopping = false;
    return true;
  }
  auto fresh = std::make_shared<State>();
  fresh->options = pool->options;
  fresh->reactor = pool->reactor;
  if (pool->door_is_borrowed) fresh->borrow_door(pool->door);
  lock.unlock();
  log(LogLevel::warning, "threads",
      std::to_string(left) + " calls in the thread pool did not end in time; left to themselves");
  // Those left have the old state to themselves.
  {
    const std::lock_guard own(mutex_);
    state_ = std::move(fresh);
  }
  pool->shut_door();
  return false;
}

Deferred<void> call_multiple_in_thread(Reactor& reactor, std::vector<Callback> calls) {
  return defer_to_thread(reactor, [calls = std::move(calls)]() mutable {
    for (auto& call : calls)
      call();
  });
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

Failure pool_stopped() {
  return Failure(NotRunningError("The thread pool stopped before the call began."));
}

void refuse_blocking_own_reactor(Reactor& reactor) {
  // A thread that works for it is not its own, and may outlive it.
  const auto* const work = WorksFor::current();
  if (work != nullptr && work->reactor() == &reactor) return;
  if (Reactor::current_or_null() == &reactor || reactor.turn().runs_here()) {
    throw WrongThreadError(
        "This thread runs the reactor, so waiting for it would last for ever; call directly.");
  }
}

void refuse_late(Duration deadline) {
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(deadline).count();
  throw TimeoutError("The reactor gave no result within " + std::to_string(waited) +
                     " ms; it is busy, or what it waits for takes longer.");
}

const WorksFor& works_for() {
  if (const auto* const scope = WorksFor::current()) return *scope;
  throw NoReactorError(
      "This thread works for no reactor; name the one to call, or use defer_to_thread.");
}

void work_is_done() noexcept {
  if (auto* const pool = std::exchange(ThreadJob::Pool::running, nullptr)) pool->finished();
}

bool call_in(Reactor& reactor, Callback callback) {
  return reactor.call_from_thread(std::move(callback));
}

Turn& turn_of(Reactor& reactor) noexcept {
  return reactor.turn();
}

}  // namespace detail

}  // namespace weft
