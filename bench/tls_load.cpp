// The other end of the race of TLS, on OpenSSL. Prints the seconds that the measured part took.
//   tls_load bulk PORT CONNECTIONS MEGABYTES BYTES   streams in writes of so many bytes, and reads
//   tls_load handshakes PORT COUNT                   connect, whole handshake, one byte, close
//   tls_load resumed PORT COUNT                      the same, with the session of the first
//   tls_load hold PORT COUNT STEP                    opens connections, STEP after each line of
//                                                    input, and says when their message came back
#include "sockets.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Release {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Session = std::unique_ptr<SSL_SESSION, Release>;

SSL_CTX* context() {
  static const std::unique_ptr<SSL_CTX, Release> made = [] {
    std::unique_ptr<SSL_CTX, Release> one(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_mode(one.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return one;
  }();
  return made.get();
}

// A connection that has shaken hands, and blocks.
class Client {
 public:
  explicit Client(int port, SSL_SESSION* session = nullptr) : socket_(bench::connect_to(port)) {
    SSL_set_fd(ssl_.get(), socket_);
    if (session != nullptr) SSL_set_session(ssl_.get(), session);
    if (SSL_connect(ssl_.get()) != 1) bench::fail("handshake");
    if ((session != nullptr) != (SSL_session_reused(ssl_.get()) == 1)) bench::fail("session");
  }
  ~Client() {
    SSL_shutdown(ssl_.get());
    ::close(socket_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] Session session() const { return Session(SSL_get1_session(ssl_.get())); }

  void round_trip(const std::string& message) {
    std::string answer(message.size(), '\0');
    if (SSL_write(ssl(), message.data(), static_cast<int>(message.size())) <= 0) {
      bench::fail("write");
    }
    for (std::size_t received = 0; received < message.size();) {
      const int count = SSL_read(ssl(), answer.data(), static_cast<int>(answer.size()));
      if (count <= 0) bench::fail("read");
      received += static_cast<std::size_t>(count);
    }
  }

 private:
  std::unique_ptr<SSL, Release> ssl_{SSL_new(context())};
  int socket_;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

struct Stream {
  explicit Stream(int port) : client(port) { ::fcntl(client.socket(), F_SETFL, O_NONBLOCK); }
  Client client;
  std::size_t sent = 0;
  std::size_t received = 0;

  void send(std::string_view piece, std::size_t share) {
    while (sent < share) {
      const auto offset = sent % piece.size();
      std::size_t count = 0;
      if (SSL_write_ex(client.ssl(), piece.data() + offset,
                       std::min(piece.size() - offset, share - sent), &count) != 1) {
        return;
      }
      sent += count;
    }
  }
  void receive() {
    static std::array<char, 64 * 1024> buffer;
    std::size_t count = 0;
    while (SSL_read_ex(client.ssl(), buffer.data(), buffer.size(), &count) == 1)
      received += count;
    const int error = SSL_get_error(client.ssl(), 0);
    if (error != SSL_ERROR_WANT_READ) bench::fail("recv");
  }
};

double bulk(int port, const std::vector<long>& given) {
  std::vector<std::unique_ptr<Stream>> streams;
  const int poller = ::epoll_create1(EPOLL_CLOEXEC);
  for (long i = 0; i < given[0]; ++i) {
    streams.push_back(std::make_unique<Stream>(port));
    bench::control(poller, EPOLL_CTL_ADD, streams.back()->client.socket(), EPOLLIN | EPOLLOUT,
                   static_cast<std::uint64_t>(i));
  }
  const std::string piece(static_cast<std::size_t>(given[2]), 'x');
  const auto share = static_cast<std::size_t>(given[1]) * 1'000'000 / streams.size();
  std::size_t finished = 0;
  std::array<epoll_event, 64> events;
  const auto begin = std::chrono::steady_clock::now();
  while (finished < streams.size()) {
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), 20'000);
    if (count <= 0) bench::fail("no answer");
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto& stream = *streams[event.data.u64];
      if ((event.events & EPOLLIN) != 0) {
        stream.receive();
        if (stream.received == share) ++finished;
      }
      if ((event.events & EPOLLOUT) == 0) continue;
      stream.send(piece, share);
      if (stream.sent == share) {
        bench::control(poller, EPOLL_CTL_MOD, stream.client.socket(), EPOLLIN, event.data.u64);
      }
    }
  }
  return seconds_since(begin);
}

double handshakes(int port, const std::vector<long>& given) {
  const auto begin = std::chrono::steady_clock::now();
  for (long i = 0; i < given[0]; ++i)
    Client(port).round_trip("x");
  return seconds_since(begin);
}

double resumed(int port, const std::vector<long>& given) {
  Session session;
  {
    // The ticket comes before the answer.
    Client first(port);
    first.round_trip("x");
    session = first.session();
  }
  const auto begin = std::chrono::steady_clock::now();
  for (long i = 0; i < given[0]; ++i)
    Client(port, session.get()).round_trip("x");
  return seconds_since(begin);
}

double hold(int port, const std::vector<long>& given) {
  const std::string message(64, 'x');
  std::vector<std::unique_ptr<Client>> held;
  const auto begin = std::chrono::steady_clock::now();
  while (static_cast<long>(held.size()) < given[0] && std::getchar() != EOF) {
    for (long i = 0; i < given[1]; ++i) {
      held.push_back(std::make_unique<Client>(port));
      held.back()->round_trip(message);
    }
    std::printf("%zu\n", held.size());
    std::fflush(stdout);
  }
  while (std::getchar() != EOF) {
  }
  return seconds_since(begin);
}

struct Kind {
  std::string_view name;
  std::size_t arguments;
  double (*run)(int port, const std::vector<long>& given);
};
constexpr std::array kinds{Kind{"bulk", 3, bulk}, Kind{"handshakes", 1, handshakes},
                           Kind{"resumed", 1, resumed}, Kind{"hold", 2, hold}};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc > 1 ? argv[1] : "";
  for (const auto& kind : kinds) {
    if (kind.name != name || argc != static_cast<int>(3 + kind.arguments)) continue;
    std::vector<long> given;
    for (int i = 3; i < argc; ++i)
      given.push_back(std::atol(argv[i]));
    std::printf("%.6f\n", kind.run(std::atoi(argv[2]), given));
    return 0;
  }
  std::fprintf(stderr, "usage: the first lines of tls_load.cpp tell\n");
  return 2;
}
