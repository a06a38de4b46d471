// Handing things from those who make them to those who wait for them.
#pragma once

#include "deferred.hpp"
#include "detail/run_queue.hpp"
#include "detail/waiting_line.hpp"
#include "error.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

namespace weft {

/// First in, first out. `put` gives to the one who has waited longest, or keeps the item; `get`
/// waits when there is none. Lifetime: when it is destroyed, those who wait fail with
/// BrokenPromiseError.
template <class T>
class DeferredQueue {
 public:
  static constexpr std::size_t unlimited = SIZE_MAX;

  /// It keeps at most `max_size` items, and at most `max_waiting` may wait.
  explicit DeferredQueue(std::size_t max_size = unlimited, std::size_t max_waiting = unlimited)
      : line_(std::make_shared<Line>()), max_size_(max_size), max_waiting_(max_waiting) {}
  ~DeferredQueue() { line_->waiters.abandon(); }
  DeferredQueue(const DeferredQueue&) = delete;
  DeferredQueue& operator=(const DeferredQueue&) = delete;

  /// Errors: QueueOverflow, which keeps nothing; QueueClosed.
  void put(T item) {
    if (line_->closed) throw QueueClosed("Something was put into a queue that was closed.");
    const bool awaited = line_->awaits_more();
    if (!awaited && line_->items.size() >= max_size_ &&
        line_->items.size() - line_->handovers >= max_size_) {
      throw QueueOverflow("The queue is full; put less, or wait until something was taken.");
    }
    line_->items.push_back(std::move(item));
    if (awaited) line_->hand_over_soon();
  }
  /// The next item, when there is one. Cancelling it loses no item.
  /// Errors: QueueUnderflow when too many wait; fails with QueueClosed once it is closed and empty.
  Deferred<T> get(SourceLocation where = SourceLocation::current()) {
    auto& items = line_->items;
    if (!items.empty() && line_->handovers == 0) return succeed(line_->next());
    if (line_->closed && items.size() <= line_->handovers) return fail<T>(closed());
    if (max_waiting_ != unlimited && line_->waiters.size() >= max_waiting_) {
      throw QueueUnderflow("Too many wait for this queue; get no more until something was put.");
    }
    auto waiting = line_->waiters.join(where);
    if (items.size() > line_->handovers) line_->hand_over_soon();
    return waiting;
  }
  /// No more will be put: what is there can still be taken, and those who wait fail with
  /// QueueClosed.
  void close() {
    line_->closed = true;
    // After what was handed over before.
    detail::run_in_queue([line = line_] {
      while (!line->waiters.empty()) {
        auto first = line->waiters.leave();
        first.fire(line->items.empty() ? Outcome<T>(closed()) : Outcome<T>(line->next()));
      }
    });
  }

  [[nodiscard]] std::size_t size() const noexcept { return line_->items.size(); }
  [[nodiscard]] std::size_t waiting() const noexcept { return line_->waiters.size(); }

 private:
  struct Line : std::enable_shared_from_this<Line> {
    std::deque<T> items;
    detail::WaitingLine<T> waiters;
    /// How often the first item is about to go to the first who waits. They meet only then, so
    /// that whoever cancels until then upsets no order and loses no item.
    std::size_t handovers = 0;
    bool closed = false;

    [[nodiscard]] bool awaits_more() noexcept {
      return !waiters.empty() && (handovers == 0 || waiters.size() > handovers);
    }
    [[nodiscard]] T next() {
      T item = std::move(items.front());
      items.pop_front();
      return item;
    }
    void hand_over_soon() {
      ++handovers;
      detail::run_in_queue([self = this->shared_from_this()] {
        --self->handovers;
        if (!self->items.empty() && !self->waiters.empty()) {
          auto first = self->waiters.leave();
          first.callback(self->next());
        }
      });
    }
  };
  static Failure closed() {
    return Failure(QueueClosed("The queue was closed and everything in it has been taken."));
  }

  std::shared_ptr<Line> line_;
  std::size_t max_size_;
  std::size_t max_waiting_;
};

}  // namespace weft
