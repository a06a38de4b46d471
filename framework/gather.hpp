// Several results as one: all of them, or the first failure.
#pragma once

#include "deferred.hpp"
#include "detail/siblings.hpp"
#include "error.hpp"

#include <cstddef>
#include <memory>
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
template <class Result, class Self>
class Gathering : public std::enable_shared_from_this<Self> {
 public:
  Gathering(std::size_t count, const GatherOptions& options)
      : siblings(count), waiting_(count), cancel_rest_(options.cancel_rest) {}

  Deferred<Result> begin(SourceLocation where) {
    promise_.emplace(Callback([weak = this->weak_from_this()] {
                       if (const auto self = weak.lock()) self->cancel();
                     }),
                     where);
    return promise_->deferred();
  }
  template <class T>
  void arrived(std::size_t index, Outcome<T> outcome) {
    if (outcome) {
      static_cast<Self*>(this)->keep(index, std::move(outcome).value());
    } else if (!first_error_) {
      first_error_ =
          cancelled_ ? cancelled_failure() : Failure(FirstError(index, outcome.failure()));
      if (cancel_rest_) {
        siblings.cancel_all();
      } else if (!promise_->fired()) {
        promise_->errback(*first_error_);
      }
    }
    if (--waiting_ == 0) finish();
  }
  /// With nothing to wait for.
  void finish() {
    siblings.forget();
    if (promise_->fired()) return;
    if (first_error_) {
      promise_->errback(*first_error_);
    } else {
      promise_->fire(static_cast<Self*>(this)->result());
    }
  }

  Siblings siblings;

 private:
  void cancel() {
    cancelled_ = true;
    siblings.cancel_all();
  }

  std::optional<Promise<Result>> promise_;
  std::optional<Failure> first_error_;
  std::size_t waiting_;
  bool cancel_rest_;
  bool cancelled_ = false;
};

template <class T>
using GatheredVector = std::conditional_t<std::is_void_v<T>, void, std::vector<Stored<T>>>;

template <class T>
class VectorGathering final : public Gathering<GatheredVector<T>, VectorGathering<T>> {
 public:
  VectorGathering(std::size_t count, const GatherOptions& options)
      : Gathering<GatheredVector<T>, VectorGathering<T>>(count, options) {
    if constexpr (!std::is_void_v<T>) values_.resize(count);
  }
  void keep(std::size_t index, Stored<T>&& value) {
    if constexpr (!std::is_void_v<T>) values_[index].emplace(std::move(value));
  }
  Outcome<GatheredVector<T>> result() {
    if constexpr (std::is_void_v<T>) {
      return {};
    } else {
      std::vector<T> values;
      values.reserve(values_.size());
      for (auto& value : values_)
        values.push_back(std::move(*value));
      return values;
    }
  }

 private:
  std::vector<std::optional<Stored<T>>> values_;
};

template <class... Ts>
class TupleGathering final : public Gathering<std::tuple<Stored<Ts>...>, TupleGathering<Ts...>> {
 public:
  explicit TupleGathering(const GatherOptions& options)
      : Gathering<std::tuple<Stored<Ts>...>, TupleGathering<Ts...>>(sizeof...(Ts), options) {}

  /// Feeds each deferred into its own place.
  template <std::size_t... I>
  void feed_all(std::index_sequence<I...>, Deferred<Ts>... inputs) {
    const auto self = this->shared_from_this();
    (this->siblings.feed(I, std::move(inputs).add_callback([self](auto&&... value) {
      std::get<I>(self->values_).emplace(std::forward<decltype(value)>(value)...);
    }),
                         self),
     ...);
  }
  void keep(std::size_t, std::monostate) {}
  Outcome<std::tuple<Stored<Ts>...>> result() {
    return std::apply(
        [](auto&... values) { return std::tuple<Stored<Ts>...>(std::move(*values)...); }, values_);
  }

 private:
  std::tuple<std::optional<Stored<Ts>>...> values_;
};

}  // namespace detail

/// All values in the order given, or FirstError. Cancelling it cancels them all.
/// A vector of Deferred<void> gives a Deferred<void>.
template <class T>
Deferred<detail::GatheredVector<T>> gather_results(
    std::vector<Deferred<T>> inputs, const GatherOptions& options = {},
    SourceLocation where = SourceLocation::current()) {
  const auto state = std::make_shared<detail::VectorGathering<T>>(inputs.size(), options);
  auto gathered = state->begin(where);
  if (inputs.empty()) state->finish();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    state->siblings.feed(i, std::move(inputs[i]), state);
  }
  return gathered;
}

/// All values as a tuple, or FirstError; a void counts as std::monostate.
template <class... Ts>
Deferred<std::tuple<detail::Stored<Ts>...>> gather_results(Deferred<Ts>... inputs) {
  const auto state = std::make_shared<detail::TupleGathering<Ts...>>(GatherOptions());
  auto gathered = state->begin(SourceLocation::current());
  if constexpr (sizeof...(Ts) == 0) state->finish();
  state->feed_all(std::index_sequence_for<Ts...>(), std::move(inputs)...);
  return gathered;
}

}  // namespace weft
