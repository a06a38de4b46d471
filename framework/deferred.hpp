// A result that may not be there yet: Deferred is the end that reads it, Promise the end that
// writes it.
#pragma once

#include "clock.hpp"
#include "detail/held_result.hpp"
#include "detail/stage.hpp"
#include "detail/timeout_cell.hpp"
#include "failure.hpp"
#include "outcome.hpp"

#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class Promise;

namespace detail {
template <class T, class State>
class Input;
template <class Result>
class Combination;
template <class T>
class TaskCell;
template <class T, bool as_result>
class DeferredAwaiter;
/// `Deferred::limit`, for what is built upon it.
template <class D, class U, class Pass, class TimedOut>
Deferred<U> limit(D deferred, Clock& clock, Duration timeout, Pass pass, TimedOut timed_out,
                  SourceLocation where);
}  // namespace detail

/// Cancels a deferred that somebody else reads; see `Deferred::canceller`.
class Canceller {
 public:
  Canceller() noexcept = default;
  explicit Canceller(detail::CellBase* cell) noexcept : cell_(cell) {
    if (cell_ != nullptr) cell_->retain();
  }
  Canceller(Canceller&& other) noexcept : cell_(std::exchange(other.cell_, nullptr)) {}
  Canceller& operator=(Canceller&& other) noexcept {
    std::swap(cell_, other.cell_);
    return *this;
  }
  ~Canceller() {
    if (cell_ != nullptr) cell_->release();
  }
  /// Nothing happens when the result is there.
  void cancel() noexcept {
    if (cell_ != nullptr) cell_->cancel();
  }

 private:
  detail::CellBase* cell_ = nullptr;
};

/// The reading end of a result. It has one reader: attaching a callback consumes it and gives the
/// next stage. Callbacks run at once where the result is there, else inside the call that fires it;
/// no loop is needed. Lifetime: dropping a pending one detaches: the work goes on, and its
/// callbacks are still called. A failure that nobody handles is logged with the place where the
/// deferred was made. Thread: all of one chain belongs to one thread. Errors: what a callback
/// throws is the failure of its stage. AlreadyCalledError where a consumed one is used.
template <class T>
class [[nodiscard]] Deferred {
 public:
  using Value = T;

  /// One whose result is there.
  explicit Deferred(Outcome<T> outcome) noexcept : held_(std::move(outcome)) {}
  Deferred(Deferred&& other) noexcept = default;
  Deferred& operator=(Deferred&& other) noexcept {
    if (this != &other) {
      if (!held_.empty()) leave();
      held_ = std::move(other.held_);
    }
    return *this;
  }
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  ~Deferred() {
    if (!held_.empty()) leave();
  }

  /// `f(T)` on success; it returns a value, nothing, an Outcome or a Deferred, which the next stage
  /// waits for.
  template <class F>
  auto add_callback(F f, SourceLocation where = SourceLocation::current()) && {
    using U = detail::ReturnedValue<typename detail::CallbackResult<F, T>::type>;
    return then<U>(detail::OnSuccess<F>{std::move(f)}, where);
  }
  /// `f(const Failure&)` on failure; it returns what a success would have been, or a Deferred of
  /// it.
  template <class F>
  Deferred<T> add_errback(F f, SourceLocation where = SourceLocation::current()) && {
    static_assert(std::is_invocable_v<F&, const Failure&>, "an errback takes a const Failure&");
    check_recovery<std::invoke_result_t<F&, const Failure&>>();
    return then<T>(detail::OnFailure<void, F>{std::move(f)}, where);
  }
  /// The same for failures that are an E only; `f` takes a const E& or a const Failure&.
  template <class E, class F>
  Deferred<T> add_errback(F f, SourceLocation where = SourceLocation::current()) && {
    if constexpr (std::is_invocable_v<F&, const E&>) {
      check_recovery<std::invoke_result_t<F&, const E&>>();
    } else {
      check_recovery<std::invoke_result_t<F&, const Failure&>>();
    }
    return then<T>(detail::OnFailure<E, F>{std::move(f)}, where);
  }
  /// `f` on success, `g` on failure, never both; they return the same kind of thing.
  template <class F, class G>
  auto add_callbacks(F f, G g, SourceLocation where = SourceLocation::current()) && {
    using U = detail::ReturnedValue<typename detail::CallbackResult<F, T>::type>;
    static_assert(
        std::is_same_v<U, detail::ReturnedValue<std::invoke_result_t<G&, const Failure&>>>,
        "both callbacks must lead to the same type of result");
    return then<U>(detail::OnEither<F, G>{std::move(f), std::move(g)}, where);
  }
  /// `f(Outcome<T>)` either way.
  template <class F>
  auto add_both(F f, SourceLocation where = SourceLocation::current()) && {
    using U = detail::ReturnedValue<std::invoke_result_t<F&, Outcome<T>>>;
    return then<U>(detail::OnBoth<F>{std::move(f)}, where);
  }

  /// Two readers of one result. Cancelling both cancels what they wait for.
  [[nodiscard]] std::pair<Deferred<T>, Deferred<T>> fork(
      SourceLocation where = SourceLocation::current()) &&;
  /// Cancels after `timeout`, and then turns the CancelledError into a TimeoutError; one that comes
  /// of cancelling from outside stays. Errors: InvalidArgument for a negative time.
  Deferred<T> add_timeout(Clock& clock, Duration timeout,
                          SourceLocation where = SourceLocation::current()) &&;

  /// Cancels the operation that is being waited for, through chains and lists; it then fails with
  /// CancelledError unless its canceller gave another result. It sticks: a later stage's operation
  /// is cancelled as it begins. Nothing happens when the result is there.
  void cancel() noexcept {
    if (auto* const cell = held_.cell()) cell->cancel();
  }
  /// Cancels, and consumes this. What has not ended then is destroyed where it waits: no callback
  /// of the chain and no task that it waits for runs after this, but one that calls it.
  void abandon() noexcept {
    cancel();
    if (auto* const cell = held_.cell(); cell != nullptr && !cell->ready()) cell->abandon();
    if (!held_.empty()) leave();
  }
  /// Cancels this deferred even after it was handed on to its reader.
  [[nodiscard]] Canceller canceller() const noexcept { return Canceller(held_.cell()); }

  /// The result, or null while it is not there.
  [[nodiscard]] const Outcome<T>* peek() const noexcept {
    const auto* const cell = held_.cell();
    return cell != nullptr ? cell->peek() : held_.outcome();
  }
  [[nodiscard]] bool ready() const noexcept { return peek() != nullptr; }
  /// False once it was consumed or moved away.
  [[nodiscard]] bool valid() const noexcept { return !held_.empty(); }
  /// Takes the result when it is there, which consumes this.
  [[nodiscard]] std::optional<Outcome<T>> take_result() {
    settle();
    auto* const outcome = held_.outcome();
    if (outcome == nullptr) return std::nullopt;
    std::optional<Outcome<T>> taken(std::move(*outcome));
    held_.clear();
    return taken;
  }

 private:
  template <class>
  friend class Deferred;
  friend class Promise<T>;
  template <class, class, class>
  friend class detail::Stage;
  template <class, class>
  friend class detail::Input;
  template <class>
  friend class detail::Combination;
  template <class>
  friend class detail::TaskCell;
  template <class, bool>
  friend class detail::DeferredAwaiter;
  template <class D, class U, class Pass, class TimedOut>
  friend Deferred<U> detail::limit(D deferred, Clock& clock, Duration timeout, Pass pass,
                                   TimedOut timed_out, SourceLocation where);

  /// Takes over a reference to the cell.
  explicit Deferred(detail::Cell<T>* cell) noexcept : held_(cell) { cell->reader_came(); }

  template <class R>
  static constexpr void check_recovery() {
    static_assert(std::is_void_v<T>
                      ? std::is_void_v<detail::ReturnedValue<R>>
                      : std::is_convertible_v<detail::ReturnedValue<R>, detail::Stored<T>>,
                  "an errback returns what a success would have been: a T or a Deferred<T>");
  }

  // Kept out of the destructor, which runs for each stage of a chain and mostly finds nothing.
  [[gnu::noinline]] void leave() noexcept {
    if (auto* const cell = held_.cell()) {
      cell->reader_left();
      cell->release();
    } else if (const auto* const outcome = held_.outcome()) {
      if (!outcome->succeeded()) {
        detail::report_unhandled_failure(outcome->failure(), outcome->failure().where());
      }
    }
    held_.clear();
  }

  /// Brings a result that has come from its cell to here.
  void settle() noexcept {
    auto* const cell = held_.cell();
    if (cell == nullptr || !cell->ready()) return;
    held_ = detail::HeldResult<T>(cell->take());
    cell->release();
  }

  /// The same result as a U by `pass(Outcome<T>&&)`, or `timed_out()`; see TimeoutCell.
  template <class U, class Pass, class TimedOut>
  Deferred<U> limit(Clock& clock, Duration timeout, Pass pass, TimedOut timed_out,
                    SourceLocation where) {
    settle();
    if (auto* const outcome = held_.outcome()) {
      Deferred<U> passed(pass(std::move(*outcome)));
      held_.clear();
      return passed;
    }
    if (held_.empty()) detail::refuse_consumed();
    auto* const cell =
        new detail::TimeoutCell<T, U, Pass, TimedOut>(std::move(pass), std::move(timed_out), where);
    Deferred<U> limited(static_cast<detail::Cell<U>*>(cell));
    cell->begin(clock, timeout);
    feed(*cell);
    return limited;
  }

  template <class U, class Step>
  Deferred<U> then(Step step, SourceLocation where) {
    settle();
    if (auto* const outcome = held_.outcome()) {
      Outcome<T> taken = std::move(*outcome);
      held_.clear();
      Deferred<U> next(step.template run<U>(std::move(taken), where));
      if (!next.valid()) next.held_ = detail::HeldResult<U>(detail::own_result(where));
      return next;
    }
    if (held_.empty()) detail::refuse_consumed();
    auto* const stage = new detail::Stage<T, U, Step>(std::move(step), where);
    feed(*stage);
    return Deferred<U>(static_cast<detail::Cell<U>*>(stage));
  }

  /// Has `consumer` advanced when the pending result comes.
  void feed(detail::CellBase& consumer) noexcept {
    auto* const cell = held_.cell();
    held_.clear();
    cell->feed(consumer);
    cell->release();
  }

  /// This is what the callback of `stage` returned: its result becomes the stage's, now or later.
  void continue_in(detail::Cell<T>& stage) noexcept {
    settle();
    if (auto* const outcome = held_.outcome()) {
      stage.put(std::move(*outcome));
    } else if (auto* const cell = held_.cell()) {
      continue_from(*cell, stage);
    } else {
      stage.put(detail::own_result(stage.where()));
    }
    held_.clear();
  }
  void continue_from(detail::Cell<T>& cell, detail::Cell<T>& stage) noexcept {
    held_.clear();
    if (cell.waits_for(stage)) {
      cell.reader_left();
      cell.release();
      stage.put(detail::own_result(stage.where()));
      return;
    }
    const bool cancelled = stage.cancelled();
    cell.feed_past(stage);
    if (cancelled) cell.cancel_soon();
    cell.release();
  }

  detail::HeldResult<T> held_;
};

/// The writing end of a result.
/// Lifetime: one that is dropped unfired fails its deferred with BrokenPromiseError.
template <class T>
class [[nodiscard]] Promise {
 public:
  /// `canceller` is called when the deferred is cancelled, and stops the operation; it may fire
  /// this promise. Otherwise the deferred fails with CancelledError, and one result that comes
  /// later is dropped.
  explicit Promise(Callback canceller = {}, SourceLocation where = SourceLocation::current())
      : cell_(new detail::PromiseCell<T>(std::move(canceller), where)) {}
  Promise(Promise&& other) noexcept
      : cell_(std::exchange(other.cell_, nullptr)), given_(other.given_) {}
  Promise& operator=(Promise&& other) noexcept {
    std::swap(cell_, other.cell_);
    std::swap(given_, other.given_);
    return *this;
  }
  ~Promise() {
    if (cell_ == nullptr) return;
    if (!given_) cell_->reader_left();
    if (!cell_->has_fired() && cell_->wanted()) break_it();
    cell_->release();
  }

  /// The reading end. Errors: AlreadyCalledError when it was given out before.
  Deferred<T> deferred() {
    if (std::exchange(given_, true)) detail::refuse_consumed();
    cell_->retain();
    return Deferred<T>(static_cast<detail::Cell<T>*>(cell_));
  }
  /// Fires with a value. Errors: AlreadyCalledError.
  template <class V = detail::Stored<T>>
  requires(!std::is_void_v<T>) void callback(V&& value) {
    cell_->fire(Outcome<T>(detail::Stored<T>(std::forward<V>(value))));
  }
  void callback() requires std::is_void_v<T> { cell_->fire(Outcome<T>()); }
  /// Fires with a failure. Errors: AlreadyCalledError.
  void errback(Failure failure) { cell_->fire(Outcome<T>(std::move(failure))); }
  /// Fires with either. Errors: AlreadyCalledError.
  void fire(Outcome<T> outcome) { cell_->fire(std::move(outcome)); }
  /// Whether somebody has its deferred, or waits for it.
  [[nodiscard]] bool wanted() const noexcept { return !given_ || cell_->wanted(); }
  /// Whether it has a result, be it that it was cancelled.
  [[nodiscard]] bool fired() const noexcept { return cell_->has_fired(); }

 private:
  [[gnu::noinline]] void break_it() noexcept {
    // Cancelled and not fired is what it is while its canceller runs, and drops it.
    cell_->fire(cell_->cancelled() ? detail::cancelled_failure()
                                   : detail::broken_promise(cell_->where()));
  }

  detail::PromiseCell<T>* cell_;
  bool given_ = false;
};

/// A deferred whose result is there.
template <class T>
Deferred<std::decay_t<T>> succeed(T&& value) {
  return Deferred<std::decay_t<T>>(Outcome<std::decay_t<T>>(std::forward<T>(value)));
}
inline Deferred<void> succeed() {
  return Deferred<void>(Outcome<void>());
}
/// A deferred that has failed.
template <class T>
Deferred<T> fail(Failure failure) {
  return Deferred<T>(Outcome<T>(std::move(failure)));
}

/// Calls `f(args...)` and gives what it returned, or threw, as a deferred.
template <class F, class... Args>
auto maybe_deferred(F&& f, Args&&... args) {
  using U = detail::ReturnedValue<std::invoke_result_t<F, Args...>>;
  return detail::call_stage<Deferred<U>, U>(SourceLocation(), std::forward<F>(f),
                                            std::forward<Args>(args)...);
}

namespace detail {

template <class C, class U, class F, class... Args>
C call_stage(const SourceLocation& where, F&& callback, Args&&... args) noexcept {
  using R = std::invoke_result_t<std::remove_reference_t<F>&, Args...>;
  try {
    if constexpr (is_task<std::remove_cvref_t<R>>) {
      return Returned<std::remove_cvref_t<R>>::begin(std::forward<F>(callback),
                                                     std::forward<Args>(args)...);
    } else if constexpr (is_deferred<std::remove_cvref_t<R>>) {
      return std::invoke(callback, std::forward<Args>(args)...);
    } else if constexpr (std::is_void_v<R>) {
      std::invoke(callback, std::forward<Args>(args)...);
      return C(Outcome<U>());
    } else {
      return C(Outcome<U>(std::invoke(callback, std::forward<Args>(args)...)));
    }
  } catch (...) {
    return C(Outcome<U>(Failure::current(where)));
  }
}

template <class T>
struct Fork {
  void branch_cancelled() {
    if (++cancelled_branches == 2) source.cancel();
  }
  std::optional<Promise<T>> first;
  std::optional<Promise<T>> second;
  Canceller source;
  int cancelled_branches = 0;
};

[[nodiscard]] Failure timeout_failure(Duration timeout, const SourceLocation& where) noexcept;

template <class D, class U, class Pass, class TimedOut>
Deferred<U> limit(D deferred, Clock& clock, Duration timeout, Pass pass, TimedOut timed_out,
                  SourceLocation where) {
  return deferred.template limit<U>(clock, timeout, std::move(pass), std::move(timed_out), where);
}

}  // namespace detail

template <class T>
std::pair<Deferred<T>, Deferred<T>> Deferred<T>::fork(SourceLocation where) && {
  static_assert(std::is_void_v<T> || std::is_copy_constructible_v<detail::Stored<T>>,
                "fork gives two readers a copy each, so the value must be copyable");
  auto state = std::make_shared<detail::Fork<T>>();
  const auto cancelled = [weak = std::weak_ptr(state)] {
    if (const auto fork = weak.lock()) fork->branch_cancelled();
  };
  state->first.emplace(Callback(cancelled), where);
  state->second.emplace(Callback(cancelled), where);
  auto readers = std::make_pair(state->first->deferred(), state->second->deferred());
  auto feeding = std::move(*this).add_both(
      [state](Outcome<T> outcome) {
        auto second = outcome;
        state->first->fire(std::move(outcome));
        state->second->fire(std::move(second));
      },
      where);
  state->source = feeding.canceller();
  return readers;
}

template <class T>
Deferred<T> Deferred<T>::add_timeout(Clock& clock, Duration timeout, SourceLocation where) && {
  return limit<T>(
      clock, timeout, [](Outcome<T>&& outcome) noexcept { return std::move(outcome); },
      [timeout, where]() noexcept { return Outcome<T>(detail::timeout_failure(timeout, where)); },
      where);
}

}  // namespace weft
