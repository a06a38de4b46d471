#include "cell.hpp"

#include "../census.hpp"
#include "../deferred.hpp"
#include "../error.hpp"
#include "../logging.hpp"
#include "names.hpp"
#include "run_queue.hpp"

#include <string>

namespace weft::detail {

void CellBase::feed_past(CellBase& forwarder) noexcept {
  if (forwarder.references_ > 1 || forwarder.consumer_ == nullptr) return feed(forwarder);
  consumer_ = std::exchange(forwarder.consumer_, nullptr);
  consumer_->source_ = this;
  has_reader_ = false;
}

bool CellBase::waits_for(const CellBase& stage) const noexcept {
  // The way up from here is the way down from there, so the shorter of the two decides.
  const CellBase* up = this;
  const CellBase* down = &stage;
  while (up != nullptr && down != nullptr) {
    if (up == &stage) return true;
    up = up->source_;
    down = down->consumer_;
  }
  return false;
}

void CellBase::propagate() noexcept {
  CellBase* cell = this;
  cell->retain();
  while (cell->ready_ && cell->consumer_ != nullptr) {
    // The link's reference is ours from here on.
    CellBase* const next = std::exchange(cell->consumer_, nullptr);
    next->source_ = nullptr;
    next->advance(*cell);
    cell->release();
    cell = next;
  }
  if (cell->holds_failure_ && !cell->has_reader_) cell->report_unhandled();
  cell->release();
}

void CellBase::cancel() noexcept {
  if (ready_) return;
  CellBase* origin = this;
  origin->cancelled_ = true;
  while (origin->source_ != nullptr) {
    origin = origin->source_;
    origin->cancelled_ = true;
  }
  origin->cancel_origin();
}

void CellBase::cancel_soon() noexcept {
  try {
    run_in_queue([cell = Canceller(this)]() mutable { cell.cancel(); });
  } catch (...) {
    // There was no memory to queue it.
    cancel();
  }
}

void CellBase::abandon() noexcept {
  CellBase* cell = this;
  cell->retain();
  while (CellBase* const source = std::exchange(cell->source_, nullptr)) {
    source->retain();
    source->consumer_ = nullptr;
    cell->discard();
    // The link's reference, and ours.
    cell->release();
    cell->release();
    cell = source;
  }
  // Nobody waits for the operation that the chain began with.
  cell->cancel();
  cell->release();
}

void CellBase::report_unhandled() noexcept {
  const Failure* const unhandled = failure();
  if (unhandled == nullptr) return;
  // Whoever cancels and drops has seen it coming.
  if (cancelled_ && unhandled->check<CancelledError>() != nullptr) return;
  tell_unhandled(*unhandled);
}

void CellBase::tell_unhandled(const Failure& failure) noexcept {
  report_unhandled_failure(failure, where_);
}

void report_unhandled_failure(const Failure& failure, const SourceLocation& where) noexcept {
  census().unhandled_failures.fetch_add(1, std::memory_order_relaxed);
  constexpr auto component = "deferred";
  constexpr auto without_place = "Nobody handled the failure of a deferred";
  if (*where.file_name() == '\0') return log_failure(component, without_place, failure);
  try {
    log_failure(component,
                "Nobody handled the failure of the deferred made at " + place_text(where), failure);
  } catch (...) {
    log_failure(component, without_place, failure);
  }
}

Failure broken_promise(const SourceLocation& where) noexcept {
  try {
    return Failure(BrokenPromiseError("The promise made at " + place_text(where) +
                                      " was dropped without a result; fire it on every path."),
                   where);
  } catch (...) {
    return Failure::current();
  }
}

Failure own_result(const SourceLocation& where) noexcept {
  try {
    return Failure(InvalidArgument("The callback added at " + place_text(where) +
                                   " returned a deferred that was consumed, or that waits for it."),
                   where);
  } catch (...) {
    return Failure::current();
  }
}

Failure cancelled_failure() noexcept {
  try {
    return Failure(CancelledError());
  } catch (...) {
    return Failure::current();
  }
}

bool is_cancellation(const Failure& failure) noexcept {
  return failure.check<CancelledError>() != nullptr;
}

Failure timeout_failure(Duration timeout, const SourceLocation& where) noexcept {
  try {
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
    return Failure(TimeoutError("No result came within " + std::to_string(milliseconds.count()) +
                                " ms; the operation was cancelled."),
                   where);
  } catch (...) {
    return Failure::current();
  }
}

void refuse_second_fire(const SourceLocation& where) {
  throw AlreadyCalledError("The promise made at " + place_text(where) +
                           " has its result already; a promise is fired once.");
}

void refuse_consumed() {
  throw AlreadyCalledError(
      "This deferred was consumed already; go on with what add_callback and its like returned.");
}

void log_throwing_canceller() noexcept {
  log_failure("deferred", "A canceller threw; its deferred is cancelled all the same",
              Failure::current());
}

}  // namespace weft::detail
