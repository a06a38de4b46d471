#include "manual_clock.hpp"

#include "../framework/error.hpp"
#include "../framework/turn.hpp"

#include <stdexcept>

namespace weft::testing {

namespace {

constexpr int max_rounds_at_rest = 100'000;

}  // namespace

ManualClock::ManualClock() = default;

ManualClock::~ManualClock() {
  turn().end_participants();
}

void ManualClock::settle() {
  const Turn::Activation activation(turn());
  for (int round = 0; round < max_rounds_at_rest; ++round) {
    const bool woken = turn().wake_waiting();
    const bool called = run_due(now_) > 0;
    if (!woken && !called && !turn().has_waiting()) return;
  }
  throw std::logic_error("The clock does not come to rest: something wakes itself for ever.");
}

void ManualClock::advance(Duration by) {
  if (by < Duration::zero()) {
    throw InvalidArgument("Time was advanced by less than nothing; it only goes on.");
  }
  const auto end = now_ + by;
  settle();
  for (auto due = next_due(); due && *due <= end; due = next_due()) {
    now_ = std::max(now_, *due);
    settle();
  }
  now_ = end;
  settle();
}

}  // namespace weft::testing
