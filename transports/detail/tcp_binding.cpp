#include "tcp_binding.hpp"

#include "../../framework/error.hpp"

#include <boost/asio/ip/v6_only.hpp>

#include <string>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/socket.h>
#endif

namespace weft::detail::WEFT_BACKEND {

namespace {

[[noreturn]] void refuse(const std::string& where, const ErrorCode& error) {
  const auto code = to_std(error);
  if (code == std::errc::address_in_use) {
    throw AddressInUse("Somebody listens on " + where +
                           " already; stop them, choose another port, or 0 for a free one.",
                       {}, code);
  }
  throw ListenError("Listening on " + where + " failed: " + code.message() +
                        "; check the address, and that this user may use the port.",
                    {}, code);
}

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
    refuse(where, error);
  }
  return to_address(host);
}

#if defined(__linux__) || defined(_WIN32)
void adopt_port(Tcp::acceptor& acceptor, PassedPort port) {
  const bool v4 = port.address.family() == Address::Family::ipv4;
  ErrorCode error;
  acceptor.assign(v4 ? Tcp::v4() : Tcp::v6(), port.descriptor.get(), error);
  if (error) refuse(port.address.text(), error);
  static_cast<void>(port.descriptor.release());
}
#endif

}  // namespace weft::detail::WEFT_BACKEND
