// The machinery below gather_results, deferred_list and race: several results that become one.
#pragma once

#include "../deferred.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weft::detail {

/// One of the results that a combination waits for. It lies inside the combination, which it keeps
/// alive until its result has come, and which has `arrived(index, Outcome<T>&)`.
template <class T, class State>
class Input final : public CellBase {
 public:
  Input() noexcept : CellBase(SourceLocation()) {}

  /// Errors: AlreadyCalledError when `result` was consumed.
  void await(Deferred<T> result, std::size_t index, State& state) {
    index_ = index;
    state_ = &state;
    result.settle();
    if (auto* const outcome = result.held_.outcome()) {
      outcome_.emplace(std::move(*outcome));
      result.held_.clear();
      state.arrived(index, *outcome_);
      return;
    }
    if (result.held_.empty()) refuse_consumed();
    state.retain();
    result.feed(*this);
    // What it waits for alone knows it from now on.
    this->release();
    if (state.cancels_inputs()) this->cancel();
  }
  /// Empty until it has come.
  [[nodiscard]] std::optional<Outcome<T>>& outcome() noexcept { return outcome_; }

 private:
  void advance(CellBase& source) noexcept override {
    outcome_.emplace(static_cast<Cell<T>&>(source).take());
    state_->arrived(index_, *outcome_);
  }
  void dispose() noexcept override { state_->release(); }
  [[nodiscard]] const Failure* failure() const noexcept override { return nullptr; }

  State* state_ = nullptr;
  std::size_t index_ = 0;
  std::optional<Outcome<T>> outcome_;
};

/// The cell of what several results become. It counts them, and cancels them together.
template <class Result>
class Combination : public SourceCell<Result> {
 public:
  [[nodiscard]] Deferred<Result> reader() noexcept {
    this->retain();
    return Deferred<Result>(static_cast<Cell<Result>*>(this));
  }
  /// Whether an input that is yet to come is cancelled as it comes.
  [[nodiscard]] bool cancels_inputs() const noexcept { return cancels_inputs_; }

 protected:
  Combination(std::size_t count, SourceLocation where) noexcept
      : SourceCell<Result>(where), waiting_(count) {}
  ~Combination() = default;

  /// One more has arrived: true when it was the last.
  [[nodiscard]] bool counted_down() noexcept { return --waiting_ == 0; }
  [[nodiscard]] bool cancelled_by_reader() const noexcept { return cancelled_; }
  void cancel_inputs() noexcept {
    cancels_inputs_ = true;
    cancel_each();
  }
  /// Fires what `make` gives, or throws, unless it has fired.
  template <class Make>
  void conclude(Make&& make) noexcept {
    if (this->has_fired()) return;
    try {
      this->fire(Outcome<Result>(make()));
    } catch (...) {
      this->fire(Failure::current());
    }
  }

 private:
  /// Cancels every input; those that have come do not mind.
  virtual void cancel_each() noexcept = 0;
  void stop_operation() noexcept final {
    cancelled_ = true;
    cancel_inputs();
  }

  std::size_t waiting_;
  bool cancelled_ = false;
  bool cancels_inputs_ = false;
};

/// Inputs of one type, in one piece of memory.
template <class T, class State>
class InputArray {
 public:
  explicit InputArray(std::size_t count)
      : inputs_(std::make_unique<Input<T, State>[]>(count)), count_(count) {}

  void await(std::vector<Deferred<T>>&& results, State& state) {
    for (std::size_t i = 0; i < count_; ++i)
      inputs_[i].await(std::move(results[i]), i, state);
  }
  void cancel() noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      inputs_[i].cancel();
  }
  /// What `part` gives for the outcome of each, all of which have come.
  template <class Part>
  [[nodiscard]] auto collect(Part&& part) {
    std::vector<std::remove_cvref_t<decltype(part(*inputs_[0].outcome()))>> parts;
    parts.reserve(count_);
    for (std::size_t i = 0; i < count_; ++i)
      parts.push_back(part(*inputs_[i].outcome()));
    return parts;
  }

 private:
  std::unique_ptr<Input<T, State>[]> inputs_;
  std::size_t count_;
};

/// Keeps a combination while its inputs are handed to it.
template <class State>
class Beginning {
 public:
  template <class... Args>
  explicit Beginning(Args&&... args) : state_(new State(std::forward<Args>(args)...)) {}
  ~Beginning() { state_->release(); }
  Beginning(const Beginning&) = delete;
  Beginning& operator=(const Beginning&) = delete;
  State* operator->() const noexcept { return state_; }

 private:
  State* state_;
};

}  // namespace weft::detail
