// Several results side by side, each with its own success or failure.
#pragma once

#include "deferred.hpp"
#include "detail/siblings.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

template <class T>
class Listing : public std::enable_shared_from_this<Listing<T>> {
 public:
  explicit Listing(std::size_t count) : siblings(count), outcomes_(count), waiting_(count) {}

  Deferred<std::vector<Outcome<T>>> begin(SourceLocation where) {
    promise_.emplace(Callback([weak = this->weak_from_this()] {
                       if (const auto self = weak.lock()) self->siblings.cancel_all();
                     }),
                     where);
    return promise_->deferred();
  }
  void arrived(std::size_t index, Outcome<T> outcome) {
    outcomes_[index].emplace(std::move(outcome));
    if (--waiting_ == 0) finish();
  }
  void finish() {
    siblings.forget();
    if (promise_->fired()) return;
    std::vector<Outcome<T>> outcomes;
    outcomes.reserve(outcomes_.size());
    for (auto& outcome : outcomes_)
      outcomes.push_back(std::move(*outcome));
    promise_->callback(std::move(outcomes));
  }

  Siblings siblings;

 private:
  std::optional<Promise<std::vector<Outcome<T>>>> promise_;
  std::vector<std::optional<Outcome<T>>> outcomes_;
  std::size_t waiting_;
};

}  // namespace detail

/// What became of each, in the order given, when all have ended. Never fails, unless it is
/// cancelled, which cancels them all.
template <class T>
Deferred<std::vector<Outcome<T>>> deferred_list(std::vector<Deferred<T>> inputs,
                                                SourceLocation where = SourceLocation::current()) {
  const auto state = std::make_shared<detail::Listing<T>>(inputs.size());
  auto listed = state->begin(where);
  if (inputs.empty()) state->finish();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    state->siblings.feed(i, std::move(inputs[i]), state);
  }
  return listed;
}

}  // namespace weft
