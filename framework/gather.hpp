// Several results as one: all of them, or the first failure.
#pragma once

#include "deferred.hpp"
#include "detail/inputs.hpp"
#include "error.hpp"

#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// The first of several operations to fail, and what it failed with.
class FirstError : public Error {
 public:
  FirstError(std::size_t index, Failure failure);
  /// Which of those that were gathered, counted from zero.
  [[nodiscard]] std::size_t index() const noexcept { return index_; }
  [[nodiscard]] const Failure& failure() const noexcept { return failure_; }

 private:
  std::size_t index_;
  Failure failure_;
};

struct GatherOptions {
  GatherOptions() {}
  /// On the first failure: true cancels the others and waits until they have ended, false fails at
  /// once and lets them go on.
  bool cancel_rest = true;
};

namespace detail {

/// What all gatherings do, whatever they put the values into.
template <class Result>
class Gathering : public Combination<Result> {
 public:
  template <class T>
  void arrived(std::size_t index, Outcome<T>& outcome) noexcept {
    if (!outcome && !first_error_) {
      first_error_ = told(index, outcome.failure());
      if (cancel_rest_) {
        this->cancel_inputs();
      } else {
        this->conclude([this] { return *first_error_; });
      }
    }
    if (this->counted_down()) finish();
  }

 protected:
  Gathering(std::size_t count, const GatherOptions& options, SourceLocation where) noexcept
      : Combination<Result>(count, where), cancel_rest_(options.cancel_rest) {}
  ~Gathering() = default;

  /// All have arrived, or there was nothing to wait for.
  void finish() noexcept {
    this->conclude([this]() -> Outcome<Result> {
      if (first_error_) return *first_error_;
      return result();
    });
  }

 private:
  virtual Outcome<Result> result() = 0;

  [[nodiscard]] Failure told(std::size_t index, const Failure& failure) const noexcept {
    if (this->cancelled_by_reader()) return cancelled_failure();
    try {
      return Failure(FirstError(index, failure));
    } catch (...) {
      return Failure::current();
    }
  }

  std::optional<Failure> first_error_;
  bool cancel_rest_;
};

template <class T>
using GatheredVector = std::conditional_t<std::is_void_v<T>, void, std::vector<Stored<T>>>;

template <class T>
class VectorGathering final : public Gathering<GatheredVector<T>> {
 public:
  VectorGathering(std::size_t count, const GatherOptions& options, SourceLocation where)
      : Gathering<GatheredVector<T>>(count, options, where), inputs_(count) {}

  void await(std::vector<Deferred<T>>&& inputs) {
    if (inputs.empty()) this->finish();
    inputs_.await(std::move(inputs), *this);
  }

 private:
  void dispose() noexcept override { delete this; }
  void cancel_each() noexcept override { inputs_.cancel(); }
  Outcome<GatheredVector<T>> result() override {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      return inputs_.collect([](Outcome<T>& outcome) -> T&& { return std::move(outcome).value(); });
    }
  }

  InputArray<T, VectorGathering> inputs_;
};

template <class... Ts>
class TupleGathering final : public Gathering<std::tuple<Stored<Ts>...>> {
 public:
  TupleGathering(const GatherOptions& options, SourceLocation where)
      : Gathering<std::tuple<Stored<Ts>...>>(sizeof...(Ts), options, where) {}

  /// Each deferred has its own place.
  template <std::size_t... I>
  void await(std::index_sequence<I...>, Deferred<Ts>... inputs) {
    if constexpr (sizeof...(Ts) == 0) this->finish();
    (std::get<I>(inputs_).await(std::move(inputs), I, *this), ...);
  }

 private:
  void dispose() noexcept override { delete this; }
  void cancel_each() noexcept override {
    std::apply([](auto&... inputs) { (inputs.cancel(), ...); }, inputs_);
  }
  Outcome<std::tuple<Stored<Ts>...>> result() override {
    return std::apply(
        [](auto&... inputs) {
          return std::tuple<Stored<Ts>...>(std::move(*inputs.outcome()).value()...);
        },
        inputs_);
  }

  std::tuple<Input<Ts, TupleGathering>...> inputs_;
};

}  // namespace detail

/// All values in the order given, or FirstError. Cancelling it cancels them all.
/// A vector of Deferred<void> gives a Deferred<void>.
template <class T>
Deferred<detail::GatheredVector<T>> gather_results(
    std::vector<Deferred<T>> inputs, const GatherOptions& options = {},
    SourceLocation where = SourceLocation::current()) {
  const detail::Beginning<detail::VectorGathering<T>> gathering(inputs.size(), options, where);
  auto gathered = gathering->reader();
  gathering->await(std::move(inputs));
  return gathered;
}

/// All values as a tuple, or FirstError; a void counts as std::monostate.
template <class... Ts>
Deferred<std::tuple<detail::Stored<Ts>...>> gather_results(Deferred<Ts>... inputs) {
  const detail::Beginning<detail::TupleGathering<Ts...>> gathering(GatherOptions(),
                                                                   SourceLocation::current());
  auto gathered = gathering->reader();
  gathering->await(std::index_sequence_for<Ts...>(), std::move(inputs)...);
  return gathered;
}

}  // namespace weft
