// An error as a value: it travels, is asked for its type without a throw, and is thrown only on
// demand.
#pragma once

#include "source_location.hpp"

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft {

template <class T>
class Outcome;

/// An exception that was not thrown, or was caught. Never empty; copies share it.
/// Thread: copies may live in different threads.
class Failure {
 public:
  /// `error` itself, without throwing it.
  template <class E>
  requires std::derived_from<E, std::exception>
  explicit Failure(E error, SourceLocation where = SourceLocation::current());
  /// What somebody threw; null counts as an unknown error.
  explicit Failure(const std::exception_ptr& thrown, SourceLocation where = {}) noexcept;
  Failure(const Failure& other) noexcept : held_(other.held_) {
    if (held_ != nullptr) held_->references.fetch_add(1, std::memory_order_relaxed);
  }
  Failure(Failure&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  Failure& operator=(Failure other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  ~Failure() {
    if (held_ != nullptr) let_go();
  }
  /// The exception that is being handled. Without memory it is a Failure of std::bad_alloc.
  [[nodiscard]] static Failure current(SourceLocation where = {}) noexcept;

  /// The error when it is an E or derives from it, else null. Never throws.
  template <class E>
  [[nodiscard]] const E* check() const noexcept {
    return dynamic_cast<const E*>(&error());
  }
  /// The error as its base. What was thrown and is no std::exception is one that says so.
  [[nodiscard]] const std::exception& error() const noexcept;
  /// Throws the error with its own type.
  [[noreturn]] void raise() const;
  [[nodiscard]] std::exception_ptr exception() const noexcept;

  [[nodiscard]] std::string message() const;
  /// The name of its type as written in C++: "weft::ConnectionDone".
  [[nodiscard]] std::string type_name() const;
  /// Where this Failure was made from a value, or where the callback of a deferred was added that
  /// threw it; without a file name when it was caught elsewhere.
  [[nodiscard]] SourceLocation where() const noexcept;

 private:
  template <class T>
  friend class Outcome;
  struct Held {
    explicit Held(SourceLocation made) noexcept : where(made) {}
    virtual ~Held();
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    [[nodiscard]] virtual const std::exception& error() const noexcept = 0;
    [[nodiscard]] virtual std::exception_ptr pointer() const noexcept = 0;
    SourceLocation where;
    // How many Failures share it.
    mutable std::atomic<std::uint32_t> references{1};
  };
  template <class E>
  struct HeldValue;
  struct HeldThrown;
  /// Takes over a reference; null for the failure that an outcome does not have.
  explicit Failure(const Held* held) noexcept : held_(held) {}
  explicit Failure(std::nullptr_t) noexcept : held_(nullptr) {}
  void let_go() noexcept;

  const Held* held_;
};

namespace detail {

/// Somebody asked an outcome that succeeded for its failure.
[[noreturn]] void refuse_no_failure();
/// What an outcome fails with that was given a failure which had been moved from.
[[nodiscard]] Failure moved_from_failure() noexcept;

}  // namespace detail

/// A Failure of an E made from `args`.
template <class E, class... Args>
[[nodiscard]] Failure make_failure(Args&&... args) {
  return Failure(E(std::forward<Args>(args)...));
}

template <class E>
struct Failure::HeldValue final : Held {
  HeldValue(E value, SourceLocation made) : Held(made), error_value(std::move(value)) {}
  [[nodiscard]] const std::exception& error() const noexcept override { return error_value; }
  [[nodiscard]] std::exception_ptr pointer() const noexcept override {
    return std::make_exception_ptr(error_value);
  }
  E error_value;
};

template <class E>
requires std::derived_from<E, std::exception> Failure::Failure(E error, SourceLocation where)
    : held_(new HeldValue<E>(std::move(error), where)) {}

}  // namespace weft
