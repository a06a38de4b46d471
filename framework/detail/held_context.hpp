// The context that a thread's code runs in, and one that is held until its code runs.
#pragma once

#include <cstdint>
#include <utility>

namespace weft::detail {

/// One context: what is set, and what is to be done at its end. Null stands for the one in which
/// nothing is set.
class ContextNode;

class ContextSwitch;

/// The current context: a counted reference to a node, with marks in its lowest bits. Zero where
/// nothing is set, so that asking costs nothing.
#ifdef __ELF__
[[gnu::tls_model("initial-exec")]]
#endif
inline constinit thread_local std::uintptr_t current_context = 0;
/// What `current_context` is marked with: nothing is captured for now; and something may be set
/// further out, so that a ContextSwitch has to look.
inline constexpr std::uintptr_t suppressed_mark = 1;
inline constexpr std::uintptr_t look_out_mark = 2;
inline constexpr std::uintptr_t context_marks = suppressed_mark | look_out_mark;

/// The ContextSwitch in whose context this code runs; null outside of all.
#ifdef __ELF__
[[gnu::tls_model("initial-exec")]]
#endif
inline constinit thread_local ContextSwitch* innermost_switch = nullptr;

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
    return reinterpret_cast<ContextNode*>(word & ~context_marks);
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
/// holds it decides for how long. Where code further out runs in that context, be it with others in
/// between, all share it. What is inline does for those who have nothing set.
/// Lifetime: `held` outlives the switch, and stays where it is.
class ContextSwitch {
 public:
  explicit ContextSwitch(HeldContext& held) noexcept
      : held_(held), outer_(current_context), outside_(std::exchange(innermost_switch, this)) {
    if ((held.word_ | outer_) != 0) [[unlikely]]
      enter();
  }
  ~ContextSwitch() {
    innermost_switch = outside_;
    if ((current_context | outer_) != 0) [[unlikely]]
      leave();
  }
  ContextSwitch(const ContextSwitch&) = delete;
  ContextSwitch& operator=(const ContextSwitch&) = delete;

 private:
  [[nodiscard]] ContextSwitch* left_by() noexcept;
  void enter() noexcept;
  void leave() noexcept;

  HeldContext& held_;
  std::uintptr_t outer_;
  ContextSwitch* outside_;
};

}  // namespace weft::detail
