// The triggers of startup and shutdown, called phase by phase.
#pragma once

#include "../reactor.hpp"
#include "held_context.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace weft::detail {

class SystemEvents {
 public:
  using Trigger = UniqueFunction<Deferred<void>()>;

  TriggerId add(Phase phase, SystemEvent event, Trigger trigger);
  bool remove(TriggerId id) noexcept;
  /// Calls the triggers of a phase, and those added to it meanwhile, each once; fires when all that
  /// they returned has ended. What throws or fails is logged, and the rest is called.
  Deferred<void> fire(Turn& turn, Phase phase, SystemEvent event);

 private:
  struct Entry {
    std::uint64_t id;
    Trigger trigger;
    HeldContext context;
  };
  static constexpr std::size_t phases = 3;
  std::vector<Entry>& entries(Phase phase, SystemEvent event) noexcept {
    return entries_[static_cast<std::size_t>(event) * phases + static_cast<std::size_t>(phase)];
  }

  std::array<std::vector<Entry>, 2 * phases> entries_;
  std::uint64_t next_id_ = 1;
};

}  // namespace weft::detail
