// An echo server as one writes it with libevent's bufferevents. Prints its port.
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <arpa/inet.h>
#include <cstdio>
#include <netinet/in.h>
#include <netinet/tcp.h>

namespace {

void read(bufferevent* peer, void*) {
  bufferevent_write_buffer(peer, bufferevent_get_input(peer));
}

void ended(bufferevent* peer, short events, void*) {
  if ((events & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) bufferevent_free(peer);
}

void accept(evconnlistener* listener, evutil_socket_t socket, sockaddr*, int, void*) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  auto* const peer =
      bufferevent_socket_new(evconnlistener_get_base(listener), socket, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(peer, &read, nullptr, &ended, nullptr);
  bufferevent_enable(peer, EV_READ | EV_WRITE);
}

}  // namespace

int main() {
  auto* const base = event_base_new();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  auto* const listener = evconnlistener_new_bind(base, &accept, nullptr, LEV_OPT_CLOSE_ON_FREE,
                                                 SOMAXCONN, generic, sizeof address);
  socklen_t size = sizeof address;
  ::getsockname(evconnlistener_get_fd(listener), generic, &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  event_base_dispatch(base);
}
