#include "stop_signals.hpp"

#include "../../framework/reactor.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

namespace weft::detail {

namespace {

constexpr int numbers[] = {SIGINT, SIGTERM};
// After so many the program must end, whatever the reactor is stuck in.
constexpr int patience = 3;

std::atomic<int> received{0};

#ifdef _WIN32

std::atomic<Reactor*> taker{nullptr};

// Windows runs it in a thread of its own, and forgets it each time.
void on_signal(int number) {
  if (++received >= patience) {
    std::signal(number, SIG_DFL);
    std::raise(number);
    return;
  }
  std::signal(number, &on_signal);
  if (Reactor* const reactor = taker.load()) reactor->stop_from_thread();
}

bool take_one(int number) noexcept {
  const auto before = std::signal(number, &on_signal);
  if (before == SIG_DFL) return true;
  std::signal(number, before);
  return false;
}

#else

std::atomic<int> pipe_to_reactor{-1};

void on_signal(int number) {
  const int saved = errno;
  if (++received >= patience) {
    std::signal(number, SIG_DFL);
    std::raise(number);
  }
  const char byte = 0;
  // A full pipe has told enough.
  [[maybe_unused]] const auto written = ::write(pipe_to_reactor.load(), &byte, 1);
  errno = saved;
}

bool take_one(int number) noexcept {
  struct sigaction before {};
  if (::sigaction(number, nullptr, &before) != 0) return false;
  if ((before.sa_flags & SA_SIGINFO) != 0 || before.sa_handler != SIG_DFL) return false;
  struct sigaction ours {};
  ours.sa_handler = &on_signal;
  ours.sa_flags = SA_RESTART;
  return ::sigaction(number, &ours, nullptr) == 0;
}

#endif

}  // namespace

#ifdef _WIN32

bool StopSignals::take(Reactor& reactor) {
  Reactor* nobody = nullptr;
  if (!taker.compare_exchange_strong(nobody, &reactor)) return false;
  received = 0;
  for (int i = 0; i < signals; ++i)
    taken_[i] = take_one(numbers[i]);
  if (taken_[0] || taken_[1]) return true;
  taker = nullptr;
  return false;
}

void StopSignals::give_back() noexcept {
  bool any = false;
  for (int i = 0; i < signals; ++i) {
    if (!taken_[i]) continue;
    std::signal(numbers[i], SIG_DFL);
    taken_[i] = false;
    any = true;
  }
  if (any) taker = nullptr;
}

bool StopSignals::read_one() noexcept {
  return false;
}

#else

bool StopSignals::take(Reactor&) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::system_category(), "No pipe for signals could be made");
  }
  read_end_ = ends[0];
  write_end_ = ends[1];
  int nobody = -1;
  if (pipe_to_reactor.compare_exchange_strong(nobody, write_end_)) {
    received = 0;
    for (int i = 0; i < signals; ++i)
      taken_[i] = take_one(numbers[i]);
  }
  if (taken_[0] || taken_[1]) return true;
  give_back();
  return false;
}

void StopSignals::give_back() noexcept {
  if (write_end_ < 0) return;
  for (int i = 0; i < signals; ++i) {
    if (taken_[i]) std::signal(numbers[i], SIG_DFL);
    taken_[i] = false;
  }
  int ours = write_end_;
  pipe_to_reactor.compare_exchange_strong(ours, -1);
  ::close(read_end_);
  ::close(write_end_);
  read_end_ = write_end_ = -1;
}

bool StopSignals::read_one() noexcept {
  char byte = 0;
  return ::read(read_end_, &byte, 1) == 1;
}

#endif

}  // namespace weft::detail
