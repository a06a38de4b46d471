#include "context_node.hpp"

#include "../logging.hpp"
#include "../turn.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace weft::detail {

namespace {

constexpr std::uint32_t first_sweep = 8;

// Guards every node's parent and exits: both are touched where a context is derived from one that
// others hold too, which is rare.
std::mutex links;

}  // namespace

ContextNode::Owner ContextNode::derive(ContextNode* parent) {
  Owner made(new ContextNode);
  made->sweep_depth_ = first_sweep;
  if (parent == nullptr) return made;
  made->entries_.reserve(parent->entries_.size() + 1);
  made->entries_ = parent->entries_;
  parent->retain();
  made->parent_ = parent;
  made->depth_ = parent->depth_ + 1;
  made->sweep_depth_ = parent->sweep_depth_;
  if (made->depth_ > made->sweep_depth_) sweep(*made);
  return made;
}

// A connection that sets something for each of its requests derives without end. Those between that
// nobody holds any more, and at whose end nothing is to be done, are taken out; it is looked for
// them each time their number may have doubled.
void ContextNode::sweep(ContextNode& youngest) noexcept {
  ContextNode* unlinked = nullptr;
  std::uint32_t left = 0;
  {
    const std::lock_guard lock(links);
    for (auto* node = &youngest; node != nullptr; node = node->parent_) {
      auto* parent = node->parent_;
      // Held by its child alone, so nobody else can come to know it meanwhile.
      while (parent != nullptr && parent->held_once() && parent->exits_.empty()) {
        node->parent_ = std::exchange(parent->parent_, unlinked);
        unlinked = std::exchange(parent, node->parent_);
      }
      if (parent != nullptr) ++left;
    }
  }
  youngest.depth_ = left;
  youngest.sweep_depth_ = 2 * left + first_sweep;
  // Values are destroyed outside of the lock: their destructors are user code.
  while (unlinked != nullptr) {
    auto* const next = std::exchange(unlinked->parent_, nullptr);
    delete unlinked;
    unlinked = next;
  }
}

void ContextNode::release() noexcept {
  auto* node = this;
  while (node != nullptr && node->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    // Nobody else knows it, so no lock is needed for what follows.
    if (!node->exits_.empty()) {
      node->references_.store(1, std::memory_order_relaxed);
      node->run_exits(std::exchange(node->exits_, {}));
      continue;
    }
    auto* const parent = node->parent_;
    delete node;
    node = parent;
  }
}

// It lives on for as long as its callbacks run, which run in it, and may register more. Between the
// callbacks of a loop they are a turn of it. Inside of one they belong to that; in a thread that no
// loop runs in they belong to none.
void ContextNode::run_exits(std::vector<Callback> exits) noexcept {
  std::optional<Turn::Scope> scope;
  auto* const turn = Turn::current();
  if (turn != nullptr && !turn->inside()) scope.emplace(*turn);
  for (auto& callback : exits) {
    retain();
    auto held = HeldContext::of(this);
    const ContextSwitch inside(held);
    try {
      const auto running = std::exchange(callback, nullptr);
      const_cast<Callback&>(running)();
    } catch (...) {
      log_failure("context", "A callback at the end of a context threw; the others are called.",
                  Failure::current());
    }
  }
}

const void* ContextNode::find(const ContextVariable& variable) const noexcept {
  for (const auto& entry : entries_) {
    if (entry.variable.get() == &variable) return entry.value.get();
  }
  return nullptr;
}

std::shared_ptr<const void> ContextNode::share(const ContextVariable& variable) const noexcept {
  for (const auto& entry : entries_) {
    if (entry.variable.get() == &variable) return entry.value;
  }
  return nullptr;
}

std::shared_ptr<const void> ContextNode::replace(std::shared_ptr<const ContextVariable> variable,
                                                 std::shared_ptr<const void> value) {
  const auto found = std::ranges::find(entries_, variable, &Entry::variable);
  if (found != entries_.end()) return std::exchange(found->value, std::move(value));
  entries_.push_back({std::move(variable), std::move(value)});
  return nullptr;
}

void ContextNode::add_exit(Callback callback) {
  const std::lock_guard lock(links);
  exits_.push_back(std::move(callback));
}

bool ContextNode::differs_elsewhere(const ContextVariable& variable,
                                    const ContextNode* other) const noexcept {
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    if (entry.variable.get() == &variable) return false;
    return entry.value.get() != (other == nullptr ? nullptr : other->find(*entry.variable));
  });
}

bool ContextNode::derives_from(const ContextNode& ancestor) const noexcept {
  if (this == &ancestor) return true;
  const std::lock_guard lock(links);
  for (const auto* node = this; node != nullptr; node = node->parent_) {
    if (node == &ancestor) return true;
  }
  return false;
}

// ---- HeldContext

HeldContext HeldContext::current() noexcept {
  auto* const node = node_of(current_context);
  if (node != nullptr) node->retain();
  return of(node);
}

std::uintptr_t HeldContext::capture_some() noexcept {
  if ((current_context & suppressed_mark) != 0) return 0;
  return share_some(current_context);
}

std::uintptr_t HeldContext::share_some(std::uintptr_t word) noexcept {
  auto* const node = node_of(word);
  if (node != nullptr) node->retain();
  return word & ~context_marks;
}

void HeldContext::release(std::uintptr_t word) noexcept {
  if (auto* const node = node_of(word)) node->release();
}

// ---- ContextSwitch

// The switch by which this one's context was left by whoever runs in it further out; null where
// nobody does.
ContextSwitch* ContextSwitch::left_by() noexcept {
  auto* leaving = this;
  for (auto* other = outside_; other != nullptr; other = other->outside_) {
    if (&other->held_ == &held_) return leaving;
    leaving = other;
  }
  return nullptr;
}

// The marks stay where they are: what is suppressed further out is not suppressed here.
void ContextSwitch::enter() noexcept {
  auto* const leaving = left_by();
  auto& from = leaving != nullptr ? leaving->outer_ : held_.word_;
  current_context = (std::exchange(from, from & context_marks) & ~context_marks) | look_out_mark;
}

void ContextSwitch::leave() noexcept {
  auto* const leaving = left_by();
  auto& to = leaving != nullptr ? leaving->outer_ : held_.word_;
  const auto kept = (current_context & ~context_marks) | (to & context_marks);
  // Another may have been put there meanwhile.
  const auto replaced = std::exchange(to, kept);
  // Whoever runs in between may enter it once more.
  for (auto* between = this; leaving != nullptr && between != leaving; between = between->outside_)
    between->outer_ |= look_out_mark;
  current_context = outer_;
  HeldContext::release(replaced);
}

}  // namespace weft::detail
