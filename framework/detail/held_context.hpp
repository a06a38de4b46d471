// The context that a thread's code runs in, and one that is held until its code runs.
#pragma once

#include <cstdint>
#include <utility>

namespace weft::detail {

/// One context: what is set, and what is to be done at its end. Null stands for the one in which
/// nothing is set.
class ContextNode;

/// The current context: a counted reference to a node, and its lowest bit says that nothing is
/// captured for now. Zero where nothing is set, so that asking costs nothing.
inline constinit thread_local std::uintptr_t current_context = 0;

/// A context that is held until code runs in it: one word, zero where nothing is set. Holding the
/// current one allocates nothing. Thread: may be let go of in another thread than it was made in.
class HeldContext {
 public:
  constexpr HeldContext() noexcept = default;
  HeldContext(HeldContext&& other) noexcept : word_(std::exchange(other.word_, 0)) {}
  HeldContext& operator=(HeldContext&& other) noexcept {
    HeldContext moved(std::move(other));
    std::swap(word_, moved.word_);
    return *this;
  }
  HeldContext(const HeldContext&) = delete;
  HeldContext& operator=(const HeldContext&) = delete;
  ~HeldContext() {
    if (word_ != 0) [[unlikely]]
      release(word_);
  }

  /// The current context for what is registered now; nothing where that is suppressed.
  [[nodiscard]] static HeldContext capture() noexcept {
    if (current_context == 0) [[likely]]
      return {};
    return HeldContext(capture_some());
  }
  /// The current context, suppressed or not.
  [[nodiscard]] static HeldContext current() noexcept;
  /// Takes over a reference to `node`.
  [[nodiscard]] static HeldContext of(ContextNode* node) noexcept {
    return HeldContext(reinterpret_cast<std::uintptr_t>(node));
  }

  /// Makes this the current context, and holds the one that was. A coroutine does it when it is
  /// resumed, and again when it is suspended; nothing is counted.
  void swap_with_current() noexcept { std::swap(word_, current_context); }

  /// A second reference to the same.
  [[nodiscard]] HeldContext share() const noexcept {
    return word_ == 0 ? HeldContext() : HeldContext(share_some(word_));
  }
  /// The reference that this had.
  [[nodiscard]] ContextNode* take() noexcept { return node_of(std::exchange(word_, 0)); }
  [[nodiscard]] ContextNode* node() const noexcept { return node_of(word_); }
  [[nodiscard]] bool empty() const noexcept { return word_ == 0; }

  static constexpr std::uintptr_t suppressed = 1;
  [[nodiscard]] static ContextNode* node_of(std::uintptr_t word) noexcept {
    return reinterpret_cast<ContextNode*>(word & ~suppressed);
  }

 private:
  explicit HeldContext(std::uintptr_t word) noexcept : word_(word) {}
  static std::uintptr_t capture_some() noexcept;
  static std::uintptr_t share_some(std::uintptr_t word) noexcept;
  static void release(std::uintptr_t word) noexcept;

  std::uintptr_t word_ = 0;
};

/// Runs what follows in a held context. What is set meanwhile stays in it; whoever holds it decides
/// for how long.
class ContextSwitch {
 public:
  explicit ContextSwitch(HeldContext& held) noexcept : held_(held) { held_.swap_with_current(); }
  ~ContextSwitch() { held_.swap_with_current(); }
  ContextSwitch(const ContextSwitch&) = delete;
  ContextSwitch& operator=(const ContextSwitch&) = delete;

 private:
  HeldContext& held_;
};

}  // namespace weft::detail
