// The first of several operations to succeed.
#pragma once

#include "deferred.hpp"
#include "detail/siblings.hpp"
#include "error.hpp"

#include <cstddef>
#include <memory>
#include <optional>
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
class Racing : public std::enable_shared_from_this<Racing<T>> {
 public:
  explicit Racing(std::size_t count) : siblings(count), failures_(count), waiting_(count) {}

  Deferred<Raced<T>> begin(SourceLocation where) {
    promise_.emplace(Callback([weak = this->weak_from_this()] {
                       if (const auto self = weak.lock()) self->cancel();
                     }),
                     where);
    return promise_->deferred();
  }
  void arrived(std::size_t index, Outcome<T> outcome) {
    --waiting_;
    if (won_ || promise_->fired()) return;
    if (outcome) {
      won_ = true;
      siblings.cancel_all();
      promise_->callback(Raced<T>{index, std::move(outcome).value()});
      return;
    }
    failures_[index] = outcome.failure();
    if (waiting_ == 0) lose();
  }
  void lose() {
    siblings.forget();
    if (cancelled_) return promise_->errback(cancelled_failure());
    std::vector<Failure> failures;
    failures.reserve(failures_.size());
    for (auto& failure : failures_)
      failures.push_back(*failure);
    promise_->errback(Failure(AllFailed(std::move(failures))));
  }

  Siblings siblings;

 private:
  void cancel() {
    cancelled_ = true;
    siblings.cancel_all();
  }

  std::optional<Promise<Raced<T>>> promise_;
  std::vector<std::optional<Failure>> failures_;
  std::size_t waiting_;
  bool won_ = false;
  bool cancelled_ = false;
};

}  // namespace detail

/// The first success; the others are cancelled, and what they still give is dropped. AllFailed when
/// there is none.
template <class T>
Deferred<Raced<T>> race(std::vector<Deferred<T>> inputs,
                        SourceLocation where = SourceLocation::current()) {
  const auto state = std::make_shared<detail::Racing<T>>(inputs.size());
  auto raced = state->begin(where);
  if (inputs.empty()) state->lose();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    state->siblings.feed(i, std::move(inputs[i]), state);
  }
  return raced;
}

}  // namespace weft
