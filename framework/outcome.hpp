// A result that is there: a value, or the failure that came instead.
#pragma once

#include "failure.hpp"

#include <cstring>
#include <memory>
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

  Outcome() noexcept requires std::is_void_v<T> : failure_(nullptr), value_() {}
  template <class V = Value>
  requires(!std::is_void_v<T> && std::is_convertible_v<V, Value> &&
           !std::is_same_v<std::remove_cvref_t<V>, Outcome> &&
           !std::is_same_v<std::remove_cvref_t<V>, Failure>) Outcome(V&& value)
      : failure_(nullptr), value_(std::forward<V>(value)) {}
  /// Errors: none, but a failure that was moved from becomes one that says so.
  Outcome(Failure failure) noexcept
      : failure_(failure.held_ != nullptr ? std::move(failure) : detail::moved_from_failure()) {
    if constexpr (is_plain && !std::is_empty_v<Value>) {
      std::memset(static_cast<void*>(&value_), 0, sizeof(Value));
    }
  }

  Outcome(Outcome&& other) noexcept : failure_(move_failure(other.failure_)) {
    static_assert(std::is_nothrow_move_constructible_v<Value>,
                  "a deferred's value must be movable without an exception");
    if constexpr (is_plain && !std::is_empty_v<Value>) {
      std::memcpy(static_cast<void*>(&value_), &other.value_, sizeof(Value));
    } else if (succeeded()) {
      std::construct_at(&value_, std::move(other.value_));
    }
  }
  Outcome(const Outcome& other) requires std::is_copy_constructible_v<Value>
      : failure_(other.failure_) {
    if (succeeded()) std::construct_at(&value_, other.value_);
  }
  Outcome& operator=(Outcome&& other) noexcept {
    // Taken out first: it may be part of what it replaces, or this itself.
    Outcome taken(std::move(other));
    std::destroy_at(this);
    std::construct_at(this, std::move(taken));
    return *this;
  }
  Outcome& operator=(const Outcome& other) requires std::is_copy_constructible_v<Value> {
    return *this = Outcome(other);
  }
  ~Outcome() {
    if (succeeded()) std::destroy_at(&value_);
  }

  [[nodiscard]] bool succeeded() const noexcept { return failure_.held_ == nullptr; }
  [[nodiscard]] explicit operator bool() const noexcept { return succeeded(); }

  /// The value. Errors: what it failed with, thrown with its own type.
  [[nodiscard]] Value& value() & {
    raise_if_failed();
    return value_;
  }
  [[nodiscard]] const Value& value() const& {
    raise_if_failed();
    return value_;
  }
  [[nodiscard]] Value&& value() && {
    raise_if_failed();
    return std::move(value_);
  }
  /// The failure; only where it did not succeed. Errors: InvalidArgument where it did.
  [[nodiscard]] const Failure& failure() const {
    if (succeeded()) detail::refuse_no_failure();
    return failure_;
  }

 private:
  // Moved as bytes, so that a stage of a chain has no branches for it.
  static constexpr bool is_plain = std::is_trivially_copyable_v<Value>;

  // What has no value must stay failed where the value would be destroyed.
  static Failure move_failure(Failure& other) noexcept {
    if constexpr (is_plain) {
      return std::move(other);
    } else {
      return other;
    }
  }
  void raise_if_failed() const {
    if (!succeeded()) failure_.raise();
  }

  // Empty where there is a value.
  Failure failure_;
  union {
    Value value_;
  };
};

}  // namespace weft
