// Accepts what waits at a listening descriptor, and tells apart what can go wrong.
#pragma once

#include <cerrno>
#include <sys/socket.h>
#include <system_error>

namespace weft::detail {

/// Gives each accepted descriptor, which does not block, and its peer's address to `take`, which
/// owns it and says whether to go on. Stops after a share, so that others have their turn. The
/// error, where there is one, is that nothing can be accepted for now.
template <class Take>
std::error_code accept_some(int listener, Take&& take) {
  constexpr int share = 64;
  for (int taken = 0; taken < share; ++taken) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int descriptor = ::accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size,
                                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      if (!take(descriptor, peer, size)) return {};
      continue;
    }
    // A peer that is gone already is nobody's loss.
    if (errno == ECONNABORTED || errno == EPROTO || errno == EINTR) continue;
    if (errno == EAGAIN) return {};
    return {errno, std::system_category()};
  }
  return {};
}

}  // namespace weft::detail
