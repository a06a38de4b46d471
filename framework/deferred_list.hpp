// Several results side by side, each with its own success or failure.
#pragma once

#include "deferred.hpp"
#include "detail/inputs.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace weft {

namespace detail {

template <class T>
class Listing final : public Combination<std::vector<Outcome<T>>> {
 public:
  Listing(std::size_t count, SourceLocation where)
      : Combination<std::vector<Outcome<T>>>(count, where), inputs_(count) {}

  void await(std::vector<Deferred<T>>&& inputs) {
    if (inputs.empty()) finish();
    inputs_.await(std::move(inputs), *this);
  }
  void arrived(std::size_t, Outcome<T>&) noexcept {
    if (this->counted_down()) finish();
  }

 private:
  void dispose() noexcept override { delete this; }
  void cancel_each() noexcept override { inputs_.cancel(); }
  void finish() noexcept {
    this->conclude([this] {
      return inputs_.collect(
          [](Outcome<T>& outcome) -> Outcome<T>&& { return std::move(outcome); });
    });
  }

  InputArray<T, Listing> inputs_;
};

}  // namespace detail

/// What became of each, in the order given, when all have ended. Never fails, unless it is
/// cancelled, which cancels them all.
template <class T>
Deferred<std::vector<Outcome<T>>> deferred_list(std::vector<Deferred<T>> inputs,
                                                SourceLocation where = SourceLocation::current()) {
  const detail::Beginning<detail::Listing<T>> listing(inputs.size(), where);
  auto listed = listing->reader();
  listing->await(std::move(inputs));
  return listed;
}

}  // namespace weft
