// What a service tells systemd about itself: that it is ready, reloads, stops, and still lives.
#pragma once

#include "../../framework/clock.hpp"
#include "../../framework/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace weft {

/// Speaks the protocol of sd_notify(3). Where nobody wants to know, everything does nothing. What
/// cannot be sent is logged, once, and never thrown. Source: sd_notify(3), sd_watchdog_enabled(3)
class SystemdNotifier {
 public:
  /// Tells nobody.
  SystemdNotifier() noexcept = default;
  /// Tells who listens at `socket`: a path, or "@" and an abstract name.
  /// Errors: InvalidArgument for another kind; NotSupportedOnThisPlatform; std::system_error.
  explicit SystemdNotifier(std::string_view socket);
  /// As NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say, which are taken out of the environment,
  /// so that children do not speak for this program. Call it before there are other threads.
  [[nodiscard]] static SystemdNotifier from_environment();
  ~SystemdNotifier();
  SystemdNotifier(SystemdNotifier&& other) noexcept;
  SystemdNotifier& operator=(SystemdNotifier&& other) noexcept;

  /// Whether anybody is told.
  [[nodiscard]] bool active() const noexcept { return descriptor_ >= 0; }
  /// How long systemd waits for a sign of life before it ends the service; send one in half of it.
  [[nodiscard]] std::optional<Duration> watchdog_interval() const noexcept { return watchdog_; }

  void ready() { notify("READY=1"); }
  /// `ready` ends it.
  void reloading();
  /// `at_most` is how long that may take.
  void stopping(Duration at_most);
  /// One line that `systemctl status` shows.
  void status(std::string_view text);
  void sign_of_life() { notify("WATCHDOG=1"); }
  /// Any assignments, one a line.
  void notify(std::string_view state) noexcept;

 private:
  std::string address_;
  int descriptor_ = -1;
  bool complained_ = false;
  std::optional<Duration> watchdog_;
};

}  // namespace weft
