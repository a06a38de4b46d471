#include "counted_calls_test.hpp"

#include <dlfcn.h>
#include <sys/socket.h>

namespace weft {

thread_local int sends = 0;
thread_local int receives = 0;

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
