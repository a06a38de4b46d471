#include "clock.hpp"

#include "census.hpp"
#include "detail/timer_queue.hpp"
#include "error.hpp"
#include "turn.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

namespace weft {
namespace {

void refuse_negative(Duration duration) {
  if (duration < Duration::zero()) {
    throw InvalidArgument("A delay must not be negative; nothing can be called in the past.");
  }
}

detail::TimerNode& pending(detail::TimerNode* node) {
  if (node == nullptr || node->place == detail::TimerNode::called) {
    throw AlreadyCalledError("This call was made already, so it can no longer be changed.");
  }
  if (!node->pending()) {
    throw AlreadyCancelledError("This call was cancelled already, so it will never be made.");
  }
  return *node;
}

}  // namespace

DelayedCall::DelayedCall() noexcept = default;

DelayedCall::DelayedCall(detail::TimerNode* node) noexcept : node_(node) {
  if (node_ != nullptr) detail::TimerQueue::retain(*node_);
}

DelayedCall::DelayedCall(const DelayedCall& other) noexcept : DelayedCall(other.node_) {}

DelayedCall::DelayedCall(DelayedCall&& other) noexcept
    : node_(std::exchange(other.node_, nullptr)) {}

DelayedCall& DelayedCall::operator=(const DelayedCall& other) noexcept {
  DelayedCall copy(other);
  std::swap(node_, copy.node_);
  return *this;
}

DelayedCall& DelayedCall::operator=(DelayedCall&& other) noexcept {
  DelayedCall taken(std::move(other));
  std::swap(node_, taken.node_);
  return *this;
}

DelayedCall::~DelayedCall() {
  if (node_ != nullptr) detail::TimerQueue::release(*node_);
}

void DelayedCall::cancel() {
  detail::TimerQueue::cancel(pending(node_));
}

void DelayedCall::cancel_if_active() noexcept {
  if (active()) detail::TimerQueue::cancel(*node_);
}

void DelayedCall::reset(Duration from_now) {
  refuse_negative(from_now);
  detail::TimerQueue::reset(pending(node_), from_now);
}

void DelayedCall::delay(Duration longer) {
  refuse_negative(longer);
  detail::TimerQueue::delay(pending(node_), longer);
}

bool DelayedCall::active() const noexcept {
  return node_ != nullptr && node_->pending();
}

TimePoint DelayedCall::due() const {
  return node_ == nullptr ? TimePoint() : TimePoint(Duration(node_->due));
}

Clock::Clock()
    : turn_(std::make_unique<Turn>()), timers_(std::make_unique<detail::TimerQueue>(*this)) {}

Clock::~Clock() {
  drop_calls();
}

DelayedCall Clock::call_later(Duration delay, Callback callback, SourceLocation where) {
  turn_->check_thread();
  refuse_negative(delay);
  if (!callback) throw InvalidArgument("An empty callback was given to call_later.");
  auto added = timers_->add(delay, std::move(callback), where);
  if (added.earliest) earliest_call_moved_forward();
  return std::move(added.call);
}

std::size_t Clock::pending_calls() const noexcept {
  return timers_->size();
}

std::optional<TimePoint> Clock::next_due() const noexcept {
  return timers_->next_due();
}

std::size_t Clock::run_due(TimePoint now) {
  return timers_->run_due(now);
}

void Clock::describe_calls(std::vector<PendingWork>& pending) const {
  std::vector<std::pair<TimePoint, SourceLocation>> calls;
  timers_->each([&](const detail::TimerNode& node) {
    calls.emplace_back(TimePoint(Duration(node.due)), node.where);
  });
  std::sort(calls.begin(), calls.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [due, where] : calls) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - now());
    pending.push_back({"call", "due in " + std::to_string(left.count()) + " ms", where});
  }
}

void Clock::drop_calls() noexcept {
  const auto dropped = static_cast<std::int64_t>(timers_->drop_all());
  if (dropped > 0) census().abandoned_timers.fetch_add(dropped, std::memory_order_relaxed);
}

}  // namespace weft
