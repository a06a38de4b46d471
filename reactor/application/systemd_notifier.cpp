#include "systemd_notifier.hpp"

#include "../../framework/logging.hpp"

#include <utility>

#ifdef __linux__

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

#endif

namespace weft {

SystemdNotifier::SystemdNotifier(SystemdNotifier&& other) noexcept
    : address_(std::move(other.address_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      complained_(other.complained_),
      watchdog_(other.watchdog_) {}

SystemdNotifier& SystemdNotifier::operator=(SystemdNotifier&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(complained_, other.complained_);
  std::swap(watchdog_, other.watchdog_);
  return *this;
}

void SystemdNotifier::status(std::string_view text) {
  std::string line = "STATUS=" + std::string(text);
  // A second line would be another assignment.
  for (char& letter : line) {
    if (letter == '\n') letter = ' ';
  }
  notify(line);
}

#ifdef __linux__

namespace {

// Whoever reads is a quick reader; the loop must not hang on one that is not.
constexpr timeval max_wait{1, 0};

std::string take_variable(const char* name) {
  const char* const value = std::getenv(name);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(name);
  return text;
}

std::optional<std::int64_t> number_in(std::string_view text) {
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && rest == text.data() + text.size();
  return whole && number > 0 ? std::optional(number) : std::nullopt;
}

std::int64_t in_microseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

}  // namespace

SystemdNotifier::SystemdNotifier(std::string_view socket) {
  sockaddr_un address{};
  const bool known = socket.size() > 1 && (socket[0] == '/' || socket[0] == '@');
  if (!known || socket.size() >= sizeof address.sun_path) {
    throw InvalidArgument("\"" + std::string(socket) +
                          "\" cannot be notified; name the path of a socket, or @ and a name.");
  }
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket.data(), socket.size());
  const bool abstract = socket[0] == '@';
  if (abstract) address.sun_path[0] = '\0';
  // An abstract name has no end but that of the address.
  const auto length = offsetof(sockaddr_un, sun_path) + socket.size() + (abstract ? 0 : 1);
  address_.assign(reinterpret_cast<const char*>(&address), length);
  descriptor_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor_ < 0)
    throw std::system_error(errno, std::system_category(), "No socket for systemd could be made");
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &max_wait, sizeof max_wait);
}

SystemdNotifier::~SystemdNotifier() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

SystemdNotifier SystemdNotifier::from_environment() {
  const auto socket = take_variable("NOTIFY_SOCKET");
  const auto interval = take_variable("WATCHDOG_USEC");
  const auto process = take_variable("WATCHDOG_PID");
  if (socket.empty()) return {};
  try {
    SystemdNotifier notifier(socket);
    const auto microseconds = number_in(interval);
    const bool for_us = process.empty() || number_in(process) == ::getpid();
    if (microseconds && for_us) notifier.watchdog_ = std::chrono::microseconds(*microseconds);
    return notifier;
  } catch (...) {
    log_failure("systemd", "systemd will not be told of this service", Failure::current());
    return {};
  }
}

void SystemdNotifier::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto microseconds = std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

void SystemdNotifier::stopping(Duration at_most) {
  notify("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(in_microseconds(at_most)));
}

void SystemdNotifier::notify(std::string_view state) noexcept {
  if (!active()) return;
  const auto* const address = reinterpret_cast<const sockaddr*>(address_.data());
  for (;;) {
    const auto sent = ::sendto(descriptor_, state.data(), state.size(), MSG_NOSIGNAL, address,
                               static_cast<socklen_t>(address_.size()));
    if (sent >= 0 || errno != EINTR) {
      if (sent < 0 && !std::exchange(complained_, true)) {
        log_failure("systemd", "systemd could not be told of this service",
                    Failure(std::system_error(errno, std::system_category(), "sendto")));
      }
      return;
    }
  }
}

#else

SystemdNotifier::SystemdNotifier(std::string_view) {
  throw NotSupportedOnThisPlatform("There is no systemd here; leave the notifier out.");
}

SystemdNotifier::~SystemdNotifier() = default;

SystemdNotifier SystemdNotifier::from_environment() {
  return {};
}

void SystemdNotifier::reloading() {}
void SystemdNotifier::stopping(Duration) {}
void SystemdNotifier::notify(std::string_view) noexcept {}

#endif

}  // namespace weft
