// The context that a thread's code runs in, and one that is held until its code runs.
#pragma once

#include <cstdint>
#include <utility>

namespace weft::detail {

/// One context: what is set, and what is to be done at its end. Null stands for the one in which
/// nothing is set.
class ContextNode;

class HeldContext;

/// The current context: a counted reference to a node, marked in its lowest bit while nothing is
/// captured. Zero where nothing is set, so that asking costs nothing.
#ifdef __ELF__
[[gnu::tls_model("initial-exec")]]
#endif
inline constinit thread_local std::uintptr_t current_context = 0;
inline constexpr std::uintptr_t suppressed_mark = 1;

/// Whose context the innermost ContextSwitch runs in; null outside of all.
#ifdef __ELF__
[[gnu::tls_model("initial-exec")]]
#endif
inline constinit thread_local HeldContext* current_held = nullptr;

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

  /// A second reference to the same.
  [[nodiscard]] HeldContext share() const noexcept {
    return word_ == 0 ? HeldContext() : HeldContext(share_some(word_));
  }
  /// The reference that this had.
  [[nodiscard]] ContextNode* take() noexcept { return node_of(std::exchange(word_, 0)); }
  [[nodiscard]] ContextNode* node() const noexcept { return node_of(word_); }
  [[nodiscard]] bool empty() const noexcept { return word_ == 0; }

  [[nodiscard]] static ContextNode* node_of(std::uintptr_t word) noexcept {
    return reinterpret_cast<ContextNode*>(word & ~suppressed_mark);
  }

 private:
  friend class ContextSwitch;
  explicit HeldContext(std::uintptr_t word) noexcept : word_(word) {}
  static std::uintptr_t capture_some() noexcept;
  static std::uintptr_t share_some(std::uintptr_t word) noexcept;
  static void release(std::uintptr_t word) noexcept;

  std::uintptr_t word_ = 0;
};

/// Runs what follows in a held context, which is empty meanwhile. What is set stays in it; whoever
/// holds it decides for how long. Where the innermost code runs in that context already, it goes on
/// in it. What is inline does for those who have nothing set.
class ContextSwitch {
 public:
  explicit ContextSwitch(HeldContext& held) noexcept
      : held_(held), outer_(current_context), outer_held_(std::exchange(current_held, &held)) {
    if ((held.word_ | outer_) != 0) [[unlikely]]
      enter();
  }
  ~ContextSwitch() {
    current_held = outer_held_;
    if ((current_context | outer_) != 0) [[unlikely]]
      leave();
  }
  ContextSwitch(const ContextSwitch&) = delete;
  ContextSwitch& operator=(const ContextSwitch&) = delete;

 private:
  [[nodiscard]] bool was_inside() const noexcept { return outer_held_ == &held_; }
  void enter() noexcept;
  void leave() noexcept;

  HeldContext& held_;
  std::uintptr_t outer_;
  HeldContext* outer_held_;
};

}  // namespace weft::detail
