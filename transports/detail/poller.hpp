// An epoll set: which descriptors a loop waits for, and who is told when one is ready.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace weft::detail {

/// Somebody whose descriptor is in a Poller.
class Polled {
 public:
  /// `events` are EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. Anything may be removed from the set
  /// meanwhile.
  virtual void ready(std::uint32_t events) noexcept = 0;

 protected:
  ~Polled() = default;
};

/// Level-triggered: what was not dealt with is told again. Thread: `wake` from any.
class Poller {
 public:
  /// Errors: std::system_error when the system has no descriptors left.
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Errors: std::system_error.
  void add(int descriptor, std::uint32_t events, Polled& who);
  /// Errors: std::system_error.
  void change(int descriptor, std::uint32_t events, Polled& who);
  /// To be called before the descriptor is closed: a copy of it in a child keeps it in the set.
  void remove(int descriptor, Polled& who) noexcept;

  /// Waits for `milliseconds` at most, for ever when negative, and tells all who are ready. May be
  /// called from inside `ready`.
  void wait(int milliseconds) noexcept;
  /// Whether more may have been ready than the last `wait` could tell.
  [[nodiscard]] bool crowded() const noexcept { return crowded_; }
  /// Makes a `wait` that runs or comes next return.
  void wake() noexcept;
  /// What is readable while somebody in the set is ready: a set may be in another loop.
  [[nodiscard]] int descriptor() const noexcept { return set_; }

 private:
  struct Batch;
  static constexpr std::size_t batch_size = 128;

  int set_;
  int wake_up_;
  bool crowded_ = false;
  // The innermost `wait` that runs.
  Batch* batch_ = nullptr;
};

}  // namespace weft::detail
