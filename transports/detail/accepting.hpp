// Accepts what waits at a listening descriptor, and tells apart what can go wrong.
#pragma once

#include <cerrno>
#include <cstdint>
#include <sys/socket.h>
#include <system_error>
#include <utility>

namespace weft::detail {

/// Gives each accepted descriptor, which does not block, and its peer's address to `take`, which
/// owns it and says whether to go on. Stops after `share`, so that others have their turn; then
/// `left` is true. The error, where there is one, is that nothing can be accepted for now.
template <class Take>
std::error_code accept_some(int listener, int share, bool& left, Take&& take) {
  left = false;
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
  left = true;
  return {};
}

constexpr int accept_share = 64;

template <class Take>
std::error_code accept_some(int listener, Take&& take) {
  bool left = false;
  return accept_some(listener, accept_share, left, std::forward<Take>(take));
}

/// How many to accept at once, for a port of which the loop tells until nobody waits there: who
/// comes alone is taken without a look for another, in vain. When the loop tells of more in the
/// next round, they are taken by the share; also where it is crowded, and comes back late.
class AcceptShare {
 public:
  /// `round` is the loop's.
  [[nodiscard]] int begin(std::uint64_t round, bool crowded) const noexcept {
    return crowded || (left_ && round == round_ + 1) ? accept_share : 1;
  }
  void end(std::uint64_t round, bool left) noexcept {
    round_ = round;
    left_ = left;
  }

 private:
  std::uint64_t round_ = 0;
  bool left_ = false;
};

}  // namespace weft::detail
