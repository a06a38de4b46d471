#include "signals.hpp"

#include "../framework/error.hpp"
#include "../framework/turn.hpp"

#include <string>
#include <utility>

#ifdef _WIN32
#include <csignal>
#include <map>
#include <mutex>
#else
#include "detail/signal_pipe.hpp"
#endif

namespace weft {

namespace {

[[noreturn]] void refuse_taken(int signal) {
  throw AlreadyWatchedError("Signal " + std::to_string(signal) +
                            " is watched already, or a reactor that runs has it to stop by; "
                            "cancel that watch, or call set_stop_on_signals(false) before.");
}

#ifndef _WIN32

class SignalWatcher final : public Watch::Watcher,
                            public std::enable_shared_from_this<SignalWatcher> {
 public:
  SignalWatcher(Reactor& reactor, Callback callback)
      : reactor_(reactor), callback_(std::move(callback)) {}

  void begin(int signal, const SourceLocation& where) {
    pipe_.open(0);
    if (!pipe_.take(signal, detail::SignalPipe::Take::anyway)) refuse_taken(signal);
    const auto read = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->read_all();
    };
    watch_ = reactor_.watch(pipe_.descriptor(), Interest::readable, read, where);
  }
  void cancel() noexcept override {
    watch_.cancel();
    pipe_.give_back();
  }
  [[nodiscard]] bool active() const noexcept override { return watch_.active(); }

 private:
  void read_all() {
    // Cancelled by its own callback, it reads no more.
    while (pipe_.read_one() != 0)
      reactor_.turn().enter_logged("A signal's callback threw", callback_);
  }

  Reactor& reactor_;
  Callback callback_;
  detail::SignalPipe pipe_;
  Watch watch_;
};

#else

class SignalWatcher final : public Watch::Watcher,
                            public std::enable_shared_from_this<SignalWatcher> {
 public:
  SignalWatcher(Reactor& reactor, Callback callback)
      : reactor_(reactor), callback_(std::move(callback)) {}

  void begin(int signal, const SourceLocation&) {
    if (signal != SIGINT && signal != SIGTERM && signal != SIGBREAK) {
      throw NotSupportedOnThisPlatform("Windows has no signal " + std::to_string(signal) +
                                       "; watch SIGINT, SIGBREAK or SIGTERM.");
    }
    const std::lock_guard lock(mutex_);
    if (watchers_.contains(signal)) refuse_taken(signal);
    watchers_[signal] = weak_from_this();
    signal_ = signal;
    before_ = std::signal(signal, &on_delivery);
  }
  void cancel() noexcept override {
    const std::lock_guard lock(mutex_);
    if (signal_ == 0) return;
    watchers_.erase(signal_);
    std::signal(std::exchange(signal_, 0), before_);
  }
  [[nodiscard]] bool active() const noexcept override { return signal_ != 0; }

 private:
  // Windows runs it in a thread of its own, and forgets it each time.
  static void on_delivery(int number) {
    std::signal(number, &on_delivery);
    const std::lock_guard lock(mutex_);
    const auto found = watchers_.find(number);
    if (found == watchers_.end()) return;
    const auto self = found->second.lock();
    if (self == nullptr) return;
    self->reactor_.call_from_thread([weak = found->second] {
      const auto watcher = weak.lock();
      if (watcher != nullptr && watcher->active()) watcher->callback_();
    });
  }

  static inline std::mutex mutex_;
  static inline std::map<int, std::weak_ptr<SignalWatcher>> watchers_;

  Reactor& reactor_;
  Callback callback_;
  int signal_ = 0;
  void (*before_)(int) = SIG_DFL;
};

#endif

}  // namespace

Watch on_signal(Reactor& reactor, int signal, Callback callback, CallPlace where) {
  if (!callback) throw InvalidArgument("A signal is watched by a callback; pass one.");
  auto watcher = std::make_shared<SignalWatcher>(reactor, std::move(callback));
  watcher->begin(signal, where);
  return Watch(std::move(watcher));
}

}  // namespace weft
