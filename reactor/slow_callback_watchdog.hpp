// Finds callbacks that hold up a loop: whose they are, where they stand, and how long they took.
#pragma once

#include "../framework/reactor.hpp"
#include "../framework/source_location.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weft {

/// A callback that takes longer than it should.
struct SlowCallback {
  /// Whose it is: the protocol's type while it runs, with the peer once it is over. Empty for a
  /// callback of no connection.
  std::string whose;
  /// For a scheduled call: where it was scheduled.
  SourceLocation scheduled_at;
  /// How long it has run, to within a quarter of the limit; when it is over, at least so long.
  Duration lasted{};
  /// Where it stood when it was found, innermost first; empty where the system cannot tell, or when
  /// it did not answer. Names are those of the dynamic symbols: link with -rdynamic to see yours.
  std::vector<std::string> stack;
  /// Whether it has returned.
  bool over = false;

  /// All of it for people.
  [[nodiscard]] std::string text() const;
};

/// What counts as slow, and who is told.
struct WatchdogOptions {
  WatchdogOptions() {}
  Duration limit = std::chrono::milliseconds(100);
  /// Called twice for each slow callback: by the watchdog's thread as soon as it is found, and in
  /// the loop's when it is over. It is logged as a warning unless this is set. It must neither
  /// throw nor destroy the watchdog.
  std::function<void(const SlowCallback&)> tell;
};

/// Looks from a thread of its own whether the loop is stuck in a callback; the loop itself reads no
/// clock for it. To see where, it interrupts the loop's thread by SIGURG, once for each slow
/// callback: system calls of that callback may fail with EINTR.
/// Thread: made and destroyed in the one that runs the reactor. Lifetime: ends before its reactor.
/// Errors: InvalidArgument for a limit that is not positive, or when the reactor has one already;
/// std::system_error when no thread can be started.
class SlowCallbackWatchdog {
 public:
  explicit SlowCallbackWatchdog(Reactor& reactor, WatchdogOptions options = {});
  ~SlowCallbackWatchdog();
  SlowCallbackWatchdog(const SlowCallbackWatchdog&) = delete;
  SlowCallbackWatchdog& operator=(const SlowCallbackWatchdog&) = delete;

 private:
  class Guard;
  std::unique_ptr<Guard> guard_;
};

}  // namespace weft
