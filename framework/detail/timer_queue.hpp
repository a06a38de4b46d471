// A clock's pending calls: a heap that knows the earliest, over nodes that handles may outlive.
#pragma once

#include "../clock.hpp"
#include "../source_location.hpp"
#include "../unique_function.hpp"
#include "held_context.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace weft::detail {

/// One call. It is in use while the heap or a handle refers to it.
struct TimerNode {
  /// What `place` says when the node is in no heap.
  enum Gone : std::uint32_t { called = 0xffff'ffff, cancelled = 0xffff'fffe };

  [[nodiscard]] bool pending() const noexcept { return place < cancelled; }

  Callback callback;
  HeldContext context;
  SourceLocation where;
  /// Nanoseconds on the clock's time line.
  std::int64_t due = 0;
  /// Orders calls of the same instant; the lowest 8 bits are the node's number in its slab.
  std::uint64_t stamp = 0;
  /// Where it stands in the heap, or why it does not; in a free node, the next free one.
  std::uint32_t place = called;
  std::uint32_t handles = 0;
};

/// The heap is one of four children a node, held as two arrays of keys and of node numbers, so that
/// a pending call costs 110 bytes. A call that is put off keeps its old key until that comes up,
/// which makes re-arming a timeout cheap; such a stale key orders before all others of its instant.
class TimerQueue {
 public:
  explicit TimerQueue(Clock& clock) noexcept : clock_(clock) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue();

  struct Added {
    DelayedCall call;
    bool earliest;
  };
  Added add(Duration from_now, Callback callback, SourceLocation where);
  [[nodiscard]] std::size_t size() const noexcept { return keys_.size(); }
  [[nodiscard]] std::optional<TimePoint> next_due() noexcept;
  std::size_t run_due(TimePoint now);
  /// Drops all calls without making them; says how many.
  std::size_t drop_all() noexcept;

  // What handles do: the queue is found from the node. Only pending calls are changed.
  static void retain(TimerNode& node) noexcept { ++node.handles; }
  static void release(TimerNode& node) noexcept;
  static void cancel(TimerNode& node) noexcept;
  static void reset(TimerNode& node, Duration from_now);
  static void delay(TimerNode& node, Duration longer);

 private:
  static constexpr std::uint32_t nodes_in_slab = 256;
  static constexpr std::uint32_t none = TimerNode::called;
  struct Slab {
    // First, so that a node leads to its slab.
    TimerNode nodes[nodes_in_slab];
    TimerQueue* queue = nullptr;
    std::uint32_t number = 0;
    /// Nodes that handles still refer to; counted only once the queue is gone.
    std::uint32_t orphans = 0;
  };

  [[nodiscard]] static Slab& slab_of(TimerNode& node) noexcept;
  [[nodiscard]] TimerNode& node(std::uint32_t id) const noexcept {
    return slabs_[id / nodes_in_slab]->nodes[id % nodes_in_slab];
  }
  [[nodiscard]] static std::uint32_t id_of(TimerNode& node) noexcept {
    return slab_of(node).number * nodes_in_slab + static_cast<std::uint32_t>(node.stamp & 0xff);
  }

  /// Zero for a stale key.
  [[nodiscard]] std::uint64_t order(std::uint32_t place) const noexcept;
  [[nodiscard]] bool before(std::uint32_t a, std::uint32_t b) const noexcept {
    return keys_[a] != keys_[b] ? keys_[a] < keys_[b] : order(a) < order(b);
  }
  void swap(std::uint32_t a, std::uint32_t b) noexcept;
  void sift(std::uint32_t place) noexcept;
  bool sift_up(std::uint32_t place) noexcept;
  void sift_down(std::uint32_t place) noexcept;
  void remove(std::uint32_t place, TimerNode::Gone why) noexcept;
  void freshen_earliest() noexcept;

  void add_slab();
  void give_back(TimerNode& node) noexcept;
  void restamp(TimerNode& node) noexcept;
  void move(TimerNode& node, std::int64_t due) noexcept;
  void call(TimerNode& node);

  Clock& clock_;
  std::vector<std::int64_t> keys_;
  std::vector<std::uint32_t> ids_;
  std::vector<Slab*> slabs_;
  std::uint32_t first_free_ = none;
  std::uint64_t next_stamp_ = nodes_in_slab;
};

}  // namespace weft::detail
