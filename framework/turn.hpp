// The one way into user code: what happens before, after and around every callback.
#pragma once

#include "failure.hpp"

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
  };

  /// Marks the time in which code of this turn runs; the end of the outermost one ends the turn.
  class Scope {
   public:
    explicit Scope(Turn& turn) noexcept : turn_(turn), previous_(current_) {
      current_ = &turn;
      ++turn.depth_;
    }
    ~Scope() {
      if (--turn_.depth_ == 0) turn_.settle();
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
    try {
      std::forward<Callback>(callback)();
    } catch (...) {
      std::forward<OnError>(on_error)(Failure::current());
    }
  }
  /// Runs `callback` as user code; what it throws is logged, with `what` saying what was running.
  template <class Callback>
  void enter_logged(std::string_view what, Callback&& callback) {
    enter(std::forward<Callback>(callback),
          [what](const Failure& failure) { report(what, failure); });
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
  void claim_thread() noexcept { thread_ = &thread_mark_; }
  void release_thread() noexcept { thread_ = nullptr; }
  /// Errors: WrongThreadError when another thread has claimed it.
  void check_thread() const {
    if (thread_ != nullptr && thread_ != &thread_mark_) refuse_thread();
  }

  /// True while a callback of this turn runs.
  [[nodiscard]] bool inside() const noexcept { return depth_ > 0; }
  [[nodiscard]] Reactor* reactor() const noexcept { return reactor_; }
  void set_reactor(Reactor* reactor) noexcept { reactor_ = reactor; }
  /// The turn whose code runs in this thread, or null.
  [[nodiscard]] static Turn* current() noexcept { return current_; }

 private:
  friend class detail::TaskRun;
  static void report(std::string_view what, const Failure& failure) noexcept;
  [[noreturn]] static void refuse_thread();
  void flush_all() noexcept;

  static inline thread_local Turn* current_ = nullptr;
  // Its address is this thread's name.
  static inline thread_local char thread_mark_ = 0;

  Reactor* reactor_;
  const char* thread_ = nullptr;
  int depth_ = 0;
  bool settling_ = false;
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
