#include "system_events.hpp"

#include "../deferred_list.hpp"
#include "../logging.hpp"
#include "../turn.hpp"

#include <algorithm>
#include <utility>

namespace weft::detail {

TriggerId SystemEvents::add(Phase phase, SystemEvent event, Trigger trigger) {
  const auto id = next_id_++;
  entries(phase, event).push_back({id, std::move(trigger), HeldContext::capture()});
  return TriggerId(id);
}

bool SystemEvents::remove(TriggerId id) noexcept {
  for (auto& list : entries_) {
    const auto found = std::find_if(list.begin(), list.end(),
                                    [id](const Entry& entry) { return TriggerId(entry.id) == id; });
    if (found == list.end()) continue;
    list.erase(found);
    return true;
  }
  return false;
}

Deferred<void> SystemEvents::fire(Turn& turn, Phase phase, SystemEvent event) {
  std::vector<Deferred<void>> results;
  auto& list = entries(phase, event);
  while (!list.empty()) {
    auto entry = std::move(list.front());
    list.erase(list.begin());
    turn.enter_logged_in(entry.context, "A system event trigger threw", [&] {
      results.push_back(entry.trigger().add_errback([](const Failure& failure) {
        log_failure("reactor", "A system event trigger failed", failure);
      }));
    });
  }
  return deferred_list(std::move(results)).add_callback([](const std::vector<Outcome<void>>&) {});
}

}  // namespace weft::detail
