// The yardstick: servers written by hand on epoll, level-triggered, with one 64 KiB buffer.
// raw_epoll_server echo | lines | publish | forward PORT. Prints its port.
#include "../sockets.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>

namespace {

struct Connection {
  int socket = -1;
  // Where what comes goes: itself in an echo, its partner in a forwarder.
  Connection* target = nullptr;
  // What `socket` did not take yet; whoever feeds it is not read meanwhile.
  std::string unsent;
  std::string unfinished_line;
  bool reads = true;
};

std::array<char, 64 * 1024> buffer;
std::array<char, 128 * 1024> answers;
int poller = -1;
int forward_to = 0;
std::unordered_set<Connection*> everyone;

void choose_events(Connection& connection, int action = EPOLL_CTL_MOD) {
  const std::uint32_t events =
      (connection.reads ? EPOLLIN : 0U) | (connection.unsent.empty() ? 0U : EPOLLOUT);
  bench::control(poller, action, connection.socket, events,
                 reinterpret_cast<std::uint64_t>(&connection));
}

void close_one(Connection* connection) {
  ::close(connection->socket);
  everyone.erase(connection);
  delete connection;
}

void close_all_of(Connection* connection) {
  if (connection->target != connection) close_one(connection->target);
  close_one(connection);
}

// Sends `data` to the target of `from`, which pauses when that does not take all of it.
bool send_on(Connection& from, std::string_view data) {
  Connection& to = *from.target;
  const auto sent = ::send(to.socket, data.data(), data.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return false;
  const auto taken = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (taken == data.size()) return true;
  to.unsent.assign(data.substr(taken));
  from.reads = false;
  choose_events(from);
  if (&to != &from) choose_events(to);
  return true;
}

bool send_unsent(Connection& to) {
  const auto sent = ::send(to.socket, to.unsent.data(), to.unsent.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  to.unsent.erase(0, static_cast<std::size_t>(sent));
  if (!to.unsent.empty()) return true;
  // Both are each other's source.
  to.target->reads = true;
  choose_events(to);
  if (to.target != &to) choose_events(*to.target);
  return true;
}

bool echo(Connection& connection, std::string_view data) {
  return send_on(connection, data);
}

// Frames by memchr, and collects the answers into one send.
bool lines(Connection& connection, std::string_view data) {
  std::size_t collected = 0;
  std::size_t begin = 0;
  const auto answer = [&](std::string_view part) {
    std::memcpy(answers.data() + collected, part.data(), part.size());
    collected += part.size();
  };
  while (begin < data.size()) {
    const auto* const end =
        static_cast<const char*>(std::memchr(data.data() + begin, '\n', data.size() - begin));
    if (end == nullptr) break;
    const auto next = static_cast<std::size_t>(end - data.data()) + 1;
    answer(connection.unfinished_line);
    connection.unfinished_line.clear();
    answer(data.substr(begin, next - begin));
    begin = next;
  }
  connection.unfinished_line += data.substr(begin);
  return collected == 0 || send_on(connection, {answers.data(), collected});
}

bool publish(Connection& connection, std::string_view data) {
  for (Connection* const each : everyone) {
    if (each != &connection) ::send(each->socket, data.data(), data.size(), MSG_NOSIGNAL);
  }
  return true;
}

Connection& add(int socket) {
  bench::set_no_delay(socket);
  auto* const connection = new Connection;
  connection->socket = socket;
  connection->target = connection;
  everyone.insert(connection);
  choose_events(*connection, EPOLL_CTL_ADD);
  return *connection;
}

void accept_all(int listener) {
  for (;;) {
    const int socket = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    auto& connection = add(socket);
    if (forward_to == 0) continue;
    const int onwards = bench::connect_to(forward_to);
    ::fcntl(onwards, F_SETFL, O_NONBLOCK);
    connection.target = &add(onwards);
    connection.target->target = &connection;
  }
}

template <class Answer>
void handle(Connection* connection, std::uint32_t events, Answer answer) {
  if ((events & EPOLLOUT) != 0 && !send_unsent(*connection)) return close_all_of(connection);
  if (!connection->reads || (events & ~EPOLLOUT) == 0) return;
  const auto count = ::recv(connection->socket, buffer.data(), buffer.size(), 0);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0 || !answer(*connection, {buffer.data(), static_cast<std::size_t>(count)})) {
    close_all_of(connection);
  }
}

template <class Answer>
[[noreturn]] void serve(int listener, Answer answer) {
  std::array<epoll_event, 128> events;
  for (;;) {
    const int count = ::epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      auto* const connection = reinterpret_cast<Connection*>(event.data.u64);
      connection == nullptr ? accept_all(listener) : handle(connection, event.events, answer);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "echo";
  const int listener = bench::listen_on_loopback();
  poller = ::epoll_create1(EPOLL_CLOEXEC);
  bench::control(poller, EPOLL_CTL_ADD, listener, EPOLLIN, 0);
  bench::print_port(listener);
  if (mode == "lines") serve(listener, lines);
  if (mode == "publish") serve(listener, publish);
  if (mode == "forward") forward_to = std::atoi(argv[2]);
  serve(listener, echo);
}
