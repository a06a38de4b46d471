#include "../../framework/error.hpp"
#include "broken_connection.hpp"
#include "handle_carrier.hpp"
#include "tcp_transport.hpp"

#include <string>

namespace weft::detail::iocp {

namespace {

[[noreturn]] void refuse(const OwnedSocket& socket, const std::string& why,
                         std::error_code error = {}) {
  throw InvalidArgument(
      "Socket " + std::to_string(socket.get()) + " can carry no connection: " + why + ".", {},
      error);
}

}  // namespace

std::shared_ptr<StreamTransport> over_socket(AsioLoop& loop, OwnedSocket socket) {
  int kind = 0;
  int size = sizeof kind;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&kind), &size);
  if (kind != SOCK_STREAM) {
    refuse(socket, "it is one of messages, not of a stream; pass one made with SOCK_STREAM");
  }
  SocketAddress peer;
  if (::getpeername(socket.get(), peer.data(), peer.size_to_fill()) != 0) {
    refuse(socket, "it is not connected; connect it first, or have the reactor do so",
           {last_socket_error(), std::system_category()});
  }
  if (peer.family() != AF_INET && peer.family() != AF_INET6) {
    refuse(socket, "it is none of TCP, which is what the reactor knows here");
  }
  Tcp::socket taken(loop.io);
  ErrorCode error;
  taken.assign(peer.family() == AF_INET ? Tcp::v4() : Tcp::v6(), socket.get(), error);
  if (!error) {
    static_cast<void>(socket.release());
    prepare_socket(taken, error);
  }
  if (error) {
    refuse(socket,
           to_std(error).message() +
               "; pass one that was made with WSA_FLAG_OVERLAPPED and that no completion port has",
           to_std(error));
  }
  return std::make_shared<TcpTransport>(loop, std::move(taken), peer.address());
}

}  // namespace weft::detail::iocp
