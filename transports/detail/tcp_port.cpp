#include "tcp_port.hpp"

#include "../../framework/error.hpp"
#include "refused_port.hpp"
#include "socket_address.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <system_error>

namespace weft::detail {

namespace {

bool set(int socket, int level, int name, bool on) {
  const int value = on ? 1 : 0;
  return ::setsockopt(socket, level, name, &value, sizeof value) == 0;
}

// None when one of the calls failed, which errno tells.
OwnedDescriptor bound(const Address& address, const ListenOptions& options) {
  const bool v6 = address.family() == Address::Family::ipv6;
  const SocketAddress target(address);
  OwnedDescriptor socket(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool done = socket.open() && set(socket.get(), SOL_SOCKET, SO_REUSEADDR, true) &&
                    (!options.reuse_port || set(socket.get(), SOL_SOCKET, SO_REUSEPORT, true)) &&
                    (!v6 || set(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only)) &&
                    set(socket.get(), IPPROTO_TCP, TCP_NODELAY, true) &&
                    ::bind(socket.get(), target.data(), target.size()) == 0;
  if (done) return socket;
  const int error = errno;
  socket.close();
  errno = error;
  return {};
}

}  // namespace

PassedPort open_tcp_port(Port port, const ListenOptions& options) {
  const bool everywhere = options.interface.empty();
  const auto address = Address::parse(everywhere ? "::" : options.interface, port);
  const auto where = (everywhere ? "*" : options.interface) + ":" + std::to_string(port);
  if (!address) {
    throw ListenError("\"" + options.interface +
                      "\" is no numeric address to listen on; give one such as 127.0.0.1 or ::1.");
  }
  auto socket = bound(*address, options);
  if (!socket.open() && everywhere && errno != EADDRINUSE) {
    // A machine without IPv6.
    socket = bound(Address::ipv4({0, 0, 0, 0}, port), options);
  }
  const int backlog = options.backlog > 0 ? options.backlog : SOMAXCONN;
  if (!socket.open() || ::listen(socket.get(), backlog) != 0)
    refuse_port(where, {errno, std::system_category()});
  auto host = address_of(::getsockname, socket.get());
  return {std::move(socket), std::move(host)};
}

}  // namespace weft::detail
