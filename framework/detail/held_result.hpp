// What a Deferred holds: nothing, a result that is there, or the cell where it will be.
#pragma once

#include "cell.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace weft::detail {

/// Like a std::variant, which costs each stage as much again. The reference to the cell is its
/// holder's to give back.
template <class T>
class HeldResult {
 public:
  HeldResult() noexcept {}
  explicit HeldResult(Outcome<T>&& outcome) noexcept
      : outcome_(std::move(outcome)), kind_(Kind::outcome) {}
  explicit HeldResult(Cell<T>* cell) noexcept : cell_(cell), kind_(Kind::cell) {}
  HeldResult(HeldResult&& other) noexcept { take(other); }
  HeldResult& operator=(HeldResult&& other) noexcept {
    if (this != &other) {
      clear();
      take(other);
    }
    return *this;
  }
  HeldResult(const HeldResult&) = delete;
  HeldResult& operator=(const HeldResult&) = delete;
  ~HeldResult() { clear(); }

  [[nodiscard]] bool empty() const noexcept { return kind_ == Kind::nothing; }
  /// The result, or null.
  [[nodiscard]] Outcome<T>* outcome() noexcept {
    return kind_ == Kind::outcome ? &outcome_ : nullptr;
  }
  [[nodiscard]] const Outcome<T>* outcome() const noexcept {
    return kind_ == Kind::outcome ? &outcome_ : nullptr;
  }
  /// The cell, or null.
  [[nodiscard]] Cell<T>* cell() const noexcept { return kind_ == Kind::cell ? cell_ : nullptr; }

  void clear() noexcept {
    if (std::exchange(kind_, Kind::nothing) == Kind::outcome) std::destroy_at(&outcome_);
  }

 private:
  enum class Kind : std::uint8_t { nothing, outcome, cell };

  void take(HeldResult& other) noexcept {
    if (other.kind_ == Kind::outcome) {
      std::construct_at(&outcome_, std::move(other.outcome_));
    } else if (other.kind_ == Kind::cell) {
      cell_ = other.cell_;
    }
    kind_ = other.kind_;
    other.clear();
  }

  union {
    Outcome<T> outcome_;
    Cell<T>* cell_;
  };
  Kind kind_ = Kind::nothing;
};

}  // namespace weft::detail
