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

[[noreturn]] void refuse(int descriptor, const std::string& why, int code,
                         const char* advice = "pass a stream socket of TCP or UNIX that listens") {
  throw ListenError("Descriptor " + std::to_string(descriptor) + " cannot be listened on: " + why +
                        "; " + advice + ".",
                    {}, std::error_code(code, std::system_category()));
}

int option_of(int descriptor, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0) return value;
  const std::error_code error(errno, std::system_category());
  refuse(descriptor, error.message(), error.value());
}

void check_listens(int descriptor) {
  if (option_of(descriptor, SO_ACCEPTCONN) == 0) refuse(descriptor, "it does not listen", EINVAL);
  if (option_of(descriptor, SO_TYPE) != SOCK_STREAM) {
    refuse(descriptor, "its connections are no streams", EPROTOTYPE);
  }
}

}  // namespace

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

}  // namespace weft::detail
