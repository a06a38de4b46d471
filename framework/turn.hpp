// The one way into user code: what happens before, after and around every callback.
#pragma once

#include "detail/asked_at.hpp"
#include "detail/held_context.hpp"
#include "diagnostics/loop_counts.hpp"
#include "diagnostics/pending_work.hpp"
#include "failure.hpp"
#include "source_location.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace weft {

class Reactor;

namespace detail {
class TaskRun;
}

/// Every callback into user code (protocol, timer, deferred, thread call) is entered through
/// `enter`. When the outermost one returns, the turn is over: what it wrote is flushed, and what it
/// let go of is destroyed. Each clock has one, and all that belongs to that clock's loop shares it.
class Turn {
 public:
  /// Somebody who wants to be called when the turn is over (`flush`), or from the loop, outside of
  /// every callback (`wake`). Lifetime: the turn keeps it alive while it is queued, and knows all
  /// that live. Queueing allocates nothing.
  class Participant {
   public:
    Participant(const Participant&) = delete;
    Participant& operator=(const Participant&) = delete;
    virtual ~Participant();

    /// What it is, for reports to people.
    [[nodiscard]] virtual PendingWork describe() const { return {}; }
    /// The type of whom it calls, as `std::type_info::name` gives it, or null. Signal handlers ask
    /// for it too: it takes no lock and no memory.
    [[nodiscard]] virtual const char* subject_type() const noexcept { return nullptr; }
    /// Where the application asked for it; "" when that is not known.
    [[nodiscard]] const SourceLocation& where() const noexcept { return where_; }
    /// What passes a request on has said where it came from, which counts more than `where`.
    void made_at(const SourceLocation& where) noexcept { where_ = detail::AskedAt::place(where); }

   protected:
    explicit Participant(Turn& turn) noexcept;
    /// The turn it belongs to; null once that is gone.
    [[nodiscard]] Turn* turn() const noexcept { return turn_; }
    /// Whether `flush` will be called anyway.
    [[nodiscard]] bool flush_is_due() const noexcept { return to_flush_; }

   private:
    friend class Turn;
    /// The turn is over: send what was written.
    virtual void flush() noexcept = 0;
    /// The loop comes round: deliver what had to wait.
    virtual void wake() noexcept = 0;
    /// The loop ends for good: tell the user, and let go of everything that belongs to it.
    virtual void loop_ended() noexcept = 0;

    // What a flush needs comes first: a turn may have to flush ten thousand that are in no cache.
    Turn* turn_;
    std::shared_ptr<Participant> next_to_flush_;
    bool to_flush_ = false;
    bool to_wake_ = false;
    std::shared_ptr<Participant> next_to_wake_;
    Participant* previous_ = nullptr;
    Participant* next_ = nullptr;
    SourceLocation where_;
  };

  /// Whom a callback belongs to, for reports about slow ones.
  struct Subject {
    Subject() noexcept : Subject(nullptr, nullptr) {}
    explicit Subject(const Participant* whose) noexcept : Subject(whose, nullptr) {}
    explicit Subject(const SourceLocation* scheduled_at) noexcept
        : Subject(nullptr, scheduled_at) {}
    Subject(const Participant* whose, const SourceLocation* scheduled_at) noexcept
        : participant(whose), call(scheduled_at) {}

    const Participant* participant;
    /// Where a call that the clock makes was scheduled, or a watch was begun.
    const SourceLocation* call;
  };

  /// Wants to know of callbacks that took long, which it finds out itself.
  class Overseer {
   public:
    virtual ~Overseer();
    /// The callback that was running when `note_slow` was called is over. Called in the loop's
    /// thread.
    virtual void slow_callback_over(const Subject& subject) noexcept = 0;
  };

  /// Marks the time in which code of this turn runs; the end of the outermost one ends the turn.
  class Scope {
   public:
    explicit Scope(Turn& turn) noexcept : turn_(turn), previous_(current_) {
      current_ = &turn;
      ++turn.counts_.callbacks;
      if (turn.depth_++ == 0) turn.count_edge();
    }
    ~Scope() {
      if (--turn_.depth_ == 0) {
        turn_.look_for_slow();
        turn_.settle();
        turn_.count_edge();
      }
      current_ = previous_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Turn& turn_;
    Turn* previous_;
  };

  /// Makes a turn `current()` for as long as a loop runs, between its callbacks too.
  class Activation {
   public:
    explicit Activation(Turn& turn) noexcept : previous_(std::exchange(current_, &turn)) {}
    ~Activation() { current_ = previous_; }
    Activation(const Activation&) = delete;
    Activation& operator=(const Activation&) = delete;

   private:
    Turn* previous_;
  };

  explicit Turn(Reactor* reactor = nullptr) noexcept : reactor_(reactor) {}
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Runs `callback` as user code; what it throws becomes the argument of `on_error`.
  template <class Callback, class OnError>
  void enter(Callback&& callback, OnError&& on_error) {
    const Scope scope(*this);
    call(std::forward<Callback>(callback), std::forward<OnError>(on_error));
  }
  /// Runs `callback` as user code; what it throws is logged, with `what` saying what was running.
  template <class Callback>
  void enter_logged(std::string_view what, Callback&& callback) {
    enter(std::forward<Callback>(callback),
          [what](const Failure& failure) { report(what, failure); });
  }

  /// The same in `context`, which keeps what `callback` sets; `on_error` is called in it too.
  template <class Callback, class OnError>
  void enter_in(detail::HeldContext& context, Callback&& callback, OnError&& on_error) {
    // The turn ends outside of the context: what others wrote is flushed in theirs.
    const Scope scope(*this);
    const detail::ContextSwitch inside(context);
    call(std::forward<Callback>(callback), std::forward<OnError>(on_error));
  }
  /// The same, and the callback belongs to `subject`.
  template <class Callback, class OnError>
  void enter_in(detail::HeldContext& context, Callback&& callback, OnError&& on_error,
                const Subject& subject) {
    const Scope scope(*this);
    const detail::ContextSwitch inside(context);
    const Naming naming(*this, subject);
    call(std::forward<Callback>(callback), std::forward<OnError>(on_error));
  }
  template <class Callback>
  void enter_logged_in(detail::HeldContext& context, std::string_view what, Callback&& callback) {
    enter_in(context, std::forward<Callback>(callback),
             [what](const Failure& failure) { report(what, failure); });
  }
  template <class Callback>
  void enter_logged_in(detail::HeldContext& context, std::string_view what, Callback&& callback,
                       const Subject& subject) {
    enter_in(
        context, std::forward<Callback>(callback),
        [what](const Failure& failure) { report(what, failure); }, subject);
  }

  /// Has `participant.flush()` called when this turn is over; outside of every callback, when the
  /// loop comes round.
  void flush_later(const std::shared_ptr<Participant>& participant) noexcept;
  /// Has `participant.wake()` called when the loop comes round, outside of every callback.
  void wake_later(const std::shared_ptr<Participant>& participant) noexcept;
  /// Keeps `object` until the turn is over.
  void release_later(std::shared_ptr<void> object) noexcept;

  /// Ends a turn by hand: flushes and destroys. A loop calls it when it comes round.
  void settle() noexcept;
  /// Wakes those who were waiting before this call; true when there were any.
  bool wake_waiting() noexcept;
  /// True when somebody waits for the loop to come round.
  [[nodiscard]] bool has_waiting() const noexcept { return first_to_wake_ || first_to_flush_; }

  /// Tells every participant that the loop ends.
  void end_participants() noexcept;

  /// From now on this thread runs the loop; until then any may prepare it.
  void claim_thread() noexcept { thread_.store(&thread_mark_, std::memory_order_relaxed); }
  void release_thread() noexcept { thread_.store(nullptr, std::memory_order_relaxed); }
  /// This thread gives the loop a round, as it may the next.
  void note_round() noexcept { last_round_.store(&thread_mark_, std::memory_order_relaxed); }
  /// Whether it is this thread that runs the loop, or gives it its rounds. Thread: any.
  [[nodiscard]] bool runs_here() const noexcept {
    const auto* const thread = thread_.load(std::memory_order_relaxed);
    return (thread != nullptr ? thread : last_round_.load(std::memory_order_relaxed)) ==
           &thread_mark_;
  }
  /// Errors: WrongThreadError when another thread has claimed it.
  void check_thread() const {
    const auto* const thread = thread_.load(std::memory_order_relaxed);
    if (thread != nullptr && thread != &thread_mark_) refuse_thread();
  }

  // ---- for reports

  /// Calls `f(const Participant&)` for all that live.
  template <class F>
  void each_participant(F&& f) const {
    for (const auto* participant = participants_; participant != nullptr;
         participant = participant->next_)
      f(*participant);
  }
  [[nodiscard]] LoopCounts& counts() noexcept { return counts_; }
  [[nodiscard]] const LoopCounts& counts() const noexcept { return counts_; }
  /// Grows by one when the outermost callback begins, and when its turn is over: odd in between.
  /// Thread: any.
  [[nodiscard]] std::uint64_t edges() const noexcept {
    return edges_.load(std::memory_order_relaxed);
  }
  /// Whose callback runs. Thread: the loop's, in signal handlers too.
  [[nodiscard]] Subject subject() const noexcept {
    return {participant_.load(std::memory_order_relaxed), call_.load(std::memory_order_relaxed)};
  }
  /// Errors: InvalidArgument when there is one already.
  void set_overseer(Overseer* overseer);
  /// Has the overseer told when the callback that runs is over. Thread: any.
  void note_slow() noexcept { slow_.store(true, std::memory_order_relaxed); }

  /// True while a callback of this turn runs.
  [[nodiscard]] bool inside() const noexcept { return depth_ > 0; }
  [[nodiscard]] Reactor* reactor() const noexcept { return reactor_; }
  void set_reactor(Reactor* reactor) noexcept { reactor_ = reactor; }
  /// The turn whose code runs in this thread, or null.
  [[nodiscard]] static Turn* current() noexcept { return current_; }

 private:
  template <class Callback, class OnError>
  static void call(Callback&& callback, OnError&& on_error) {
    try {
      std::forward<Callback>(callback)();
    } catch (...) {
      std::forward<OnError>(on_error)(Failure::current());
    }
  }
  friend class detail::TaskRun;
  static void report(std::string_view what, const Failure& failure) noexcept;
  [[noreturn]] static void refuse_thread();
  void flush_all() noexcept;
  // Says whose callback runs, for as long as it lives.
  class Naming {
   public:
    Naming(Turn& turn, const Subject& subject) noexcept : turn_(turn), previous_(turn.subject()) {
      turn_.set_subject(subject);
    }
    ~Naming() {
      turn_.look_for_slow();
      turn_.set_subject(previous_);
    }
    Naming(const Naming&) = delete;
    Naming& operator=(const Naming&) = delete;

   private:
    Turn& turn_;
    Subject previous_;
  };

  // One thread writes, so that no atomic addition is needed.
  void count_edge() noexcept { edges_.store(edges() + 1, std::memory_order_relaxed); }
  void set_subject(const Subject& subject) noexcept {
    participant_.store(subject.participant, std::memory_order_relaxed);
    call_.store(subject.call, std::memory_order_relaxed);
  }
  void look_for_slow() noexcept {
    if (slow_.load(std::memory_order_relaxed)) tell_slow();
  }
  void tell_slow() noexcept;

  static inline thread_local Turn* current_ = nullptr;
  // Its address is this thread's name.
  static inline thread_local char thread_mark_ = 0;

  Reactor* reactor_;
  std::atomic<const char*> thread_{nullptr};
  std::atomic<const char*> last_round_{nullptr};
  int depth_ = 0;
  bool settling_ = false;
  std::atomic<bool> slow_{false};
  std::atomic<std::uint64_t> edges_{0};
  std::atomic<const Participant*> participant_{nullptr};
  std::atomic<const SourceLocation*> call_{nullptr};
  LoopCounts counts_;
  Overseer* overseer_ = nullptr;
  Participant* participants_ = nullptr;
  Participant* next_to_end_ = nullptr;
  std::shared_ptr<Participant> first_to_flush_;
  Participant* last_to_flush_ = nullptr;
  std::shared_ptr<Participant> first_to_wake_;
  Participant* last_to_wake_ = nullptr;
  std::vector<std::shared_ptr<void>> released_;
  // The tasks that began in this loop and have not ended.
  detail::TaskRun* tasks_ = nullptr;
};

}  // namespace weft
