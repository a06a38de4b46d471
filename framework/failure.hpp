// An error as a value: it travels, is asked for its type without a throw, and is thrown only on
// demand.
#pragma once

#include "source_location.hpp"

#include <concepts>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace weft {

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
  struct Held;
  template <class E>
  struct HeldValue;
  struct HeldThrown;
  explicit Failure(std::shared_ptr<const Held> held) noexcept : held_(std::move(held)) {}

  std::shared_ptr<const Held> held_;
};

/// A Failure of an E made from `args`.
template <class E, class... Args>
[[nodiscard]] Failure make_failure(Args&&... args) {
  return Failure(E(std::forward<Args>(args)...));
}

struct Failure::Held {
  explicit Held(SourceLocation made) noexcept : where(made) {}
  virtual ~Held();
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  [[nodiscard]] virtual const std::exception& error() const noexcept = 0;
  [[nodiscard]] virtual std::exception_ptr pointer() const noexcept = 0;
  SourceLocation where;
};

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
    : held_(std::make_shared<const HeldValue<E>>(std::move(error), where)) {}

}  // namespace weft
