#include "tcp_binding.hpp"

#ifdef __linux__

#include "tcp_port.hpp"

#include <utility>

namespace weft::detail::WEFT_BACKEND {

Address open_port(Tcp::acceptor& acceptor, Port port, const ListenOptions& options) {
  auto opened = open_tcp_port(port, options);
  auto host = opened.address;
  adopt_port(acceptor, std::move(opened));
  return host;
}

void adopt_port(Tcp::acceptor& acceptor, PassedPort port) {
  const bool v4 = port.address.family() == Address::Family::ipv4;
  acceptor.assign(v4 ? Tcp::v4() : Tcp::v6(), port.descriptor.get());
  static_cast<void>(port.descriptor.release());
}

}  // namespace weft::detail::WEFT_BACKEND

#else

#include "../../framework/error.hpp"
#include "refused_port.hpp"

#include <boost/asio/ip/v6_only.hpp>

#include <string>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/socket.h>
#endif

namespace weft::detail::WEFT_BACKEND {

namespace {

bool bind(Tcp::acceptor& acceptor, const Tcp::endpoint& endpoint, const ListenOptions& options,
          ErrorCode& error) {
  const bool v6 = endpoint.address().is_v6();
  ErrorCode ignored;
  acceptor.close(ignored);
  acceptor.open(v6 ? Tcp::v6() : Tcp::v4(), error);
#ifndef _WIN32
  if (!error) ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  // On Windows this option would let two programs share the port.
  if (!error) acceptor.set_option(net::socket_base::reuse_address(true), error);
  if (!error && options.reuse_port) {
    acceptor.set_option(net::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>(true), error);
  }
#endif
  if (!error && v6) acceptor.set_option(net::ip::v6_only(options.ipv6_only), error);
  if (!error) acceptor.bind(endpoint, error);
  return !error;
}

}  // namespace

Address open_port(Tcp::acceptor& acceptor, Port port, const ListenOptions& options) {
  const bool everywhere = options.interface.empty();
  const auto address = Address::parse(everywhere ? "::" : options.interface, port);
  const auto where = (everywhere ? "*" : options.interface) + ":" + std::to_string(port);
  if (!address) {
    throw ListenError("\"" + options.interface +
                      "\" is no numeric address to listen on; give one such as 127.0.0.1 or ::1.");
  }
  ErrorCode error;
  const bool bound = bind(acceptor, to_endpoint(*address), options, error);
  if (!bound && everywhere && to_std(error) != std::errc::address_in_use) {
    // A machine without IPv6.
    error = {};
    bind(acceptor, to_endpoint(Address::ipv4({0, 0, 0, 0}, port)), options, error);
  }
  if (!error) {
    acceptor.listen(options.backlog > 0 ? options.backlog
                                        : static_cast<int>(Tcp::acceptor::max_listen_connections),
                    error);
  }
  const auto host = error ? Tcp::endpoint() : acceptor.local_endpoint(error);
  if (error) {
    ErrorCode ignored;
    acceptor.close(ignored);
    refuse_port(where, to_std(error));
  }
  return to_address(host);
}

#ifdef _WIN32
void adopt_port(Tcp::acceptor& acceptor, PassedPort port) {
  const bool v4 = port.address.family() == Address::Family::ipv4;
  ErrorCode error;
  acceptor.assign(v4 ? Tcp::v4() : Tcp::v6(), port.descriptor.get(), error);
  if (error) refuse_port(port.address.text(), to_std(error));
  static_cast<void>(port.descriptor.release());
}
#endif

}  // namespace weft::detail::WEFT_BACKEND

#endif
