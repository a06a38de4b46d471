// Listening sockets that systemd opened for this program and passed to it.
#pragma once

#include "../framework/factory.hpp"
#include "../framework/listening_port.hpp"
#include "../framework/reactor.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

/// One of the sockets. It stays open until the program ends, so that it may be listened on again.
struct PassedSocket {
  Descriptor descriptor = -1;
  /// What `FileDescriptorName=` says in its unit; "unknown" where it says nothing.
  std::string name;
};

/// What was passed, in order; nothing when it was meant for another process. Source:
/// sd_listen_fds(3): LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES. Errors: ListenError when these
/// contradict each other or what is open, NotSupportedOnThisPlatform.
[[nodiscard]] std::vector<PassedSocket> sockets_from_systemd();

/// Accepts connections on the socket of that name. Errors: ListenError, thrown at once, also when
/// none has that name or several have.
ListeningPort listen_systemd(Reactor& reactor, std::string_view name,
                             std::shared_ptr<Factory> factory);
/// The same on the socket with that index, counted from zero.
ListeningPort listen_systemd(Reactor& reactor, std::size_t index, std::shared_ptr<Factory> factory);

}  // namespace weft
