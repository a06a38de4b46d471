#include "stop_signals.hpp"

#include "../../framework/reactor.hpp"

#include <atomic>
#include <csignal>

namespace weft::detail {

namespace {

constexpr int numbers[] = {SIGINT, SIGTERM};
// After so many the program must end, whatever the reactor is stuck in.
constexpr int patience = 3;

#ifdef _WIN32

std::atomic<int> received{0};
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

#else

bool StopSignals::take(Reactor&) {
  pipe_.open(patience);
  bool any = false;
  for (const int number : numbers)
    any = pipe_.take(number, SignalPipe::Take::where_default) || any;
  if (!any) give_back();
  return any;
}

void StopSignals::give_back() noexcept {
  pipe_.give_back();
}

#endif

}  // namespace weft::detail
