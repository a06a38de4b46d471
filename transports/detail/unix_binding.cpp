#include "unix_binding.hpp"

#include "../../framework/error.hpp"
#include "socket_address.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <utility>

namespace weft::detail {

namespace {

// Zero, or why not.
int bind_to(int socket, const SocketAddress& address) noexcept {
  return ::bind(socket, address.data(), address.size()) == 0 ? 0 : errno;
}

}  // namespace

void UnixBinding::refuse(int code, const std::string& advice) const {
  const std::error_code error(code, std::system_category());
  const auto text = address().text() + " cannot be listened on: " + error.message() + "; " + advice;
  if (code == EADDRINUSE) throw AddressInUse(text, address(), error);
  throw ListenError(text, address(), error);
}

void UnixBinding::bind(int socket, std::string path, std::optional<std::uint32_t> mode) {
  path_ = std::move(path);
  if (socket < 0) refuse(errno, "close other descriptors first.");
  // Refuses what is no path, before a file is made or removed.
  const SocketAddress name(address());
  if (!abstract()) lock();
  // Before the file is there, so that nobody comes in meanwhile; and again, whatever umask says.
  if (mode) ::fchmod(socket, *mode);
  int code = bind_to(socket, name);
  if (code == EADDRINUSE && !abstract()) {
    int kind = SOCK_STREAM;
    socklen_t size = sizeof kind;
    ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &kind, &size);
    remove_stale(kind);
    code = bind_to(socket, name);
  }
  if (code == EADDRINUSE) refuse(code, "stop who listens there, or choose another name.");
  if (code != 0) refuse(code, "check that its directory exists and may be written to.");
  bound_ = true;
  if (mode && !abstract() && ::chmod(path_.c_str(), *mode) != 0) refuse(errno, "check the mode.");
}

// The lock beside the socket's file says that somebody lives: who has it may remove the file.
void UnixBinding::lock() {
  const auto name = path_ + ".lock";
  for (;;) {
    OwnedDescriptor lock(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock.open()) refuse(errno, "check that its directory exists and may be written to.");
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      refuse(EADDRINUSE, "stop who listens there, or choose another path.");
    }
    struct stat ours {};
    struct stat there {};
    const bool same = ::fstat(lock.get(), &ours) == 0 && ::stat(name.c_str(), &there) == 0 &&
                      ours.st_ino == there.st_ino;
    // Else it was removed by its last owner between our two calls.
    if (!same) continue;
    lock_ = std::move(lock);
    return;
  }
}

// The file of a program that is dead; one that answers lives, though it has no lock of ours, and
// one of another kind of socket is not ours to judge.
void UnixBinding::remove_stale(int kind_of_socket) const {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) {
    refuse(ENOTSOCK, "a file of another kind is there; remove it, or choose another path.");
  }
  const SocketAddress name(address());
  const OwnedDescriptor caller(::socket(AF_UNIX, kind_of_socket | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const bool dead = caller.open() && ::connect(caller.get(), name.data(), name.size()) != 0 &&
                    errno == ECONNREFUSED;
  if (dead) ::unlink(path_.c_str());
}

void UnixBinding::release() noexcept {
  if (std::exchange(bound_, false) && !abstract()) ::unlink(path_.c_str());
  if (lock_.open()) {
    ::unlink((path_ + ".lock").c_str());
    lock_.close();
  }
}

}  // namespace weft::detail
