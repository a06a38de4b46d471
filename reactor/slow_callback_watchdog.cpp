#include "slow_callback_watchdog.hpp"

#include "../framework/detail/names.hpp"
#include "../framework/error.hpp"
#include "../framework/logging.hpp"
#include "../framework/turn.hpp"
#include "detail/stack_sampler.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace weft {

namespace {

using SteadyClock = std::chrono::steady_clock;

void log_it(const SlowCallback& slow) {
  log(LogLevel::warning, "watchdog", slow.text());
}

}  // namespace

std::string SlowCallback::text() const {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(lasted).count();
  std::string text = whose.empty() ? "A callback" : "A callback of " + whose;
  const auto place = detail::place_text(scheduled_at);
  if (!place.empty()) text += ", scheduled at " + place + ',';
  text += over ? " held up the loop for " : " has held up the loop for ";
  text += std::to_string(milliseconds) + " ms";
  if (!over) text += " and still runs";
  for (const auto& frame : stack)
    text += "\n  " + frame;
  return text;
}

class SlowCallbackWatchdog::Guard final : private Turn::Overseer {
 public:
  Guard(Reactor& reactor, WatchdogOptions options)
      : turn_(reactor.turn()), options_(std::move(options)) {
    if (options_.limit <= Duration::zero()) {
      throw InvalidArgument("A watchdog's limit must be longer than nothing; 100 ms is usual.");
    }
    if (!options_.tell) options_.tell = log_it;
    turn_.set_overseer(this);
    try {
      thread_ = std::thread([this] { watch(); });
    } catch (...) {
      turn_.set_overseer(nullptr);
      throw;
    }
  }
  ~Guard() override {
    {
      const std::lock_guard lock(mutex_);
      leaving_ = true;
    }
    changed_.notify_one();
    thread_.join();
    turn_.set_overseer(nullptr);
  }

 private:
  // What goes on in the loop, as far as was seen from here.
  struct Seen {
    std::uint64_t edges = 0;
    SteadyClock::time_point since;
    bool told = false;
  };

  void watch() {
    const auto pause = std::max<Duration>(options_.limit / 4, std::chrono::microseconds(100));
    Seen seen{turn_.edges(), SteadyClock::now(), false};
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, pause, [this] { return leaving_; })) {
      const auto edges = turn_.edges();
      const auto now = SteadyClock::now();
      if (edges != seen.edges) {
        seen = {edges, now, false};
      } else if (edges % 2 == 1 && !seen.told && now - seen.since >= options_.limit) {
        seen.told = true;
        lock.unlock();
        found(seen, now - seen.since);
        lock.lock();
      }
    }
  }

  void found(const Seen& seen, Duration lasted) {
    const auto sample = sampler_.sample(turn_);
    // It may have ended meanwhile, and the sample show another.
    if (turn_.edges() != seen.edges) return;
    SlowCallback slow;
    slow.lasted = lasted;
    if (sample) {
      if (sample->subject_type != nullptr) slow.whose = detail::type_text(sample->subject_type);
      slow.scheduled_at = sample->scheduled_at;
      slow.stack = sample->stack;
    }
    {
      const std::lock_guard lock(mutex_);
      slow_ = slow;
      slow_seen_ = seen;
    }
    turn_.note_slow();
    options_.tell(slow);
  }

  void slow_callback_over(const Turn::Subject& subject) noexcept override {
    try {
      std::unique_lock lock(mutex_);
      if (!slow_) return;
      auto slow = *std::exchange(slow_, std::nullopt);
      // It may have ended before the loop was asked to tell, and this be another.
      const bool still_that = turn_.edges() == slow_seen_.edges;
      if (still_that) slow.lasted = SteadyClock::now() - slow_seen_.since;
      lock.unlock();
      slow.over = true;
      if (still_that && subject.participant != nullptr) {
        auto whose = subject.participant->describe().subject;
        if (!whose.empty()) slow.whose = std::move(whose);
      }
      options_.tell(slow);
    } catch (...) {
      log_failure("watchdog", "A slow callback could not be told of", Failure::current());
    }
  }

  Turn& turn_;
  WatchdogOptions options_;
  detail::StackSampler sampler_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool leaving_ = false;
  std::optional<SlowCallback> slow_;
  Seen slow_seen_{};
  std::thread thread_;
};

SlowCallbackWatchdog::SlowCallbackWatchdog(Reactor& reactor, WatchdogOptions options)
    : guard_(std::make_unique<Guard>(reactor, std::move(options))) {}

SlowCallbackWatchdog::~SlowCallbackWatchdog() = default;

}  // namespace weft
