// The first of several operations to succeed.
#pragma once

#include "deferred.hpp"
#include "detail/inputs.hpp"
#include "error.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace weft {

/// Who won a race, and with what.
template <class T>
struct Raced {
  std::size_t index = 0;
  detail::Stored<T> value;
};

/// None of several operations succeeded.
class AllFailed : public Error {
 public:
  explicit AllFailed(std::vector<Failure> failures);
  /// What each failed with, in the order given to `race`.
  [[nodiscard]] const std::vector<Failure>& failures() const noexcept { return failures_; }

 private:
  std::vector<Failure> failures_;
};

namespace detail {

template <class T>
class Racing final : public Combination<Raced<T>> {
 public:
  Racing(std::size_t count, SourceLocation where)
      : Combination<Raced<T>>(count, where), inputs_(count) {}

  void await(std::vector<Deferred<T>>&& inputs) {
    if (inputs.empty()) lose();
    inputs_.await(std::move(inputs), *this);
  }
  void arrived(std::size_t index, Outcome<T>& outcome) noexcept {
    const bool last = this->counted_down();
    if (won_ || this->has_fired()) return;
    if (outcome) {
      won_ = true;
      this->cancel_inputs();
      this->conclude([&] { return Raced<T>{index, std::move(outcome).value()}; });
    } else if (last) {
      lose();
    }
  }

 private:
  void dispose() noexcept override { delete this; }
  void cancel_each() noexcept override { inputs_.cancel(); }
  void lose() noexcept {
    this->conclude([this] {
      if (this->cancelled_by_reader()) return cancelled_failure();
      return Failure(
          AllFailed(inputs_.collect([](const Outcome<T>& outcome) { return outcome.failure(); })));
    });
  }

  InputArray<T, Racing> inputs_;
  bool won_ = false;
};

}  // namespace detail

/// The first success; the others are cancelled, and what they still give is dropped. AllFailed when
/// there is none.
template <class T>
Deferred<Raced<T>> race(std::vector<Deferred<T>> inputs,
                        SourceLocation where = SourceLocation::current()) {
  const detail::Beginning<detail::Racing<T>> racing(inputs.size(), where);
  auto raced = racing->reader();
  racing->await(std::move(inputs));
  return raced;
}

}  // namespace weft
