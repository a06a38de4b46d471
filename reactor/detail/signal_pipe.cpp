#include "signal_pipe.hpp"

#include "../../framework/error.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <string>
#include <system_error>
#include <unistd.h>

namespace weft::detail {

struct SignalPipe::Taker {
  ~Taker() {
    ::close(read_end);
    ::close(write_end);
  }
  int read_end = -1;
  int write_end = -1;
  int patience = 0;
  std::atomic<int> received{0};
};

namespace {

struct Slot {
  std::atomic<SignalPipe::Taker*> taker{nullptr};
  struct sigaction before {};
};

Slot slots[NSIG];
// Whoever takes a taker away waits for those who may still use it.
std::atomic<int> running{0};

void on_delivery(int number) {
  const int saved = errno;
  ++running;
  if (auto* const taker = slots[number].taker.load()) {
    if (taker->patience > 0 && ++taker->received >= taker->patience) {
      std::signal(number, SIG_DFL);
      std::raise(number);
    }
    const char byte = static_cast<char>(number);
    // A full pipe has told enough.
    [[maybe_unused]] const auto written = ::write(taker->write_end, &byte, 1);
  }
  --running;
  errno = saved;
}

bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == &on_delivery;
}

bool is_default(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_DFL;
}

bool can_be_taken(int signal) noexcept {
  // A fault comes again as soon as its handler returns, and the loop would never hear of it.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSTOP}) {
    if (signal == fault) return false;
  }
  struct sigaction action {};
  return signal > 0 && signal < NSIG && ::sigaction(signal, nullptr, &action) == 0;
}

}  // namespace

SignalPipe::SignalPipe() noexcept = default;

SignalPipe::~SignalPipe() {
  give_back();
}

void SignalPipe::open(int patience) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::system_category(), "No pipe for signals could be made");
  }
  taker_ = std::make_unique<Taker>();
  taker_->read_end = ends[0];
  taker_->write_end = ends[1];
  taker_->patience = patience;
}

bool SignalPipe::take(int signal, Take which) {
  if (!can_be_taken(signal)) {
    throw InvalidArgument("Signal " + std::to_string(signal) +
                          " cannot be watched; choose one that may be caught.");
  }
  struct sigaction before {};
  ::sigaction(signal, nullptr, &before);
  if (which == Take::where_default && !is_default(before)) return false;
  taken_.reserve(taken_.size() + 1);
  Taker* nobody = nullptr;
  if (!slots[signal].taker.compare_exchange_strong(nobody, taker_.get())) return false;
  slots[signal].before = before;
  struct sigaction ours {};
  ours.sa_handler = &on_delivery;
  ours.sa_flags = SA_RESTART;
  if (::sigaction(signal, &ours, nullptr) != 0) {
    slots[signal].taker = nullptr;
    return false;
  }
  taken_.push_back(signal);
  return true;
}

void SignalPipe::give_back() noexcept {
  if (taker_ == nullptr) return;
  for (const int signal : taken_) {
    struct sigaction now {};
    ::sigaction(signal, nullptr, &now);
    if (is_ours(now)) ::sigaction(signal, &slots[signal].before, nullptr);
    slots[signal].taker = nullptr;
  }
  taken_.clear();
  while (running > 0)
    ::sched_yield();
  taker_.reset();
}

Descriptor SignalPipe::descriptor() const noexcept {
  return taker_ != nullptr ? taker_->read_end : -1;
}

int SignalPipe::read_one() noexcept {
  char byte = 0;
  return taker_ != nullptr && ::read(taker_->read_end, &byte, 1) == 1 ? byte : 0;
}

}  // namespace weft::detail
