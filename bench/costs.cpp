// What one operation costs in instructions and allocations, which are steady where times are not:
// run below callgrind by cost_gate.py. Prints each operation's name, how often it was done, and how
// many allocations that took.
#include "../framework/allocation_counter_test.hpp"
#include "sockets.hpp"
#include <weft/framework/bytes.hpp>
#include <weft/framework/clock.hpp>
#include <weft/framework/deferred.hpp>
#include <weft/framework/factory.hpp>
#include <weft/framework/gather.hpp>
#include <weft/framework/transport.hpp>
#include <weft/protocols/line_receiver.hpp>
#include <weft/reactor/make_reactor.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <valgrind/callgrind.h>
#include <vector>

namespace {

constexpr int warm_up = 50;
constexpr int repetitions = 200;

template <class Operation>
void measure(const char* name, Operation operation) {
  for (int i = 0; i < warm_up; ++i)
    operation();
  const weft::AllocationCounter counter;
  CALLGRIND_ZERO_STATS;
  for (int i = 0; i < repetitions; ++i)
    operation();
  CALLGRIND_DUMP_STATS_AT(name);
  std::printf("%s %d %lld\n", name, repetitions, static_cast<long long>(counter.count()));
}

class Echo final : public weft::Protocol {
  void data_received(weft::BytesView data) override { transport().write(data); }
};

class Lines final : public weft::LineReceiver {
  void line_received(std::string_view line) override { send_line(line); }
};

class Subscriber final : public weft::Protocol {
 public:
  explicit Subscriber(std::vector<Subscriber*>& everyone) { everyone.push_back(this); }
  void data_received(weft::BytesView) override {}
  void tell(const weft::Bytes& message) { transport().write(message); }
};

// An epoll reactor in this thread, and plain sockets at the other end.
class Server {
 public:
  explicit Server(const std::shared_ptr<weft::Factory>& factory)
      : reactor_(weft::make_reactor("epoll")), port_(listen(*reactor_, factory)) {}

  [[nodiscard]] weft::Reactor& reactor() { return *reactor_; }
  int connect() {
    const auto before = port_.connections();
    const int socket = bench::connect_to(port_.address().port());
    while (port_.connections() == before)
      reactor_->run_once(std::chrono::seconds(1));
    return socket;
  }
  void exchange(int socket, const std::string& message) {
    if (::send(socket, message.data(), message.size(), MSG_NOSIGNAL) < 0) bench::fail("send");
    do {
      reactor_->run_once(std::chrono::seconds(1));
    } while (::recv(socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT) < 0 && errno == EAGAIN);
  }

 private:
  static weft::ListeningPort listen(weft::Reactor& reactor,
                                    const std::shared_ptr<weft::Factory>& factory) {
    weft::ListenOptions options;
    options.interface = "127.0.0.1";
    return reactor.listen_tcp(0, factory, options);
  }
  std::unique_ptr<weft::Reactor> reactor_;
  weft::ListeningPort port_;
  std::array<char, 64 * 1024> buffer_;
};

void messages() {
  Server server(weft::factory_for<Echo>());
  const int socket = server.connect();
  const std::string message(64, 'x');
  measure("echo", [&] { server.exchange(socket, message); });
  measure("connection", [&] {
    const int brief = server.connect();
    server.exchange(brief, message);
    ::close(brief);
    server.reactor().run_once(std::chrono::seconds(10));
    server.reactor().run_once(std::chrono::seconds(0));
  });
  ::close(socket);
}

void lines() {
  Server server(weft::factory_for<Lines>());
  const int socket = server.connect();
  const std::string line = "a line of a protocol whose messages are lines, 62 bytes long\r\n";
  std::string batch;
  for (int i = 0; i < 16; ++i)
    batch += line;
  measure("line", [&] { server.exchange(socket, line); });
  measure("sixteen-lines", [&] { server.exchange(socket, batch); });
  ::close(socket);
}

void publishing() {
  std::vector<Subscriber*> everyone;
  Server server(weft::factory_for<Subscriber>(std::ref(everyone)));
  std::vector<int> sockets;
  for (int i = 0; i < 64; ++i)
    sockets.push_back(server.connect());
  const std::string text(256, 'x');
  std::array<char, 1024> buffer;
  measure("publish-to-64", [&] {
    server.reactor().call_later(weft::Duration::zero(), [&] {
      const weft::Bytes message{weft::BytesView(text)};
      for (Subscriber* const each : everyone)
        each->tell(message);
    });
    server.reactor().run_once(std::chrono::seconds(0));
    for (const int socket : sockets) {
      if (::recv(socket, buffer.data(), buffer.size(), 0) < 0) bench::fail("recv");
    }
  });
  for (const int socket : sockets)
    ::close(socket);
}

void stages(int count) {
  weft::Promise<int> promise;
  auto deferred = promise.deferred();
  for (int i = 0; i < count; ++i) {
    deferred = std::move(deferred).add_callback([](int value) { return value + 1; });
  }
  promise.callback(1);
  if (deferred.peek()->value() != count + 1) std::abort();
}

void results() {
  measure("deferred-1-stage", [] { stages(1); });
  measure("deferred-20-stages", [] { stages(20); });
  measure("gather-100", [] {
    std::vector<weft::Promise<int>> promises(100);
    std::vector<weft::Deferred<int>> inputs;
    inputs.reserve(promises.size());
    for (auto& promise : promises)
      inputs.push_back(promise.deferred());
    auto gathered = weft::gather_results(std::move(inputs));
    for (auto& promise : promises)
      promise.callback(1);
    if (gathered.peek()->value().size() != promises.size()) std::abort();
  });
}

class StillClock final : public weft::Clock {
 public:
  [[nodiscard]] weft::TimePoint now() const override { return {}; }
};

void timers() {
  StillClock clock;
  std::vector<weft::DelayedCall> pending;
  for (int i = 0; i < 10'000; ++i) {
    pending.push_back(clock.call_later(std::chrono::microseconds(i * 7919 % 60'000'000), [] {}));
  }
  measure("timer", [&] { clock.call_later(std::chrono::seconds(30), [] {}).cancel(); });
  auto timeout = clock.call_later(std::chrono::seconds(30), [] {});
  measure("put-off", [&] { timeout.reset(std::chrono::seconds(30)); });
}

void thread_calls() {
  const auto reactor = weft::make_reactor("epoll");
  int made = 0;
  measure("100-thread-calls", [&] {
    for (int i = 0; i < 100; ++i)
      reactor->call_from_thread([&made] { ++made; });
    reactor->run_once(std::chrono::seconds(10));
  });
  if (made != 100 * (warm_up + repetitions)) std::abort();
}

}  // namespace

int main() {
  messages();
  lines();
  publishing();
  results();
  timers();
  thread_calls();
}
