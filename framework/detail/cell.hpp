// The machinery below Deferred: one cell for each result that is not there yet, linked from what
// fires to what reads.
#pragma once

#include "../outcome.hpp"
#include "../source_location.hpp"
#include "../unique_function.hpp"
#include "spare_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace weft::detail {

/// A result's place, whatever its type. Counted without atomics: a deferred belongs to one thread.
/// Owned by the promise or the cell it waits for, and by the deferred that reads it.
class CellBase {
 public:
  CellBase(const CellBase&) = delete;
  CellBase& operator=(const CellBase&) = delete;

  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) dispose();
  }
  /// Somebody reads the result, or will.
  [[nodiscard]] bool wanted() const noexcept { return has_reader_ || consumer_ != nullptr; }

  [[nodiscard]] bool ready() const noexcept { return ready_; }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  [[nodiscard]] const SourceLocation& where() const noexcept { return where_; }

  /// Has `consumer` advanced when this is ready; takes a reference to it.
  void feed(CellBase& consumer) noexcept {
    consumer.retain();
    consumer.source_ = this;
    consumer_ = &consumer;
    has_reader_ = false;
  }
  /// Feeds what `forwarder` would, which has nothing left to do but hand on what this gets. Where
  /// nobody else knows the forwarder it drops out, so that an endless loop of returned deferreds
  /// takes no memory.
  void feed_past(CellBase& forwarder) noexcept;
  /// Whether this is, or waits for, `stage`.
  [[nodiscard]] bool waits_for(const CellBase& stage) const noexcept;
  /// Runs all that waits for this cell, which is ready, in a loop however long the chain is.
  void propagate() noexcept;
  /// Cancels what this cell waits for in the end.
  void cancel() noexcept;
  /// Cancels what this cell waits for, without counting as cancelled itself.
  void cancel_source() noexcept {
    if (source_ != nullptr) source_->cancel();
  }
  /// The same as `cancel`, but not inside a cancellation that goes on: one that leads to the next
  /// takes no stack.
  void cancel_soon() noexcept;
  /// Takes apart the chain that ends here, and runs none of it: what waits is destroyed where it
  /// waits. Then cancels what it began with. Whoever calls holds a reference.
  void abandon() noexcept;
  void reader_came() noexcept { has_reader_ = true; }
  /// What this waits for, or null.
  [[nodiscard]] const CellBase* source() const noexcept { return source_; }
  /// Nobody will read the result any more: a failure is reported, now or when it comes.
  void reader_left() noexcept {
    has_reader_ = false;
    if (holds_failure_) report_unhandled();
  }

  static void* operator new(std::size_t size) { return SpareMemory::take(size); }
  static void operator delete(void* memory, std::size_t size) noexcept {
    SpareMemory::give_back(memory, size);
  }

 protected:
  explicit CellBase(SourceLocation where) noexcept : where_(where) {}
  ~CellBase() = default;

  /// Nobody knows this cell any more: destroys it, by its own type.
  virtual void dispose() noexcept = 0;

  /// What `source` has got is this cell's to work on.
  virtual void advance(CellBase& source) noexcept = 0;
  /// The chain is cancelled and this is its beginning.
  virtual void cancel_origin() noexcept {}
  /// It will neither be advanced nor read: lets go of what would go on without it.
  virtual void discard() noexcept {}
  /// Nobody handled `failure`, which the cell holds.
  virtual void tell_unhandled(const Failure& failure) noexcept;
  /// The failure that the cell holds, or null.
  [[nodiscard]] virtual const Failure* failure() const noexcept = 0;

  bool ready_ = false;
  // Of the typed cell that follows: the result is there and has not been taken.
  bool has_outcome_ = false;
  bool holds_failure_ = false;

 private:
  void report_unhandled() noexcept;

  CellBase* consumer_ = nullptr;
  CellBase* source_ = nullptr;
  SourceLocation where_;
  std::uint32_t references_ = 1;
  bool cancelled_ = false;
  bool has_reader_ = false;
};

/// Tells the log and the census of a failure that nobody handled.
void report_unhandled_failure(const Failure& failure, const SourceLocation& where) noexcept;
/// What a promise that was dropped fails with.
[[nodiscard]] Failure broken_promise(const SourceLocation& where) noexcept;
/// What a stage fails with whose callback returned its own deferred, or a consumed one.
[[nodiscard]] Failure own_result(const SourceLocation& where) noexcept;
[[nodiscard]] Failure cancelled_failure() noexcept;
[[noreturn]] void refuse_second_fire(const SourceLocation& where);
[[noreturn]] void refuse_consumed();
void log_throwing_canceller() noexcept;

/// A cell for a T.
template <class T>
class Cell : public CellBase {
  static_assert(std::is_nothrow_move_constructible_v<Stored<T>>,
                "a deferred's value must be movable without an exception");

 public:
  void put(Outcome<T>&& outcome) noexcept {
    std::construct_at(&outcome_, std::move(outcome));
    holds_failure_ = !outcome_.succeeded();
    has_outcome_ = true;
    ready_ = true;
  }
  [[nodiscard]] Outcome<T> take() noexcept {
    Outcome<T> taken = std::move(outcome_);
    has_outcome_ = false;
    holds_failure_ = false;
    std::destroy_at(&outcome_);
    return taken;
  }
  [[nodiscard]] const Outcome<T>* peek() const noexcept {
    return has_outcome_ ? &outcome_ : nullptr;
  }

 protected:
  explicit Cell(SourceLocation where) noexcept : CellBase(where) {}
  ~Cell() {
    if (has_outcome_) std::destroy_at(&outcome_);
  }
  [[nodiscard]] const Failure* failure() const noexcept final {
    return this->holds_failure_ ? &outcome_.failure() : nullptr;
  }

 private:
  union {
    Outcome<T> outcome_;
  };
};

/// A cell at the beginning of a chain: somebody fires it, once.
template <class T>
class SourceCell : public Cell<T> {
 public:
  void fire(Outcome<T>&& outcome) {
    if (std::exchange(swallow_, false)) return;
    if (fired_) refuse_second_fire(this->where());
    settle(std::move(outcome));
  }
  [[nodiscard]] bool has_fired() const noexcept { return fired_; }

 protected:
  explicit SourceCell(SourceLocation where) noexcept : Cell<T>(where) {}
  ~SourceCell() = default;

 private:
  /// The result is cancelled: stops the operation, which may fire this.
  virtual void stop_operation() noexcept = 0;

  void advance(CellBase&) noexcept final {}
  void cancel_origin() noexcept final {
    if (fired_) return;
    this->retain();
    stop_operation();
    if (!fired_) {
      swallow_ = true;
      settle(cancelled_failure());
    }
    this->release();
  }
  void settle(Outcome<T>&& outcome) noexcept {
    fired_ = true;
    this->put(std::move(outcome));
    this->propagate();
  }

  bool fired_ = false;
  bool swallow_ = false;
};

/// The cell that a promise fires.
template <class T>
class PromiseCell final : public SourceCell<T> {
 public:
  PromiseCell(Callback canceller, SourceLocation where) noexcept
      : SourceCell<T>(where), canceller_(std::move(canceller)) {
    // The deferred may be asked for after the result has come.
    this->reader_came();
  }

  /// What the canceller captured is let go of when the result has been told.
  void fire(Outcome<T>&& outcome) {
    if (!canceller_) return SourceCell<T>::fire(std::move(outcome));
    const auto canceller = std::move(canceller_);
    SourceCell<T>::fire(std::move(outcome));
  }

 private:
  void dispose() noexcept override { delete this; }
  void stop_operation() noexcept override {
    if (auto canceller = std::move(canceller_)) {
      try {
        canceller();
      } catch (...) {
        log_throwing_canceller();
      }
    }
  }

  Callback canceller_;
};

}  // namespace weft::detail
