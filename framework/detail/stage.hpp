// One stage of a chain: a callback that waits for a cell, and is the cell of what it returns.
#pragma once

#include "cell.hpp"

#include <concepts>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class Deferred;

namespace detail {

/// What a stage's callback returns, and what the stage gives for it.
template <class R>
struct Returned {
  using Value = R;
};
template <class R>
struct Returned<Deferred<R>> {
  using Value = R;
};
template <class R>
struct Returned<Outcome<R>> {
  using Value = R;
};
template <class R>
using ReturnedValue = typename Returned<std::remove_cvref_t<R>>::Value;

template <class R>
inline constexpr bool is_deferred = false;
template <class R>
inline constexpr bool is_deferred<Deferred<R>> = true;

/// What the callback of a stage on a T gives; a void T calls it without arguments.
template <class F, class T>
struct CallbackResult : std::invoke_result<F&, T> {};
template <class F>
struct CallbackResult<F, void> : std::invoke_result<F&> {};

/// Calls `callback`, which was added at `where`, and gives what it returned as a result that is
/// there, or as the deferred that it returned.
template <class U, class F, class... Args>
Deferred<U> call_stage(const SourceLocation& where, F& callback, Args&&... args) noexcept;

// ---- the four kinds of stages, as functions from what came to what goes on

template <class F>
struct OnSuccess {
  F callback;
  template <class U, class T>
  Deferred<U> run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    if (!outcome.succeeded()) return Deferred<U>(Outcome<U>(outcome.failure()));
    if constexpr (std::is_void_v<T>) {
      return call_stage<U>(where, callback);
    } else {
      return call_stage<U>(where, callback, std::move(outcome).value());
    }
  }
};

/// With E void: all failures.
template <class E, class F>
struct OnFailure {
  F callback;
  template <class U, class T>
  Deferred<U> run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    if (outcome.succeeded()) return Deferred<U>(std::move(outcome));
    const Failure failure = outcome.failure();
    if constexpr (std::is_void_v<E>) {
      return call_stage<U>(where, callback, failure);
    } else {
      const E* const error = failure.check<E>();
      if (error == nullptr) return Deferred<U>(std::move(outcome));
      if constexpr (std::is_invocable_v<F&, const E&>) {
        return call_stage<U>(where, callback, *error);
      } else {
        return call_stage<U>(where, callback, failure);
      }
    }
  }
};

template <class F, class G>
struct OnEither {
  F on_success;
  G on_failure;
  template <class U, class T>
  Deferred<U> run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    if (!outcome.succeeded()) {
      const Failure failure = outcome.failure();
      return call_stage<U>(where, on_failure, failure);
    }
    if constexpr (std::is_void_v<T>) {
      return call_stage<U>(where, on_success);
    } else {
      return call_stage<U>(where, on_success, std::move(outcome).value());
    }
  }
};

template <class F>
struct OnBoth {
  F callback;
  template <class U, class T>
  Deferred<U> run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    return call_stage<U>(where, callback, std::move(outcome));
  }
};

/// A stage that waits: for a T first, then, where its callback returned a deferred, for that one's
/// U.
template <class T, class U, class Step>
class Stage final : public Cell<U> {
 public:
  Stage(Step&& step, SourceLocation where) : Cell<U>(where), step_(std::move(step)) {}
  ~Stage() override {
    if (has_step_) std::destroy_at(&step_);
  }

 private:
  void advance(CellBase& source) noexcept override {
    if (!has_step_) {
      this->put(static_cast<Cell<U>&>(source).take());
      return;
    }
    Deferred<U> result = step_.template run<U>(static_cast<Cell<T>&>(source).take(), this->where());
    // What the callback captured is let go before its result is seen.
    has_step_ = false;
    std::destroy_at(&step_);
    result.continue_in(*this);
  }

  union {
    Step step_;
  };
  bool has_step_ = true;
};

}  // namespace detail
}  // namespace weft
