#include "systemd.hpp"

#include "../framework/error.hpp"

#ifdef __linux__

#include <charconv>
#include <cstdlib>
#include <fcntl.h>
#include <unistd.h>

namespace weft {

namespace {

// SD_LISTEN_FDS_START
constexpr int first_descriptor = 3;
constexpr long most = 10'000;

std::string_view variable(const char* name) noexcept {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

long number_in(const char* name) {
  const auto text = variable(name);
  long value = 0;
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0) {
    throw ListenError(std::string(name) + " is \"" + std::string(text) +
                      "\", which is no number; have systemd start this program, or unset it.");
  }
  return value;
}

std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> names;
  for (;;) {
    const auto colon = text.find(':');
    names.emplace_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return names;
    text.remove_prefix(colon + 1);
  }
}

void check_open(int descriptor) {
  if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0) return;
  throw ListenError("LISTEN_FDS counts descriptor " + std::to_string(descriptor) +
                    ", which is not open; have systemd start this program, or unset it.");
}

ListeningPort listen_on(Reactor& reactor, const PassedSocket& socket,
                        std::shared_ptr<Factory> factory) {
  const int copy = ::fcntl(static_cast<int>(socket.descriptor), F_DUPFD_CLOEXEC, first_descriptor);
  if (copy < 0) {
    const std::error_code error(errno, std::system_category());
    throw ListenError("The socket \"" + socket.name + "\" of systemd cannot be copied: " +
                          error.message() + "; close other descriptors first.",
                      {}, error);
  }
  return reactor.adopt_port(copy, std::move(factory));
}

std::string told(const std::vector<PassedSocket>& sockets) {
  if (sockets.empty()) return "systemd passed none; start this program by a socket unit.";
  std::string text = "systemd passed";
  for (const PassedSocket& socket : sockets)
    text += " \"" + socket.name + "\"";
  return text + ".";
}

}  // namespace

std::vector<PassedSocket> sockets_from_systemd() {
  if (variable("LISTEN_FDS").empty() || variable("LISTEN_PID").empty()) return {};
  if (number_in("LISTEN_PID") != ::getpid()) return {};
  const auto count = number_in("LISTEN_FDS");
  if (count > most) throw ListenError("LISTEN_FDS counts more descriptors than there can be.");
  const auto names_told = variable("LISTEN_FDNAMES");
  const auto names = names_told.empty() ? std::vector<std::string>() : names_in(names_told);
  if (!names.empty() && names.size() != static_cast<std::size_t>(count)) {
    throw ListenError("LISTEN_FDNAMES has " + std::to_string(names.size()) +
                      " names for LISTEN_FDS of " + std::to_string(count) +
                      "; have systemd set both.");
  }
  std::vector<PassedSocket> sockets;
  for (int i = 0; i < count; ++i) {
    check_open(first_descriptor + i);
    sockets.push_back(
        {first_descriptor + i, names.empty() ? "unknown" : names[static_cast<std::size_t>(i)]});
  }
  return sockets;
}

ListeningPort listen_systemd(Reactor& reactor, std::string_view name,
                             std::shared_ptr<Factory> factory) {
  const auto sockets = sockets_from_systemd();
  const PassedSocket* found = nullptr;
  for (const PassedSocket& socket : sockets) {
    if (socket.name != name) continue;
    if (found != nullptr) {
      throw ListenError("Several sockets of systemd are called \"" + std::string(name) +
                        "\"; give their units names of their own, or choose one by its index.");
    }
    found = &socket;
  }
  if (found == nullptr) {
    throw ListenError("No socket of systemd is called \"" + std::string(name) +
                      "\": " + told(sockets));
  }
  return listen_on(reactor, *found, std::move(factory));
}

ListeningPort listen_systemd(Reactor& reactor, std::size_t index,
                             std::shared_ptr<Factory> factory) {
  const auto sockets = sockets_from_systemd();
  if (index >= sockets.size()) {
    throw ListenError("There is no socket of systemd with the index " + std::to_string(index) +
                      ": " + told(sockets));
  }
  return listen_on(reactor, sockets[index], std::move(factory));
}

}  // namespace weft

#else

namespace weft {

namespace {

[[noreturn]] void refuse_systemd() {
  throw NotSupportedOnThisPlatform("There is no systemd here; have the reactor listen itself.");
}

}  // namespace

std::vector<PassedSocket> sockets_from_systemd() {
  refuse_systemd();
}
ListeningPort listen_systemd(Reactor&, std::string_view, std::shared_ptr<Factory>) {
  refuse_systemd();
}
ListeningPort listen_systemd(Reactor&, std::size_t, std::shared_ptr<Factory>) {
  refuse_systemd();
}

}  // namespace weft

#endif
