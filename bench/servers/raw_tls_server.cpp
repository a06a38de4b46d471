// The yardstick of TLS: an echo server written by hand on epoll and OpenSSL, level-triggered, with
// one buffer for all. raw_tls_server FILE, with certificate and key. Prints its port.
#include "../sockets.hpp"

#include <openssl/ssl.h>

#include <array>
#include <string>
#include <string_view>

namespace {

struct Connection {
  int socket = -1;
  SSL* ssl = nullptr;
  // What could not be sent yet; nothing is read meanwhile.
  std::string unsent;
};

std::array<char, 64 * 1024> buffer;
int poller = -1;

void choose_events(Connection& connection, int action = EPOLL_CTL_MOD) {
  bench::control(poller, action, connection.socket, connection.unsent.empty() ? EPOLLIN : EPOLLOUT,
                 reinterpret_cast<std::uint64_t>(&connection));
}

void close_one(Connection* connection) {
  SSL_shutdown(connection->ssl);
  SSL_free(connection->ssl);
  ::close(connection->socket);
  delete connection;
}

// How many bytes were sent; none when the connection is broken.
std::size_t send(Connection& connection, std::string_view data, bool& broken) {
  std::size_t sent = 0;
  const int result = SSL_write_ex(connection.ssl, data.data(), data.size(), &sent);
  broken = result <= 0 && SSL_get_error(connection.ssl, result) != SSL_ERROR_WANT_WRITE;
  return sent;
}

// False when it is over.
bool handle(Connection& connection) {
  bool broken = false;
  if (!connection.unsent.empty()) {
    connection.unsent.erase(0, send(connection, connection.unsent, broken));
    if (broken || !connection.unsent.empty()) return !broken;
    choose_events(connection);
  }
  for (;;) {
    std::size_t count = 0;
    const int result = SSL_read_ex(connection.ssl, buffer.data(), buffer.size(), &count);
    if (result <= 0) return SSL_get_error(connection.ssl, result) == SSL_ERROR_WANT_READ;
    const auto sent = send(connection, {buffer.data(), count}, broken);
    if (broken) return false;
    if (sent == count) continue;
    connection.unsent.assign(buffer.data() + sent, count - sent);
    choose_events(connection);
    return true;
  }
}

void accept_all(int listener, SSL_CTX* context) {
  for (;;) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    bench::set_no_delay(socket);
    auto* const connection = new Connection;
    connection->socket = socket;
    connection->ssl = SSL_new(context);
    SSL_set_fd(connection->ssl, socket);
    SSL_set_accept_state(connection->ssl);
    choose_events(*connection, EPOLL_CTL_ADD);
  }
}

SSL_CTX* make_context(const char* file) {
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_use_certificate_chain_file(context, file) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1) {
    bench::fail("certificate");
  }
  return context;
}

}  // namespace

int main(int argc, char** argv) {
  SSL_CTX* const context = make_context(argc > 1 ? argv[1] : "");
  const int listener = bench::listen_on_loopback();
  poller = ::epoll_create1(EPOLL_CLOEXEC);
  bench::control(poller, EPOLL_CTL_ADD, listener, EPOLLIN, 0);
  bench::print_port(listener);
  std::array<epoll_event, 128> events;
  for (;;) {
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto* const connection = reinterpret_cast<Connection*>(event.data.u64);
      if (connection == nullptr) {
        accept_all(listener, context);
      } else if (!handle(*connection)) {
        close_one(connection);
      }
    }
  }
}
