// Ping-pong against an echo server: echo_load PORT CONNECTIONS MESSAGES BYTES. Prints the seconds
// it took.
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int connect_to(int port) {
  const int peer = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    fail("connect");
  }
  const int on = 1;
  ::setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return peer;
}

class Load {
 public:
  Load(int port, int connections, std::size_t bytes)
      : message_(bytes, 'x'), poller_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (int i = 0; i < connections; ++i) {
      peers_.push_back(connect_to(port));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = static_cast<std::uint32_t>(i);
      if (::epoll_ctl(poller_, EPOLL_CTL_ADD, peers_.back(), &event) != 0) fail("epoll_ctl");
    }
    arrived_.resize(peers_.size(), 0);
  }
  void run(long messages) {
    to_send_ = messages;
    long done = 0;
    for (const int peer : peers_)
      send(peer);
    std::array<epoll_event, 128> events;
    while (done < messages) {
      const int count =
          ::epoll_wait(poller_, events.data(), static_cast<int>(events.size()), 10'000);
      if (count <= 0) fail("no answer");
      for (int i = 0; i < count; ++i) {
        if (receive(events[static_cast<std::size_t>(i)].data.u32)) ++done;
      }
    }
  }

 private:
  void send(int peer) {
    if (to_send_ == 0) return;
    --to_send_;
    if (::send(peer, message_.data(), message_.size(), MSG_NOSIGNAL) < 0) fail("send");
  }
  bool receive(std::size_t index) {
    std::array<char, 64 * 1024> buffer;
    const auto count = ::recv(peers_[index], buffer.data(), buffer.size(), 0);
    if (count <= 0) fail("recv");
    arrived_[index] += static_cast<std::size_t>(count);
    if (arrived_[index] < message_.size()) return false;
    arrived_[index] = 0;
    send(peers_[index]);
    return true;
  }

  std::string message_;
  int poller_;
  std::vector<int> peers_;
  std::vector<std::size_t> arrived_;
  long to_send_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: echo_load PORT CONNECTIONS MESSAGES BYTES\n");
    return 2;
  }
  Load load(std::atoi(argv[1]), std::atoi(argv[2]), static_cast<std::size_t>(std::atol(argv[4])));
  const auto begin = std::chrono::steady_clock::now();
  load.run(std::atol(argv[3]));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf("%.6f\n", took.count());
}
