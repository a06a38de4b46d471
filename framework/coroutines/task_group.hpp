// Work that is begun together and ends together: a group leaves no child behind.
#pragma once

#include "../deferred.hpp"
#include "../error.hpp"
#include "../failure.hpp"
#include "../source_location.hpp"
#include "task.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft {

/// Several children of a group failed.
class GroupError : public Error {
 public:
  explicit GroupError(std::vector<Failure> failures);
  /// In the order in which they failed.
  [[nodiscard]] const std::vector<Failure>& failures() const noexcept { return failures_; }

 private:
  std::vector<Failure> failures_;
};
/// A group was to take a child after it was cancelled, or after a child had failed.
class GroupClosed : public Error {
 public:
  using Error::Error;
};

/// Keeps tasks and deferreds that must not outlive it. The first that fails has the others
/// cancelled, unless failures are only logged. Being cancelled is not a failure. Lifetime:
/// destroying it cancels its children, and destroys where they wait those that have not ended then:
/// none of their code runs afterwards, so as a member that is declared last it keeps what its
/// children capture of the object, `this` for one. (A child that destroys its own group goes on to
/// its next wait.) Errors: failures that nobody joined for are logged.
class TaskGroup {
 public:
  enum class OnFailure : std::uint8_t {
    /// The first failure cancels the others, and `join` tells.
    cancel_others,
    /// Each failure is logged, and is nobody else's business: for work in the background.
    log,
  };

  explicit TaskGroup(OnFailure on_failure = OnFailure::cancel_others) noexcept
      : on_failure_(on_failure) {}
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Begins `task` as a child; what it gives is dropped. Errors: GroupClosed, and the task is
  /// dropped.
  template <class T>
  void start(Task<T> task, SourceLocation where = SourceLocation::current()) {
    check_open();
    auto name = task.name();
    add<T>(
        std::move(name), [&] { return ensure_deferred(std::move(task), where); }, where);
  }
  /// Takes `deferred`, and with it the callbacks that it ends, as a child. Errors: GroupClosed, and
  /// the deferred is abandoned, since its callbacks may use what the group would have kept.
  template <class T>
  void adopt(Deferred<T> deferred, SourceLocation where = SourceLocation::current()) {
    if (closed_) deferred.abandon();
    check_open();
    add<T>(
        {}, [&] { return std::move(deferred); }, where);
  }

  /// Cancels all children; those that clean up may take their time. It takes no more. Called again,
  /// it cancels what cleans up.
  void cancel() noexcept;
  /// Ready when there are no children; fails with what one of them failed with, or with a
  /// GroupError when several did, which then count as told. Cancelling it cancels the group.
  Deferred<void> join(SourceLocation where = SourceLocation::current());

  [[nodiscard]] std::size_t size() const noexcept { return children_.size() + cancelling_.size(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  /// It was cancelled, or a failure has cancelled it: it takes no more.
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  struct Child;
  using Children = std::list<Child>;
  struct Child {
    std::string name;
    std::optional<Deferred<void>> deferred;
    // The list that it is in, and where.
    Children* home = nullptr;
    Children::iterator self;
  };
  struct Join {
    std::optional<Promise<void>> promise;
    bool cancelled = false;
    // Null once it is being told, when the group may be gone.
    TaskGroup* group = nullptr;
  };

  // Tells whoever runs something of ours whether that destroyed the group.
  class Watch {
   public:
    explicit Watch(TaskGroup& group) noexcept;
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    [[nodiscard]] bool destroyed() const noexcept { return destroyed_; }

   private:
    TaskGroup& group_;
    bool* outer_;
    bool destroyed_ = false;
  };

  void check_open() const;
  Child& add_child(std::string name);
  void remove(Child& child) noexcept;
  void ended(Child& child, const Failure* failure) noexcept;
  void keep_failure(const Failure& failure) noexcept;
  void cancel_children() noexcept;
  void tell_if_over() noexcept;
  [[nodiscard]] Outcome<void> take_result();

  template <class T, class Begin>
  void add(std::string name, Begin&& begin, SourceLocation where) {
    auto& child = add_child(std::move(name));
    std::optional<Deferred<T>> begun;
    const Watch group(*this);
    try {
      begun.emplace(begin());
      if (!begun->valid()) detail::refuse_consumed();
    } catch (...) {
      if (!group.destroyed()) remove(child);
      throw;
    }
    // The child destroyed its own group as it began.
    if (group.destroyed()) return begun->abandon();
    auto watched = std::move(*begun).add_both(
        [this, &child](const Outcome<T>& outcome) {
          ended(child, outcome ? nullptr : &outcome.failure());
        },
        where);
    // Where it had ended, the child is gone, and maybe the group with it.
    if (watched.ready()) return;
    child.deferred.emplace(std::move(watched));
    // It was cancelled while the child began.
    if (closed_) child.deferred->cancel();
  }

  OnFailure on_failure_;
  bool closed_ = false;
  bool cancelling_now_ = false;
  // Set by the destructor, for whoever of ours runs below it.
  bool* destroyed_ = nullptr;
  Children children_;
  // Those whose turn to be cancelled has not come yet.
  Children cancelling_;
  std::list<Join> joins_;
  std::vector<Failure> failures_;
};

namespace detail {

/// Begins `body` as a child of `group`, and keeps what it gives.
template <class R, class Body>
Task<void> keep_result_of(Body& body, TaskGroup& group, std::optional<Stored<R>>& result) {
  if constexpr (std::is_void_v<R>) {
    co_await body(group);
    result.emplace();
  } else {
    result.emplace(co_await body(group));
  }
}

}  // namespace detail

/// Runs `body(TaskGroup&)`, which gives a task, and waits for all that it starts in the group.
/// Gives what `body` gives. When the body or a child fails the others are cancelled and waited for,
/// and it fails as `TaskGroup::join` does; when it is cancelled, so are they, and it fails with
/// CancelledError.
template <class Body>
auto with_task_group(Body body) -> Task<typename std::invoke_result_t<Body&, TaskGroup&>::Value> {
  using R = typename std::invoke_result_t<Body&, TaskGroup&>::Value;
  std::optional<detail::Stored<R>> result;
  TaskGroup group;
  group.start(detail::keep_result_of<R>(body, group, result));
  auto joined = co_await as_result(group.join());
  // One who cancels this cancels the children, but still has to wait until they have ended.
  while (!group.empty()) {
    auto rest = co_await as_result(group.join());
    if (!rest) joined = std::move(rest);
  }
  // Awaited, so that it keeps its place.
  if (!joined) co_await fail<void>(joined.failure());
  if constexpr (std::is_void_v<R>) {
    // A body may end its group by cancelling it.
    if (!result && !group.closed()) throw CancelledError();
  } else {
    if (!result) throw CancelledError();
    co_return std::move(*result);
  }
}

}  // namespace weft
