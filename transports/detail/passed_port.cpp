#include "passed_port.hpp"

#include "../../framework/error.hpp"
#include "socket_address.hpp"

#include <cerrno>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <system_error>

namespace weft::detail {

namespace {

[[noreturn]] void refuse(int descriptor, const std::string& why, int code) {
  throw ListenError("Descriptor " + std::to_string(descriptor) + " cannot be listened on: " + why +
                        "; pass a stream socket of TCP or UNIX that listens.",
                    {}, std::error_code(code, std::system_category()));
}

}  // namespace

PassedPort passed_port(Descriptor listening) {
  OwnedDescriptor descriptor(static_cast<int>(listening));
  const int number = descriptor.get();
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) {
    const std::error_code error(errno, std::system_category());
    refuse(number, error.message(), error.value());
  }
  if (listens == 0) refuse(number, "it does not listen", EINVAL);
  ::fcntl(number, F_SETFD, FD_CLOEXEC);
  auto address = address_of(::getsockname, number);
  return {std::move(descriptor), std::move(address)};
}

}  // namespace weft::detail
