// Named pipes of Windows: connections between programs of one machine, by a name.
#pragma once

#include "../framework/deferred.hpp"
#include "../framework/factory.hpp"
#include "../framework/listening_port.hpp"
#include "../framework/reactor.hpp"

#include <memory>
#include <string>

namespace weft {

/// How to listen on a named pipe.
struct PipeListenOptions {
  PipeListenOptions() {}
  /// Who may connect, as a security descriptor in Windows' definition language, such as
  /// "D:(A;;GA;;;WD)" for everybody. Empty for the owner, administrators and the system itself.
  std::string security;
  /// Whether programs on other machines may connect.
  bool remote_clients = false;
};

/// Accepts connections on the named pipe `name`, such as "weft-x" or "\\.\pipe\weft-x", which are
/// the same, in UTF-8. A pipe has no way of ending one direction alone. Only the reactor "iocp"
/// has named pipes. Errors: AddressInUse, ListenError, InvalidArgument for a name or a security
/// descriptor that makes no sense, NotSupportedOnThisPlatform; thrown at once.
ListeningPort listen_pipe(Reactor& reactor, std::string name, std::shared_ptr<Factory> factory,
                          const PipeListenOptions& options = {});

/// Connects to the named pipe `name` of this machine; like `Reactor::connect_tcp`. Waits while all
/// that the server has are taken. The server learns who we are, and cannot act as us. Errors:
/// ConnectionRefused where nobody listens, ConnectTimeout, ConnectError, NoProtocol,
/// ConnectingCancelled, or what `connection_made` threw. InvalidArgument for a name that makes no
/// sense and NotSupportedOnThisPlatform are thrown at once.
Deferred<std::shared_ptr<Protocol>> connect_pipe(Reactor& reactor, std::string name,
                                                 std::shared_ptr<Factory> factory,
                                                 const ConnectOptions& options = {});

}  // namespace weft
