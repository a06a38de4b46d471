// The inputs of a combinator: fed into one place, and cancelled together.
#pragma once

#include "../deferred.hpp"

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace weft::detail {

/// Feeds deferreds into a state that has `arrived(index, Outcome<T>)`, and can cancel them.
class Siblings {
 public:
  explicit Siblings(std::size_t count) { cancellers_.reserve(count); }

  template <class T, class State>
  void feed(std::size_t index, Deferred<T> input, const std::shared_ptr<State>& state) {
    auto fed = std::move(input).add_both(
        [state, index](Outcome<T> outcome) { state->arrived(index, std::move(outcome)); });
    if (fed.ready()) return;
    auto canceller = fed.canceller();
    if (cancelled_) {
      canceller.cancel();
    } else {
      cancellers_.push_back(std::move(canceller));
    }
  }
  void cancel_all() noexcept {
    cancelled_ = true;
    // Cancelling may end the combinator, and so this list.
    for (auto& canceller : std::exchange(cancellers_, {}))
      canceller.cancel();
  }
  void forget() noexcept { cancellers_.clear(); }

 private:
  std::vector<Canceller> cancellers_;
  bool cancelled_ = false;
};

}  // namespace weft::detail
