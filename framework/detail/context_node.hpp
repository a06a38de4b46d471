// One context: values by variable, what is to be done at its end, and what it derives from.
#pragma once

#include "../context.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace weft::detail {

/// Shared by count. Written to only while one thread alone knows it, save for what a lock guards:
/// the callbacks of its end, and its parent. It holds its parent only so that the parent does not
/// end before it; all values are its own.
class ContextNode {
 public:
  struct Entry {
    std::shared_ptr<const ContextVariable> variable;
    /// Null where it was set and is not any more.
    std::shared_ptr<const void> value;
  };
  struct Release {
    void operator()(ContextNode* node) const noexcept { node->release(); }
  };
  using Owner = std::unique_ptr<ContextNode, Release>;

  /// A new one with the values of `parent`, which may be null.
  [[nodiscard]] static Owner derive(ContextNode* parent);

  ContextNode(const ContextNode&) = delete;
  ContextNode& operator=(const ContextNode&) = delete;

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  /// Whether only its caller knows it, who may then write to it.
  [[nodiscard]] bool held_once() const noexcept {
    return references_.load(std::memory_order_acquire) == 1;
  }

  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }
  [[nodiscard]] const void* find(const ContextVariable& variable) const noexcept;
  [[nodiscard]] std::shared_ptr<const void> share(const ContextVariable& variable) const noexcept;
  /// Sets a value, and gives the one before.
  std::shared_ptr<const void> replace(std::shared_ptr<const ContextVariable> variable,
                                      std::shared_ptr<const void> value);
  void add_exit(Callback callback);
  /// Whether it is `ancestor` or derives from it; `ancestor` must be held.
  [[nodiscard]] bool derives_from(const ContextNode& ancestor) const noexcept;

 private:
  ContextNode() = default;
  ~ContextNode() = default;
  void run_exits(std::vector<Callback> exits) noexcept;
  static void sweep(ContextNode& youngest) noexcept;

  std::atomic<std::uint32_t> references_{1};
  /// How many it derives from, and at how many those that nobody holds are looked for.
  std::uint32_t depth_ = 0;
  std::uint32_t sweep_depth_;
  ContextNode* parent_ = nullptr;
  std::vector<Entry> entries_;
  std::vector<Callback> exits_;
};

}  // namespace weft::detail
