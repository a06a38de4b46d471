#include "counted_calls_test.hpp"

#include <cstdarg>
#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace weft {

thread_local int sends = 0;
thread_local int receives = 0;
thread_local int accepts = 0;
thread_local int looks = 0;
thread_local int shutdowns = 0;
thread_local int poller_changes = 0;

namespace {

template <class Function>
Function* system_s(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace
}  // namespace weft

// These stand before the C library's, which they call.
extern "C" ssize_t sendmsg(int descriptor, const msghdr* message, int flags) {
  static auto* const real = weft::system_s<ssize_t(int, const msghdr*, int)>("sendmsg");
  ++weft::sends;
  return real(descriptor, message, flags);
}

extern "C" ssize_t send(int descriptor, const void* data, size_t size, int flags) {
  static auto* const real = weft::system_s<ssize_t(int, const void*, size_t, int)>("send");
  ++weft::sends;
  return real(descriptor, data, size, flags);
}

extern "C" ssize_t recv(int descriptor, void* data, size_t size, int flags) {
  static auto* const real = weft::system_s<ssize_t(int, void*, size_t, int)>("recv");
  ++weft::receives;
  return real(descriptor, data, size, flags);
}

extern "C" int accept4(int descriptor, sockaddr* peer, socklen_t* size, int flags) {
  static auto* const real = weft::system_s<int(int, sockaddr*, socklen_t*, int)>("accept4");
  ++weft::accepts;
  return real(descriptor, peer, size, flags);
}

extern "C" int ioctl(int descriptor, unsigned long request, ...) noexcept {
  static auto* const real = weft::system_s<int(int, unsigned long, void*)>("ioctl");
  std::va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  ++weft::looks;
  return real(descriptor, request, argument);
}

extern "C" int shutdown(int descriptor, int how) noexcept {
  static auto* const real = weft::system_s<int(int, int)>("shutdown");
  ++weft::shutdowns;
  return real(descriptor, how);
}

extern "C" int epoll_ctl(int set, int operation, int descriptor, epoll_event* event) noexcept {
  static auto* const real = weft::system_s<int(int, int, int, epoll_event*)>("epoll_ctl");
  ++weft::poller_changes;
  return real(set, operation, descriptor, event);
}
