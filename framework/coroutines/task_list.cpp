#include "task_list.hpp"

#include "../detail/names.hpp"
#include "../reactor.hpp"
#include "../turn.hpp"
#include "detail/task_run.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace weft {

namespace {

using detail::CellBase;
using detail::TaskFrame;
using detail::TaskRun;

constexpr std::size_t max_indentation = 40;

// Writes runs one below the other, each before the runs that it awaits.
class Listing {
 public:
  explicit Listing(const Turn& turn) {
    auto listed = TaskRun::listed(turn);
    std::reverse(listed.begin(), listed.end());
    for (const auto* run : listed)
      runs_.push_back({run, {}});
    std::unordered_map<const CellBase*, std::size_t> index;
    for (std::size_t i = 0; i < runs_.size(); ++i)
      index.emplace(&runs_[i].run->cell(), i);
    for (std::size_t i = 0; i < runs_.size(); ++i)
      find_awaited(i, index);
  }

  std::vector<TaskInfo> write() {
    // By hand, since tasks may await each other deeper than the stack is.
    std::vector<std::pair<std::size_t, std::optional<std::size_t>>> to_write;
    for (auto i = runs_.size(); i-- > 0;) {
      if (!runs_[i].is_awaited) to_write.emplace_back(i, std::nullopt);
    }
    while (!to_write.empty()) {
      const auto [run, awaited_by] = to_write.back();
      to_write.pop_back();
      write_run(*runs_[run].run, runs_[run].awaits.has_value(), awaited_by);
      if (runs_[run].awaits) to_write.emplace_back(*runs_[run].awaits, list_.size() - 1);
    }
    return std::move(list_);
  }

 private:
  struct Entry {
    const TaskRun* run;
    std::optional<std::size_t> awaits;
    bool is_awaited = false;
  };

  void find_awaited(std::size_t i, const std::unordered_map<const CellBase*, std::size_t>& index) {
    const auto* cell = runs_[i].run->cell().source();
    for (; cell != nullptr; cell = cell->source()) {
      const auto found = index.find(cell);
      if (found == index.end()) continue;
      runs_[i].awaits = found->second;
      runs_[found->second].is_awaited = true;
      return;
    }
  }

  void write_run(const TaskRun& run, bool awaits_run, std::optional<std::size_t> awaited_by) {
    std::vector<const TaskFrame*> frames;
    for (const auto* frame = &run.innermost(); frame != nullptr; frame = frame->awaiter()) {
      if (!frame->hidden()) frames.push_back(frame);
    }
    for (auto left = frames.size(); left-- > 0;) {
      const auto& frame = *frames[left];
      TaskInfo info;
      info.name = name_of(frame);
      info.made = frame.made();
      info.awaits_at = frame.awaits_at();
      if (left > 0 || awaits_run) {
        info.waits_for = "a task";
      } else if (!run.running() && run.cell().source() != nullptr) {
        info.waits_for = "a deferred made at " + detail::place_text(origin_of(run).where());
      }
      info.depth = awaited_by ? list_[*awaited_by].depth + 1 : 0;
      info.awaited_by = awaited_by;
      list_.push_back(std::move(info));
      awaited_by = list_.size() - 1;
    }
  }

  static const CellBase& origin_of(const TaskRun& run) {
    const CellBase* origin = run.cell().source();
    while (origin->source() != nullptr)
      origin = origin->source();
    return *origin;
  }

  std::vector<Entry> runs_;
  std::vector<TaskInfo> list_;
};

}  // namespace

std::vector<TaskInfo> tasks(Reactor& reactor) {
  return Listing(reactor.turn()).write();
}

std::string dump_tasks(Reactor& reactor) {
  const auto list = tasks(reactor);
  std::string text;
  for (const auto& task : list) {
    // Else it would grow with the square of the depth.
    text.append(std::min(2 * task.depth, max_indentation), ' ');
    if (2 * task.depth > max_indentation) text += "(" + std::to_string(task.depth) + ") ";
    text += task.name;
    if (*task.awaits_at.file_name() != '\0') text += " at " + detail::place_text(task.awaits_at);
    text += task.waits_for.empty() ? ", running" : ", waits for " + task.waits_for;
    text += '\n';
  }
  return text;
}

}  // namespace weft
