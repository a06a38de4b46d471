// A socket by its number, as POSIX and Winsock each have it.
#pragma once

#include <utility>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace weft::detail {

#ifdef _WIN32
using NativeSocket = SOCKET;
inline constexpr NativeSocket no_socket = INVALID_SOCKET;
inline int last_socket_error() noexcept {
  return ::WSAGetLastError();
}
inline void close_native(NativeSocket socket) noexcept {
  ::closesocket(socket);
}
#else
using NativeSocket = int;
inline constexpr NativeSocket no_socket = -1;
inline int last_socket_error() noexcept {
  return errno;
}
inline void close_native(NativeSocket socket) noexcept {
  ::close(socket);
}
#endif

/// Closed when its owner goes, unless given away.
class OwnedSocket {
 public:
  OwnedSocket() noexcept = default;
  explicit OwnedSocket(NativeSocket socket) noexcept : socket_(socket) {}
  OwnedSocket(OwnedSocket&& other) noexcept : socket_(other.release()) {}
  OwnedSocket& operator=(OwnedSocket&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  OwnedSocket(const OwnedSocket&) = delete;
  OwnedSocket& operator=(const OwnedSocket&) = delete;
  ~OwnedSocket() {
    if (open()) close_native(socket_);
  }

  [[nodiscard]] NativeSocket get() const noexcept { return socket_; }
  [[nodiscard]] bool open() const noexcept { return socket_ != no_socket; }
  [[nodiscard]] NativeSocket release() noexcept { return std::exchange(socket_, no_socket); }

 private:
  NativeSocket socket_ = no_socket;
};

}  // namespace weft::detail
