#include "task_group.hpp"

#include "../census.hpp"
#include "../logging.hpp"

#include <string_view>

namespace weft {

namespace {

std::string told(const std::vector<Failure>& failures) {
  std::string text = std::to_string(failures.size()) + " children of a group failed:";
  for (const auto& failure : failures)
    text += " " + failure.type_name() + ": " + failure.message();
  return text;
}

void log_failed_child(std::string_view what, const std::string& name,
                      const Failure& failure) noexcept {
  census().unhandled_failures.fetch_add(1, std::memory_order_relaxed);
  try {
    log_failure("task",
                "A child " + std::string(what) + " failed" + (name.empty() ? "" : ": " + name),
                failure);
  } catch (...) {
    log_failure("task", "A child of a group failed", failure);
  }
}

}  // namespace

GroupError::GroupError(std::vector<Failure> failures)
    : Error(told(failures)), failures_(std::move(failures)) {}

TaskGroup::~TaskGroup() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  cancelling_now_ = false;
  cancel_children();
  // No result comes from these any more, so that nobody else removes them.
  while (!children_.empty()) {
    Children last;
    last.splice(last.begin(), children_, children_.begin());
    // It may end by that, and then removes itself from here.
    last.front().home = &last;
    if (!last.front().deferred) continue;
    auto deferred = *std::move(last.front().deferred);
    deferred.abandon();
  }
  for (auto& join : std::exchange(joins_, {})) {
    if (join.promise->fired()) continue;
    // Fired in any case, so that its canceller, which knows this group, goes.
    join.promise->wanted()
        ? join.promise->errback(Failure(GroupClosed("The group was destroyed; join it before.")))
        : join.promise->callback();
  }
  for (const auto& failure : failures_)
    log_failed_child("that nobody joined", {}, failure);
}

TaskGroup::Watch::Watch(TaskGroup& group) noexcept
    : group_(group), outer_(std::exchange(group.destroyed_, &destroyed_)) {}

TaskGroup::Watch::~Watch() {
  if (!destroyed_) {
    group_.destroyed_ = outer_;
  } else if (outer_ != nullptr) {
    *outer_ = true;
  }
}

void TaskGroup::check_open() const {
  if (!closed_) return;
  throw GroupClosed(
      "A group that was cancelled, or in which a child has failed, takes no more children.");
}

TaskGroup::Child& TaskGroup::add_child(std::string name) {
  auto& child = children_.emplace_back();
  child.name = std::move(name);
  child.home = &children_;
  child.self = std::prev(children_.end());
  return child;
}

void TaskGroup::cancel() noexcept {
  const Watch group(*this);
  cancel_children();
  if (!group.destroyed()) tell_if_over();
}

void TaskGroup::cancel_children() noexcept {
  closed_ = true;
  // One that goes on comes to all of them.
  if (std::exchange(cancelling_now_, true)) return;
  const Watch group(*this);
  for (auto& child : children_)
    child.home = &cancelling_;
  cancelling_.splice(cancelling_.end(), children_);
  while (!cancelling_.empty()) {
    auto& child = cancelling_.front();
    child.home = &children_;
    children_.splice(children_.end(), cancelling_, cancelling_.begin());
    if (child.deferred) child.deferred->cancel();
    if (group.destroyed()) return;
  }
  cancelling_now_ = false;
}

void TaskGroup::remove(Child& child) noexcept {
  child.home->erase(child.self);
}

void TaskGroup::ended(Child& child, const Failure* failure) noexcept {
  const bool failed = failure != nullptr && failure->check<CancelledError>() == nullptr;
  if (failed && on_failure_ == OnFailure::log)
    log_failed_child("in the background", child.name, *failure);
  remove(child);
  if (failed && on_failure_ == OnFailure::cancel_others) {
    keep_failure(*failure);
    if (!closed_) return cancel();
  }
  tell_if_over();
}

void TaskGroup::keep_failure(const Failure& failure) noexcept {
  try {
    failures_.push_back(failure);
  } catch (...) {
    log_failure("task", "A child of a group failed, and there was no memory to tell", failure);
  }
}

Outcome<void> TaskGroup::take_result() {
  auto failures = std::exchange(failures_, {});
  if (failures.empty()) return {};
  if (failures.size() == 1) return failures.front();
  return Failure(GroupError(std::move(failures)));
}

// Whoever is told may destroy the group.
void TaskGroup::tell_if_over() noexcept {
  if (cancelling_now_ || !empty()) return;
  // With those who were cancelled alone there is nobody to take the failures.
  std::erase_if(joins_, [](const Join& join) { return join.promise->fired(); });
  if (joins_.empty()) return;
  auto joins = std::exchange(joins_, {});
  for (auto& join : joins)
    join.group = nullptr;
  const auto result = take_result();
  for (auto& join : joins) {
    if (join.promise->fired()) continue;
    // One that was cancelled, with nothing to tell, says so as it goes.
    if (!join.cancelled || !result) join.promise->fire(result);
  }
}

Deferred<void> TaskGroup::join(SourceLocation where) {
  if (empty()) return Deferred<void>(take_result());
  auto& join = joins_.emplace_back();
  join.group = this;
  join.promise.emplace(
      [&join] {
        join.cancelled = true;
        if (join.group != nullptr) join.group->cancel();
      },
      where);
  return join.promise->deferred();
}

}  // namespace weft
