// The machinery below Deferred: one cell for each result that is not there yet, linked from what
// fires to what reads.
#pragma once

#include "../outcome.hpp"
#include "../source_location.hpp"
#include "../unique_function.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
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
    if (--references_ == 0) delete this;
  }
  /// Somebody reads the result, or will.
  [[nodiscard]] bool wanted() const noexcept { return has_reader_ || consumer_ != nullptr; }

  [[nodiscard]] bool ready() const noexcept { return ready_; }
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_; }
  [[nodiscard]] const SourceLocation& where() const noexcept { return where_; }

  /// Has `consumer` advanced when this is ready; takes a reference to it.
  void feed(CellBase& consumer) noexcept;
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
  /// The same, but not inside a cancellation that goes on: one that leads to the next takes no
  /// stack.
  void cancel_soon() noexcept;
  void reader_came() noexcept { has_reader_ = true; }
  /// Nobody will read the result any more: a failure is reported, now or when it comes.
  void reader_left() noexcept;

  static void* operator new(std::size_t size);
  static void operator delete(void* memory, std::size_t size) noexcept;

 protected:
  explicit CellBase(SourceLocation where) noexcept : where_(where) {}
  virtual ~CellBase();

  /// What `source` has got is this cell's to work on.
  virtual void advance(CellBase& source) noexcept = 0;
  /// The chain is cancelled and this is its beginning.
  virtual void cancel_origin() noexcept {}
  /// The failure that the cell holds, or null.
  [[nodiscard]] virtual const Failure* failure() const noexcept = 0;

  bool ready_ = false;

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
    outcome_.emplace(std::move(outcome));
    ready_ = true;
  }
  [[nodiscard]] Outcome<T> take() noexcept {
    Outcome<T> taken = std::move(*outcome_);
    outcome_.reset();
    return taken;
  }
  [[nodiscard]] const Outcome<T>* peek() const noexcept { return outcome_ ? &*outcome_ : nullptr; }

 protected:
  using CellBase::CellBase;
  [[nodiscard]] const Failure* failure() const noexcept final {
    return outcome_ && !outcome_->succeeded() ? &outcome_->failure() : nullptr;
  }

 private:
  std::optional<Outcome<T>> outcome_;
};

/// The cell that a promise fires.
template <class T>
class PromiseCell final : public Cell<T> {
 public:
  PromiseCell(Callback canceller, SourceLocation where) noexcept
      : Cell<T>(where), canceller_(std::move(canceller)) {
    // The deferred may be asked for after the result has come.
    this->reader_came();
  }

  void fire(Outcome<T>&& outcome) {
    if (std::exchange(swallow_, false)) return;
    if (fired_) refuse_second_fire(this->where());
    fired_ = true;
    const auto canceller = std::move(canceller_);
    this->retain();
    this->put(std::move(outcome));
    this->propagate();
    this->release();
  }
  [[nodiscard]] bool fired() const noexcept { return fired_; }

 private:
  void advance(CellBase&) noexcept override {}
  void cancel_origin() noexcept override {
    if (fired_) return;
    this->retain();
    if (auto canceller = std::move(canceller_)) {
      try {
        canceller();
      } catch (...) {
        log_throwing_canceller();
      }
    }
    if (!fired_) {
      fire(cancelled_failure());
      swallow_ = true;
    }
    this->release();
  }

  Callback canceller_;
  bool fired_ = false;
  bool swallow_ = false;
};

}  // namespace weft::detail
