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

/// Whether an R is a task, for which Returned has `begin(callback, args...)`.
template <class R>
inline constexpr bool is_task = false;

/// What the callback of a stage on a T gives; a void T calls it without arguments.
template <class F, class T>
struct CallbackResult : std::invoke_result<F&, T> {};
template <class F>
struct CallbackResult<F, void> : std::invoke_result<F&> {};

/// A Deferred<U> where one of the callbacks that return an R does; else the Outcome<U> itself,
/// which is cheaper to hand on.
template <class U, class... R>
using Continuation =
    std::conditional_t<(is_deferred<std::remove_cvref_t<R>> || ...), Deferred<U>, Outcome<U>>;

/// Calls `callback`, which was added at `where`, and gives what it returned, or threw, as a C. A
/// callback that is given as an rvalue is not called again.
template <class C, class U, class F, class... Args>
C call_stage(const SourceLocation& where, F&& callback, Args&&... args) noexcept;

// ---- the four kinds of stages, as functions from what came to what goes on

template <class F>
struct OnSuccess {
  F callback;
  template <class U, class T>
  auto run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    using C = Continuation<U, typename CallbackResult<F, T>::type>;
    if (!outcome.succeeded()) return C(Outcome<U>(outcome.failure()));
    if constexpr (std::is_void_v<T>) {
      return call_stage<C, U>(where, std::move(callback));
    } else {
      return call_stage<C, U>(where, std::move(callback), std::move(outcome).value());
    }
  }
};

/// With E void: all failures.
template <class E, class F>
struct OnFailure {
  F callback;
  template <class U, class T>
  auto run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    constexpr bool takes_error = [] {
      if constexpr (std::is_void_v<E>) {
        return false;
      } else {
        return std::is_invocable_v<F&, const E&>;
      }
    }();
    using Argument = std::conditional_t<takes_error, E, Failure>;
    using C = Continuation<U, std::invoke_result_t<F&, const Argument&>>;
    if (outcome.succeeded()) return C(std::move(outcome));
    const Failure failure = outcome.failure();
    if constexpr (std::is_void_v<E>) {
      return call_stage<C, U>(where, std::move(callback), failure);
    } else {
      const E* const error = failure.check<E>();
      if (error == nullptr) return C(std::move(outcome));
      if constexpr (takes_error) {
        return call_stage<C, U>(where, std::move(callback), *error);
      } else {
        return call_stage<C, U>(where, std::move(callback), failure);
      }
    }
  }
};

template <class F, class G>
struct OnEither {
  F on_success;
  G on_failure;
  template <class U, class T>
  auto run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    using C = Continuation<U, typename CallbackResult<F, T>::type,
                           std::invoke_result_t<G&, const Failure&>>;
    if (!outcome.succeeded()) {
      const Failure failure = outcome.failure();
      return call_stage<C, U>(where, std::move(on_failure), failure);
    }
    if constexpr (std::is_void_v<T>) {
      return call_stage<C, U>(where, std::move(on_success));
    } else {
      return call_stage<C, U>(where, std::move(on_success), std::move(outcome).value());
    }
  }
};

template <class F>
struct OnBoth {
  F callback;
  template <class U, class T>
  auto run(Outcome<T>&& outcome, const SourceLocation& where) noexcept {
    using C = Continuation<U, std::invoke_result_t<F&, Outcome<T>>>;
    return call_stage<C, U>(where, std::move(callback), std::move(outcome));
  }
};

/// A stage that waits: for a T first, then, where its callback returned a deferred, for that one's
/// U.
template <class T, class U, class Step>
class Stage final : public Cell<U> {
 public:
  Stage(Step&& step, SourceLocation where) : Cell<U>(where), step_(std::move(step)) {}
  ~Stage() {
    if (has_step_) std::destroy_at(&step_);
  }

 private:
  void dispose() noexcept override { delete this; }
  void advance(CellBase& source) noexcept override {
    if (!has_step_) {
      this->put(static_cast<Cell<U>&>(source).take());
      return;
    }
    auto result = step_.template run<U>(static_cast<Cell<T>&>(source).take(), this->where());
    // What the callback captured is let go before its result is seen.
    has_step_ = false;
    std::destroy_at(&step_);
    if constexpr (is_deferred<decltype(result)>) {
      result.continue_in(*this);
    } else {
      this->put(std::move(result));
    }
  }

  union {
    Step step_;
  };
  bool has_step_ = true;
};

}  // namespace detail
}  // namespace weft
