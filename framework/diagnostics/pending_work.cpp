#include "pending_work.hpp"

#include "../detail/names.hpp"

#include <cstddef>
#include <map>
#include <utility>

namespace weft {

namespace {

// More of one kind and place are only counted.
constexpr std::size_t max_named = 3;

std::string line_of(const std::string& kind, const std::string& place,
                    const std::vector<const PendingWork*>& group) {
  std::string line = std::to_string(group.size()) + ' ' + kind;
  if (group.size() > 1) line += kind.back() == 's' || kind.ends_with("ch") ? "es" : "s";
  if (!place.empty()) line += ", asked for at " + place;
  line += ": ";
  for (std::size_t i = 0; i < group.size() && i < max_named; ++i)
    line += (i > 0 ? ", " : "") + group[i]->subject;
  if (group.size() > max_named) {
    line += ", and " + std::to_string(group.size() - max_named) + " more";
  }
  return line + '\n';
}

}  // namespace

std::string report_pending(const std::vector<PendingWork>& pending) {
  std::map<std::pair<std::string, std::string>, std::vector<const PendingWork*>> groups;
  for (const auto& work : pending)
    groups[{work.kind, detail::place_text(work.where)}].push_back(&work);
  if (groups.empty()) return "Nothing keeps this loop busy.\n";
  std::string report;
  for (const auto& [name, group] : groups)
    report += line_of(name.first, name.second, group);
  return report;
}

}  // namespace weft
