// The yardstick: an echo server written by hand on epoll, level-triggered, with one 64 KiB buffer.
// Prints its port.
#include <arpa/inet.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int listen_on_loopback() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, generic, size) != 0 || ::listen(listener, SOMAXCONN) != 0 ||
      ::getsockname(listener, generic, &size) != 0) {
    fail("listen");
  }
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return listener;
}

void watch(int poller, int descriptor) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = descriptor;
  if (::epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

void accept_all(int poller, int listener) {
  for (;;) {
    const int peer = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (peer < 0) return;
    const int on = 1;
    ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(poller, peer);
  }
}

void echo(int peer) {
  static std::array<char, 64 * 1024> buffer;
  const auto count = ::recv(peer, buffer.data(), buffer.size(), 0);
  if (count <= 0) {
    ::close(peer);
    return;
  }
  for (ssize_t sent = 0; sent < count;) {
    const auto more =
        ::send(peer, buffer.data() + sent, static_cast<std::size_t>(count - sent), MSG_NOSIGNAL);
    // A race of small messages never fills the socket's buffer; where it does, this waits for it.
    if (more > 0) sent += more;
  }
}

}  // namespace

int main() {
  const int listener = listen_on_loopback();
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  watch(poller, listener);
  std::array<epoll_event, 128> events;
  for (;;) {
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int descriptor = events[static_cast<std::size_t>(i)].data.fd;
      descriptor == listener ? accept_all(poller, listener) : echo(descriptor);
    }
  }
}
