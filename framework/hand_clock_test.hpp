// A clock that a test moves by hand; the test kit has a richer one for users.
#pragma once

#include "clock.hpp"
#include "turn.hpp"

namespace weft {

class HandClock final : public Clock {
 public:
  ~HandClock() override { turn().end_participants(); }
  [[nodiscard]] TimePoint now() const override { return now_; }
  void advance(Duration by) {
    now_ += by;
    run_due(now_);
    come_round();
  }
  void come_round() {
    while (turn().has_waiting())
      turn().wake_waiting();
  }

 private:
  TimePoint now_{};
};

}  // namespace weft
