// A result that is there: a value, or the failure that came instead.
#pragma once

#include "failure.hpp"

#include <type_traits>
#include <utility>
#include <variant>

namespace weft {

namespace detail {

template <class T>
using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

}  // namespace detail

/// Either the value of an operation or the Failure that it ended with.
template <class T>
class [[nodiscard]] Outcome {
 public:
  using Value = detail::Stored<T>;

  Outcome() requires std::is_void_v<T>
  = default;
  template <class V = Value>
  requires(!std::is_void_v<T> && std::is_convertible_v<V, Value> &&
           !std::is_same_v<std::remove_cvref_t<V>, Outcome> &&
           !std::is_same_v<std::remove_cvref_t<V>, Failure>) Outcome(V&& value)
      : held_(std::in_place_index<0>, std::forward<V>(value)) {}
  Outcome(Failure failure) noexcept : held_(std::in_place_index<1>, std::move(failure)) {}

  [[nodiscard]] bool succeeded() const noexcept { return held_.index() == 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return succeeded(); }

  /// The value. Errors: what it failed with, thrown with its own type.
  [[nodiscard]] Value& value() & {
    raise_if_failed();
    return *std::get_if<0>(&held_);
  }
  [[nodiscard]] const Value& value() const& {
    raise_if_failed();
    return *std::get_if<0>(&held_);
  }
  [[nodiscard]] Value&& value() && {
    raise_if_failed();
    return std::move(*std::get_if<0>(&held_));
  }
  /// The failure; only where it did not succeed.
  [[nodiscard]] const Failure& failure() const { return std::get<1>(held_); }

 private:
  void raise_if_failed() const {
    if (const auto* failure = std::get_if<1>(&held_)) failure->raise();
  }

  std::variant<Value, Failure> held_;
};

}  // namespace weft
