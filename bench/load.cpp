// The other end of the race. Prints the seconds that the measured part took.
//   load ping PORT CONNECTIONS MESSAGES BYTES        one message in flight on each connection
//   load lines PORT CONNECTIONS BATCHES LINES        so many lines arrive together, and are
//   answered load bulk PORT CONNECTIONS MEGABYTES BYTES       streams in writes of so many bytes,
//   and reads load publish PORT SUBSCRIBERS MESSAGES BYTES     one sends, all others hear load
//   churn PORT COUNT BYTES                      connect, one round trip, close load hold PORT COUNT
//   STEP                        opens connections, STEP after each line of
//                                                    input, and says when their message came back
#include "sockets.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Arguments = std::vector<long>;

// Many connections to one server, and what came on each.
class Peers {
 public:
  Peers(int port, long count, bool blocking = true) : poller_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (long i = 0; i < count; ++i) {
      const int socket = bench::connect_to(port);
      if (!blocking) ::fcntl(socket, F_SETFL, O_NONBLOCK);
      bench::control(poller_, EPOLL_CTL_ADD, socket, EPOLLIN, sockets_.size());
      sockets_.push_back(socket);
    }
  }
  ~Peers() {
    for (const int socket : sockets_)
      ::close(socket);
    ::close(poller_);
  }
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  [[nodiscard]] std::size_t size() const { return sockets_.size(); }
  [[nodiscard]] int socket(std::size_t index) const { return sockets_[index]; }
  void ask_for(std::size_t index, std::uint32_t events) {
    bench::control(poller_, EPOLL_CTL_MOD, sockets_[index], events, index);
  }
  void send(std::size_t index, std::string_view data) {
    if (::send(sockets_[index], data.data(), data.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(data.size())) {
      bench::fail("send");
    }
  }
  // Calls `ready(index, events)` for each that is, until `done()`.
  void run(const std::function<bool()>& done,
           const std::function<void(std::size_t, std::uint32_t)>& ready) {
    std::array<epoll_event, 256> events;
    while (!done()) {
      const int count =
          ::epoll_wait(poller_, events.data(), static_cast<int>(events.size()), 20'000);
      if (count <= 0) bench::fail("no answer");
      for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        ready(event.data.u64, event.events);
      }
    }
  }
  // What one read gives, at least one byte.
  std::size_t receive(std::size_t index) {
    const auto count = ::recv(sockets_[index], buffer_.data(), buffer_.size(), 0);
    if (count <= 0) bench::fail("recv");
    return static_cast<std::size_t>(count);
  }

 private:
  int poller_;
  std::vector<int> sockets_;
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
};

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Each connection sends `message` again when it has come back, `total` times in all.
void ping_pong(Peers& peers, const std::string& message, long total) {
  std::vector<std::size_t> arrived(peers.size(), 0);
  long to_send = total;
  long done = 0;
  const auto send = [&](std::size_t index) {
    if (to_send-- > 0) peers.send(index, message);
  };
  for (std::size_t i = 0; i < peers.size(); ++i)
    send(i);
  peers.run([&] { return done >= total; },
            [&](std::size_t index, std::uint32_t) {
              arrived[index] += peers.receive(index);
              if (arrived[index] < message.size()) return;
              arrived[index] = 0;
              ++done;
              send(index);
            });
}

double ping(int port, const Arguments& given) {
  Peers peers(port, given[0]);
  const std::string message(static_cast<std::size_t>(given[2]), 'x');
  return seconds_of([&] { ping_pong(peers, message, given[1]); });
}

double lines(int port, const Arguments& given) {
  Peers peers(port, given[0]);
  std::string batch;
  for (long i = 0; i < given[2]; ++i)
    batch += "a line of a protocol whose messages are lines, 62 bytes long\r\n";
  return seconds_of([&] { ping_pong(peers, batch, given[1]); });
}

// Writes as fast as it is taken, and reads what comes back.
double bulk(int port, const Arguments& given) {
  Peers peers(port, given[0], false);
  const std::string piece(static_cast<std::size_t>(given[2]), 'x');
  const auto share = static_cast<std::size_t>(given[1]) * 1'000'000 / peers.size();
  std::vector<std::size_t> sent(peers.size(), 0);
  std::vector<std::size_t> received(peers.size(), 0);
  std::size_t finished = 0;
  const auto write = [&](std::size_t index) {
    while (sent[index] < share) {
      const auto offset = sent[index] % piece.size();
      const auto size = std::min(piece.size() - offset, share - sent[index]);
      const auto count = ::send(peers.socket(index), piece.data() + offset, size, MSG_NOSIGNAL);
      if (count < 0 && errno == EAGAIN) return;
      if (count < 0) bench::fail("send");
      sent[index] += static_cast<std::size_t>(count);
    }
    peers.ask_for(index, EPOLLIN);
  };
  for (std::size_t i = 0; i < peers.size(); ++i)
    peers.ask_for(i, EPOLLIN | EPOLLOUT);
  return seconds_of([&] {
    peers.run([&] { return finished == peers.size(); },
              [&](std::size_t index, std::uint32_t events) {
                if ((events & EPOLLIN) != 0) {
                  received[index] += peers.receive(index);
                  if (received[index] == share) ++finished;
                }
                if ((events & EPOLLOUT) != 0) write(index);
              });
  });
}

double publish(int port, const Arguments& given) {
  Peers subscribers(port, given[0]);
  const Peers publisher(port, 1);
  const std::string message(static_cast<std::size_t>(given[2]), 'x');
  const auto expected = subscribers.size() * message.size();
  std::size_t received = 0;
  const auto publish_one = [&] {
    received = 0;
    if (::send(publisher.socket(0), message.data(), message.size(), MSG_NOSIGNAL) < 0) {
      bench::fail("send");
    }
    subscribers.run(
        [&] { return received >= expected; },
        [&](std::size_t index, std::uint32_t) { received += subscribers.receive(index); });
  };
  return seconds_of([&] {
    for (long i = 0; i < given[1]; ++i)
      publish_one();
  });
}

void round_trip(int socket, const std::string& message) {
  std::vector<char> buffer(message.size());
  if (::send(socket, message.data(), message.size(), MSG_NOSIGNAL) < 0) bench::fail("send");
  std::size_t received = 0;
  while (received < message.size()) {
    const auto count = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (count <= 0) bench::fail("recv");
    received += static_cast<std::size_t>(count);
  }
}

double churn(int port, const Arguments& given) {
  const std::string message(static_cast<std::size_t>(given[1]), 'x');
  return seconds_of([&] {
    for (long i = 0; i < given[0]; ++i) {
      const int socket = bench::connect_to(port);
      round_trip(socket, message);
      ::close(socket);
    }
  });
}

double hold(int port, const Arguments& given) {
  const std::string message(64, 'x');
  std::vector<int> held;
  return seconds_of([&] {
    while (static_cast<long>(held.size()) < given[0] && std::getchar() != EOF) {
      for (long i = 0; i < given[1]; ++i) {
        held.push_back(bench::connect_to(port));
        round_trip(held.back(), message);
      }
      std::printf("%zu\n", held.size());
      std::fflush(stdout);
    }
    while (std::getchar() != EOF) {
    }
  });
}

struct Kind {
  std::string_view name;
  std::size_t arguments;
  double (*run)(int port, const Arguments& given);
};
constexpr std::array kinds{Kind{"ping", 3, ping},   Kind{"lines", 3, lines},
                           Kind{"bulk", 3, bulk},   Kind{"publish", 3, publish},
                           Kind{"churn", 2, churn}, Kind{"hold", 2, hold}};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  for (const auto& kind : kinds) {
    if (kind.name != name || argc != static_cast<int>(3 + kind.arguments)) continue;
    Arguments given;
    for (int i = 3; i < argc; ++i)
      given.push_back(std::atol(argv[i]));
    std::printf("%.6f\n", kind.run(std::atoi(argv[2]), given));
    return 0;
  }
  std::fprintf(stderr, "usage: the first lines of load.cpp tell\n");
  return 2;
}
