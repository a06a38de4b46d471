#include "cell.hpp"

#include "../census.hpp"
#include "../deferred.hpp"
#include "../error.hpp"
#include "../logging.hpp"
#include "run_queue.hpp"

#include <array>
#include <cstdint>
#include <new>
#include <string>

namespace weft::detail {

namespace {

std::string place(const SourceLocation& where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

#if defined(__SANITIZE_ADDRESS__)
// Memory goes back at once, so that the sanitizer sees what is used too late.
constexpr std::size_t max_spare = 0;
#else
constexpr std::size_t max_spare = 256;
#endif
constexpr std::size_t grain = 32;
constexpr std::size_t classes = 8;

struct SpareCell {
  SpareCell* next;
};
struct SpareList {
  SpareCell* first = nullptr;
  std::size_t count = 0;
};
// Cells that ended, kept by size for the next ones of their thread. Trivial, so that reaching it
// costs nothing, and it is there for cells that end after everything else of the thread.
struct SpareCells {
  enum class Keeping : std::uint8_t { not_yet, on, ended };
  std::array<SpareList, classes> lists{};
  Keeping keeping = Keeping::not_yet;
};
constinit thread_local SpareCells spare;

// Gives the spare cells back when the thread ends.
struct Sweeper {
  Sweeper() noexcept { spare.keeping = SpareCells::Keeping::on; }
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;
  ~Sweeper() {
    spare.keeping = SpareCells::Keeping::ended;
    for (auto& list : spare.lists) {
      while (list.first != nullptr)
        ::operator delete(std::exchange(list.first, list.first->next));
    }
  }
};

bool keeps_spares() noexcept {
  if (spare.keeping == SpareCells::Keeping::not_yet) {
    static thread_local const Sweeper sweeper;
  }
  return spare.keeping == SpareCells::Keeping::on;
}

}  // namespace

void* CellBase::operator new(std::size_t size) {
  const auto index = (size - 1) / grain;
  if (index >= classes) return ::operator new(size);
  auto& list = spare.lists[index];
  if (list.first == nullptr) return ::operator new((index + 1) * grain);
  --list.count;
  return std::exchange(list.first, list.first->next);
}

void CellBase::operator delete(void* memory, std::size_t size) noexcept {
  const auto index = (size - 1) / grain;
  if (index < classes && keeps_spares()) {
    auto& list = spare.lists[index];
    if (list.count < max_spare) {
      list.first = ::new (memory) SpareCell{list.first};
      ++list.count;
      return;
    }
  }
  ::operator delete(memory);
}

CellBase::~CellBase() = default;

void CellBase::feed(CellBase& consumer) noexcept {
  consumer.retain();
  consumer.source_ = this;
  consumer_ = &consumer;
  has_reader_ = false;
}

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
  if (cell->ready_ && !cell->has_reader_) cell->report_unhandled();
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

void CellBase::reader_left() noexcept {
  has_reader_ = false;
  if (ready_) report_unhandled();
}

void CellBase::report_unhandled() noexcept {
  const Failure* const unhandled = failure();
  if (unhandled == nullptr) return;
  // Whoever cancels and drops has seen it coming.
  if (cancelled_ && unhandled->check<CancelledError>() != nullptr) return;
  report_unhandled_failure(*unhandled, where_);
}

void report_unhandled_failure(const Failure& failure, const SourceLocation& where) noexcept {
  census().unhandled_failures.fetch_add(1, std::memory_order_relaxed);
  constexpr auto component = "deferred";
  constexpr auto without_place = "Nobody handled the failure of a deferred";
  if (*where.file_name() == '\0') return log_failure(component, without_place, failure);
  try {
    log_failure(component, "Nobody handled the failure of the deferred made at " + place(where),
                failure);
  } catch (...) {
    log_failure(component, without_place, failure);
  }
}

Failure broken_promise(const SourceLocation& where) noexcept {
  try {
    return Failure(BrokenPromiseError("The promise made at " + place(where) +
                                      " was dropped without a result; fire it on every path."),
                   where);
  } catch (...) {
    return Failure::current();
  }
}

Failure own_result(const SourceLocation& where) noexcept {
  try {
    return Failure(InvalidArgument("The callback added at " + place(where) +
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

Failure timeout_failure(Duration timeout, const SourceLocation& where) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(timeout);
  return Failure(TimeoutError("No result came within " + std::to_string(milliseconds.count()) +
                              " ms; the operation was cancelled."),
                 where);
}

void refuse_second_fire(const SourceLocation& where) {
  throw AlreadyCalledError("The promise made at " + place(where) +
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
