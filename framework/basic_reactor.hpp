// A reactor but for a few primitives: start and stop, triggers, thread calls and the order of a
// round, for whoever writes a loop.
#pragma once

#include "detail/held_context.hpp"
#include "reactor.hpp"
#include "resolver.hpp"
#include "thread_pool.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace weft {

namespace detail {
class SystemEvents;
}

/// Derive from it, implement the primitives, and call `end()` in the destructor.
class BasicReactor : public Reactor {
 public:
  ~BasicReactor() override;

  void run() override;
  void stop() override;
  void stop_from_thread() noexcept override;
  /// Ends `run` at once, without triggers and without telling the connections; it may be run again.
  void crash() noexcept;
  [[nodiscard]] bool running() const noexcept override;
  void set_shutdown_deadline(Duration deadline) override { shutdown_deadline_ = deadline; }
  void set_stop_on_signals(bool on) override { stop_on_signals_ = on; }
  void call_when_running(Callback callback) override;
  bool call_from_thread(Callback callback) override;
  bool remove_system_event_trigger(TriggerId trigger) override;
  [[nodiscard]] Resolver& resolver() override { return *resolver_; }
  void set_resolver(std::shared_ptr<Resolver> resolver) override;
  [[nodiscard]] ThreadPool& thread_pool() override;

  /// What other threads have asked for, due calls, those who wait for the loop, and then I/O.
  void run_once(Duration max_wait) override;

 protected:
  BasicReactor();

  /// Handles I/O that is ready; waits for it until `until`, or for ever. Returns early after
  /// `wake`.
  virtual void wait(std::optional<TimePoint> until) = 0;
  /// Makes a `wait` that runs or comes next return. Thread: any.
  virtual void wake() noexcept = 0;
  /// `run` begins or ends: signals are taken and given back here.
  virtual void run_began() {}
  virtual void run_ended() noexcept {}

  [[nodiscard]] bool stops_on_signals() const noexcept { return stop_on_signals_; }
  /// A signal asks for an end: the first stops, the next one while that lasts crashes.
  void interrupted() noexcept;
  /// Tells everything that lives that the loop ends for good; what a derived destructor calls
  /// first.
  void end() noexcept;

  TriggerId add_trigger(Phase phase, SystemEvent event, Trigger trigger) override;

 private:
  enum class State : std::uint8_t { idle, starting, running, stopping, ended };
  /// To be made once, in the context in which it was asked for.
  struct Call {
    explicit Call(Callback&& asked)
        : callback(std::move(asked)), context(detail::HeldContext::capture()) {}
    Callback callback;
    detail::HeldContext context;
  };

  void start();
  void shut_down();
  void end_connections();
  void after_phase(Deferred<void> phase, Callback next);
  void connections_ended() noexcept;
  void round(std::optional<TimePoint> latest);
  /// True when there were any.
  bool run_thread_calls();
  void refuse_thread_calls() noexcept;

  std::unique_ptr<detail::SystemEvents> events_;
  std::unique_ptr<ThreadPool> thread_pool_;
  std::shared_ptr<Resolver> resolver_;
  std::vector<Call> when_running_;
  Duration shutdown_deadline_ = std::chrono::seconds(10);
  DelayedCall shutdown_call_;
  DelayedCall shutdown_step_;
  State state_ = State::idle;
  bool stop_on_signals_ = true;

  std::mutex thread_calls_mutex_;
  std::vector<Call> thread_calls_;
  // An empty list, with room for as many as came together before.
  std::vector<Call> spare_thread_calls_;
  bool takes_thread_calls_ = true;
  std::atomic<bool> thread_calls_waiting_{false};
  std::atomic<bool> stop_asked_{false};
};

}  // namespace weft
