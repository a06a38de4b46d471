#include "passed_port.hpp"

#include "../../framework/error.hpp"
#include "socket_address.hpp"

#include <string>
#include <system_error>

#ifndef _WIN32
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#endif

namespace weft::detail {

namespace {

#ifdef _WIN32
using Number = SOCKET;
constexpr auto usual_advice = "pass a stream socket of TCP that listens";
#else
using Number = int;
constexpr auto usual_advice = "pass a stream socket of TCP or UNIX that listens";
#endif

[[noreturn]] void refuse(Number descriptor, const std::string& why, int code,
                         const char* advice = usual_advice) {
  throw ListenError("Descriptor " + std::to_string(descriptor) + " cannot be listened on: " + why +
                        "; " + advice + ".",
                    {}, std::error_code(code, std::system_category()));
}

int option_of(Number descriptor, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  auto* const place = reinterpret_cast<char*>(&value);
  if (::getsockopt(descriptor, SOL_SOCKET, name, place, &size) == 0) return value;
  const std::error_code error(last_socket_error(), std::system_category());
  refuse(descriptor, error.message(), error.value());
}

void check_listens(Number descriptor) {
  if (option_of(descriptor, SO_ACCEPTCONN) == 0) refuse(descriptor, "it does not listen", EINVAL);
  if (option_of(descriptor, SO_TYPE) != SOCK_STREAM) {
    refuse(descriptor, "its connections are no streams", EPROTOTYPE);
  }
}

}  // namespace

#ifdef _WIN32

PassedPort passed_port(Descriptor listening) {
  OwnedSocket socket(static_cast<SOCKET>(listening));
  check_listens(socket.get());
  SocketAddress address;
  ::getsockname(socket.get(), address.data(), address.size_to_fill());
  if (address.family() != AF_INET && address.family() != AF_INET6) {
    refuse(socket.get(), "it is none of TCP", WSAEAFNOSUPPORT);
  }
  return {std::move(socket), address.address()};
}

#else

PassedPort passed_port(Descriptor listening) {
  OwnedDescriptor descriptor(static_cast<int>(listening));
  const int number = descriptor.get();
  check_listens(number);
  ::fcntl(number, F_SETFD, FD_CLOEXEC);
  auto address = address_of(::getsockname, number);
  return {std::move(descriptor), std::move(address)};
}

OwnedDescriptor copy_of_port(int listening) {
  check_listens(listening);
  OwnedDescriptor copy(::fcntl(listening, F_DUPFD_CLOEXEC, 3));
  if (copy.open()) return copy;
  const std::error_code error(errno, std::system_category());
  refuse(listening, "it cannot be copied: " + error.message(), error.value(),
         "close other descriptors first");
}

#endif

}  // namespace weft::detail
