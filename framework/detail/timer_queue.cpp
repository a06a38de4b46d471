#include "timer_queue.hpp"

#include "../error.hpp"
#include "../logging.hpp"
#include "../turn.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace weft::detail {
namespace {

constexpr std::uint32_t children = 4;

std::int64_t ticks(TimePoint point) {
  return point.time_since_epoch().count();
}

std::int64_t add_saturating(std::int64_t base, std::int64_t more) {
  constexpr auto top = std::numeric_limits<std::int64_t>::max();
  return base > 0 && more > top - base ? top : base + more;
}

}  // namespace

TimerQueue::~TimerQueue() {
  drop_all();
  for (auto* slab : slabs_) {
    slab->queue = nullptr;
    for (const auto& node : slab->nodes) {
      if (node.handles > 0) ++slab->orphans;
    }
    if (slab->orphans == 0) delete slab;
  }
}

TimerQueue::Added TimerQueue::add(Duration from_now, Callback callback, SourceLocation where) {
  if (first_free_ == none) add_slab();
  if (keys_.size() == keys_.capacity()) {
    const auto room = std::max<std::size_t>(64, 2 * keys_.size());
    ids_.reserve(room);
    keys_.reserve(room);
  }
  const auto id = first_free_;
  auto& added = node(id);
  first_free_ = added.place;
  added.callback = std::move(callback);
  added.context = HeldContext::capture();
  added.where = where;
  added.due = add_saturating(ticks(clock_.now()), from_now.count());
  restamp(added);
  added.place = static_cast<std::uint32_t>(keys_.size());
  keys_.push_back(added.due);
  ids_.push_back(id);
  sift_up(added.place);
  return {DelayedCall(&added), added.place == 0};
}

std::optional<TimePoint> TimerQueue::next_due() noexcept {
  freshen_earliest();
  if (keys_.empty()) return std::nullopt;
  return TimePoint(Duration(keys_.front()));
}

std::size_t TimerQueue::run_due(TimePoint now) {
  const auto bound = next_stamp_;
  const auto latest = ticks(now);
  std::size_t made = 0;
  for (;;) {
    freshen_earliest();
    if (keys_.empty() || keys_.front() > latest) return made;
    auto& earliest = node(ids_.front());
    if (earliest.stamp >= bound) return made;
    call(earliest);
    ++made;
  }
}

void TimerQueue::call(TimerNode& node) {
  // Kept here: the node is free for another call from now on.
  auto callback = std::move(node.callback);
  auto context = std::move(node.context);
  const auto where = node.where;
  remove(0, TimerNode::called);
  give_back(node);
  clock_.turn().enter_in(
      context,
      [&callback] {
        // Destroyed inside the turn, since destructors of what it captured are user code.
        auto running = std::move(callback);
        running();
      },
      [&where](const Failure& failure) {
        log_failure("clock",
                    std::string("A call scheduled at ") + where.file_name() + ':' +
                        std::to_string(where.line()) + " threw; its clock goes on.",
                    failure);
      });
}

std::size_t TimerQueue::drop_all() noexcept {
  std::size_t dropped = 0;
  while (!keys_.empty()) {
    auto& last = node(ids_.back());
    const auto context = std::move(last.context);
    const auto callback = std::move(last.callback);
    remove(static_cast<std::uint32_t>(keys_.size() - 1), TimerNode::cancelled);
    give_back(last);
    ++dropped;
  }
  return dropped;
}

void TimerQueue::release(TimerNode& node) noexcept {
  if (--node.handles > 0 || node.pending()) return;
  auto& slab = slab_of(node);
  if (slab.queue != nullptr) {
    slab.queue->give_back(node);
  } else if (--slab.orphans == 0) {
    delete &slab;
  }
}

void TimerQueue::cancel(TimerNode& node) noexcept {
  auto& queue = *slab_of(node).queue;
  // Destroyed last: destructors of what it captured are user code, and may come back here.
  const auto context = std::move(node.context);
  const auto callback = std::move(node.callback);
  queue.remove(node.place, TimerNode::cancelled);
}

void TimerQueue::reset(TimerNode& node, Duration from_now) {
  auto& queue = *slab_of(node).queue;
  const auto due = add_saturating(ticks(queue.clock_.now()), from_now.count());
  queue.restamp(node);
  queue.move(node, due);
}

void TimerQueue::delay(TimerNode& node, Duration longer) {
  slab_of(node).queue->move(node, add_saturating(node.due, longer.count()));
}

void TimerQueue::move(TimerNode& node, std::int64_t due) noexcept {
  node.due = due;
  if (due > keys_[node.place]) {
    // The key has become stale, and so goes first among those of its instant.
    sift_up(node.place);
    return;
  }
  const bool earlier = due < keys_[node.place];
  const auto earliest = keys_.front();
  keys_[node.place] = due;
  sift(node.place);
  if (earlier && due < earliest) clock_.earliest_call_moved_forward();
}

std::uint64_t TimerQueue::order(std::uint32_t place) const noexcept {
  const auto& ordered = node(ids_[place]);
  return ordered.due == keys_[place] ? ordered.stamp : 0;
}

void TimerQueue::swap(std::uint32_t a, std::uint32_t b) noexcept {
  std::swap(keys_[a], keys_[b]);
  std::swap(ids_[a], ids_[b]);
  node(ids_[a]).place = a;
  node(ids_[b]).place = b;
}

void TimerQueue::sift(std::uint32_t place) noexcept {
  if (!sift_up(place)) sift_down(place);
}

bool TimerQueue::sift_up(std::uint32_t place) noexcept {
  bool moved = false;
  while (place > 0) {
    const auto parent = (place - 1) / children;
    if (!before(place, parent)) break;
    swap(place, parent);
    place = parent;
    moved = true;
  }
  return moved;
}

void TimerQueue::sift_down(std::uint32_t place) noexcept {
  const auto size = static_cast<std::uint32_t>(keys_.size());
  for (;;) {
    const auto first = std::uint64_t{place} * children + 1;
    if (first >= size) return;
    auto least = static_cast<std::uint32_t>(first);
    const auto end = std::min<std::uint32_t>(size, least + children);
    for (auto child = least + 1; child < end; ++child) {
      if (before(child, least)) least = child;
    }
    if (!before(least, place)) return;
    swap(place, least);
    place = least;
  }
}

void TimerQueue::remove(std::uint32_t place, TimerNode::Gone why) noexcept {
  const auto last = static_cast<std::uint32_t>(keys_.size() - 1);
  if (place != last) swap(place, last);
  node(ids_.back()).place = why;
  keys_.pop_back();
  ids_.pop_back();
  if (place != last) sift(place);
}

void TimerQueue::freshen_earliest() noexcept {
  while (!keys_.empty()) {
    const auto due = node(ids_.front()).due;
    if (due == keys_.front()) return;
    keys_.front() = due;
    sift_down(0);
  }
}

TimerQueue::Slab& TimerQueue::slab_of(TimerNode& node) noexcept {
  static_assert(std::is_standard_layout_v<Slab> && offsetof(Slab, nodes) == 0);
  auto* const first = &node - (node.stamp & 0xff);
  return *reinterpret_cast<Slab*>(first);
}

void TimerQueue::add_slab() {
  auto owned = std::make_unique<Slab>();
  slabs_.push_back(owned.get());
  auto* const slab = owned.release();
  slab->queue = this;
  slab->number = static_cast<std::uint32_t>(slabs_.size() - 1);
  for (std::uint32_t i = 0; i < nodes_in_slab; ++i) {
    slab->nodes[i].stamp = i;
    slab->nodes[i].place = i + 1 < nodes_in_slab ? slab->number * nodes_in_slab + i + 1 : none;
  }
  first_free_ = slab->number * nodes_in_slab;
}

void TimerQueue::give_back(TimerNode& node) noexcept {
  if (node.handles > 0) return;
  node.place = first_free_;
  first_free_ = id_of(node);
}

void TimerQueue::restamp(TimerNode& node) noexcept {
  node.stamp = next_stamp_ | (node.stamp & 0xff);
  next_stamp_ += nodes_in_slab;
}

}  // namespace weft::detail
