#include "turn.hpp"

#include "coroutines/detail/task_run.hpp"
#include "detail/prefetch.hpp"
#include "error.hpp"
#include "logging.hpp"

#include <cstddef>
#include <new>

namespace weft {

namespace {

// Where a connection has what it sends with.
constexpr int participant_lines = 6;

}  // namespace

Turn::Participant::Participant(Turn& turn) noexcept : turn_(&turn), next_(turn.participants_) {
  if (next_ != nullptr) next_->previous_ = this;
  turn.participants_ = this;
}

Turn::Participant::~Participant() {
  if (turn_ == nullptr) return;
  if (turn_->subject().participant == this) turn_->set_subject(Subject());
  if (turn_->next_to_end_ == this) turn_->next_to_end_ = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  (previous_ != nullptr ? previous_->next_ : turn_->participants_) = next_;
}

Turn::Overseer::~Overseer() = default;

Turn::~Turn() {
  end_participants();
  detail::TaskRun::left_behind(*this);
  while (participants_ != nullptr) {
    participants_->turn_ = nullptr;
    participants_ = participants_->next_;
  }
  // Unlinked one by one: a long queue must not be destroyed by recursion along its links.
  while (first_to_flush_) {
    auto next = std::move(first_to_flush_->next_to_flush_);
    first_to_flush_->to_flush_ = false;
    first_to_flush_ = std::move(next);
  }
  while (first_to_wake_) {
    auto next = std::move(first_to_wake_->next_to_wake_);
    first_to_wake_->to_wake_ = false;
    first_to_wake_ = std::move(next);
  }
}

void Turn::flush_later(const std::shared_ptr<Participant>& participant) noexcept {
  if (std::exchange(participant->to_flush_, true)) return;
  auto& link = first_to_flush_ ? last_to_flush_->next_to_flush_ : first_to_flush_;
  link = participant;
  last_to_flush_ = participant.get();
}

void Turn::wake_later(const std::shared_ptr<Participant>& participant) noexcept {
  if (std::exchange(participant->to_wake_, true)) return;
  auto& link = first_to_wake_ ? last_to_wake_->next_to_wake_ : first_to_wake_;
  link = participant;
  last_to_wake_ = participant.get();
}

void Turn::release_later(std::shared_ptr<void> object) noexcept {
  try {
    released_.push_back(std::move(object));
  } catch (const std::bad_alloc&) {
    // Without memory for the list it is let go at once, which is early but leaks nothing.
    return;
  }
}

void Turn::flush_all() noexcept {
  while (first_to_flush_) {
    const auto participant = std::move(first_to_flush_);
    first_to_flush_ = std::move(participant->next_to_flush_);
    participant->to_flush_ = false;
    detail::prefetch(first_to_flush_.get(), participant_lines);
    participant->flush();
  }
}

void Turn::settle() noexcept {
  // A loop that is run inside a callback destroys nothing that this callback may still stand on.
  if (depth_ > 0) return flush_all();
  if (settling_ || (!first_to_flush_ && released_.empty())) return;
  settling_ = true;
  // Who oversees the loop sees what is called from here as callbacks of their own, also where a
  // callback ends by it.
  const bool ends_callback = edges() % 2 == 1;
  if (ends_callback) count_edge();
  while (first_to_flush_ || !released_.empty()) {
    flush_all();
    if (released_.empty()) break;
    // Destructors are user code: they may write, and let go of more. What enters the turn in there
    // belongs to them.
    count_edge();
    ++depth_;
    std::exchange(released_, {}).clear();
    --depth_;
    look_for_slow();
    count_edge();
  }
  if (ends_callback) count_edge();
  settling_ = false;
}

bool Turn::wake_waiting() noexcept {
  settle();
  // They stay in the list, so that a loop inside of one's callback comes to the others.
  std::size_t waiting = 0;
  for (const auto* each = first_to_wake_.get(); each != nullptr; each = each->next_to_wake_.get())
    ++waiting;
  const bool any = waiting > 0;
  for (; waiting > 0 && first_to_wake_; --waiting) {
    const auto participant = std::move(first_to_wake_);
    first_to_wake_ = std::move(participant->next_to_wake_);
    participant->to_wake_ = false;
    participant->wake();
  }
  return any;
}

void Turn::set_overseer(Overseer* overseer) {
  if (overseer != nullptr && overseer_ != nullptr) {
    throw InvalidArgument("This loop is overseen already; one watchdog is enough.");
  }
  overseer_ = overseer;
  slow_.store(false, std::memory_order_relaxed);
}

void Turn::tell_slow() noexcept {
  slow_.store(false, std::memory_order_relaxed);
  if (overseer_ != nullptr) overseer_->slow_callback_over(subject());
}

void Turn::end_participants() noexcept {
  const Scope scope(*this);
  for (auto* participant = participants_; participant != nullptr; participant = next_to_end_) {
    next_to_end_ = participant->next_;
    participant->loop_ended();
  }
  next_to_end_ = nullptr;
}

void Turn::refuse_thread() {
  throw WrongThreadError(
      "This belongs to a reactor that runs in another thread; hand the call over with "
      "Reactor::call_from_thread.");
}

void Turn::report(std::string_view what, const Failure& failure) noexcept {
  log_failure("reactor", what, failure);
}

}  // namespace weft
