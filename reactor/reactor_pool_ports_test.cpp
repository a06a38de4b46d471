#include "../framework/transport.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "make_reactor.hpp"
#include "reactor_pool.hpp"
#include "reactor_pool_test.hpp"

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace weft {
namespace {

using testing::eventually;
using testing::in_reactor;
using testing::on;
using testing::on_loopback;

// A client that blocks, for a thread of its own.
class Client {
 public:
  explicit Client(Port port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  explicit Client(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connect(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  Client(Client&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Client& operator=(Client&& other) noexcept {
    std::swap(socket_, other.socket_);
    return *this;
  }
  ~Client() {
    if (socket_ >= 0) ::close(socket_);
  }

  /// What comes back for `text`: all up to a line's end, or what came before the end.
  std::string ask(const std::string& text) {
    static_cast<void>(::send(socket_, text.data(), text.size(), MSG_NOSIGNAL));
    return read();
  }
  std::string read() {
    std::string answer;
    std::array<char, 256> room{};
    while (answer.empty() || answer.back() != '\n') {
      const auto count = ::recv(socket_, room.data(), room.size(), 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      answer.append(room.data(), static_cast<std::size_t>(count));
    }
    return answer;
  }
  [[nodiscard]] Port port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

 private:
  void connect(const sockaddr* address, socklen_t size) {
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(socket_, address, size) == 0) return;
    const std::error_code error(errno, std::system_category());
    ::close(std::exchange(socket_, -1));
    throw std::system_error(error, "no connection");
  }

  int socket_;
};

// Answers everything with the number of its reactor.
class Teller final : public Protocol {
 public:
  explicit Teller(ReactorPool& pool) : pool_(pool), made_in_(*pool.index()) {}
  void data_received(BytesView) override {
    EXPECT_EQ(pool_.index(), made_in_);
    transport().write(std::to_string(made_in_) + "\n");
  }

 private:
  ReactorPool& pool_;
  std::size_t made_in_;
};

class PoolPorts : public ::testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] FactoryMaker tellers() {
    return [this](Reactor& reactor) {
      EXPECT_EQ(&reactor, &Reactor::current());
      return factory_for<Teller>(std::ref(pool_));
    };
  }
  PoolPort listen(Spread spread = Spread::round_robin) {
    return pool_.listen_tcp(0, tellers(), on_loopback(), spread);
  }
  template <class F>
  void for_each_spread(F f) {
    for (const auto spread : {Spread::round_robin, Spread::fewest_connections, Spread::by_system})
      f(spread);
  }

  ReactorPool pool_{2, on(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(All, PoolPorts, ::testing::ValuesIn(reactor_names()),
                         [](const auto& tested) { return tested.param; });

TEST_P(PoolPorts, ServeOnePortHoweverTheyAreSpread) {
  std::vector<PoolPort> ports;
  for_each_spread([&](Spread spread) { ports.push_back(listen(spread)); });
  pool_.start();
  for (const auto& port : ports) {
    EXPECT_NE(port.address().port(), 0);
    std::vector<Client> clients;
    for (int i = 0; i < 8; ++i) {
      const auto answer = clients.emplace_back(port.address().port()).ask("who?");
      EXPECT_TRUE(answer == "0\n" || answer == "1\n") << answer;
    }
    EXPECT_EQ(port.connections(), 8U);
    clients.clear();
    EXPECT_TRUE(eventually([&] { return port.connections() == 0; }));
  }
}

TEST_P(PoolPorts, GiveConnectionsToTheirReactorsInTurn) {
  const auto port = listen();
  pool_.start();
  std::string told;
  std::vector<Client> clients;
  for (int i = 0; i < 6; ++i)
    told += clients.emplace_back(port.address().port()).ask("who?").substr(0, 1);
  EXPECT_EQ(told, "010101");
}

TEST_P(PoolPorts, GiveAConnectionToTheReactorThatHasTheFewest) {
  const auto port = listen(Spread::fewest_connections);
  pool_.start();
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back(port.address().port()).ask("who?");
  // Both of one reactor go.
  const auto left = clients.front().ask("who?");
  clients.erase(clients.begin() + 3);
  clients.erase(clients.begin() + 1);
  ASSERT_TRUE(eventually([&] { return port.connections() == 2; }));
  for (int i = 0; i < 2; ++i)
    EXPECT_NE(clients.emplace_back(port.address().port()).ask("who?"), left);
}

// Tells what its transport knows.
class Inspector final : public Protocol {
 public:
  void connection_made() override {
    auto* const control = transport().tcp();
    EXPECT_NE(control, nullptr);
    if (control != nullptr) {
      EXPECT_TRUE(control->no_delay());
      control->set_keep_alive(true);
      EXPECT_TRUE(control->keep_alive());
    }
    transport().write(transport().host().text() + " " + transport().peer().text() + "\n");
  }
  void data_received(BytesView) override { transport().abort_connection(); }
};

TEST_P(PoolPorts, MakeRealConnectionsWithTheAddressesOfBothEnds) {
  for_each_spread([&](Spread spread) {
    for (const auto& options : {on_loopback(), ListenOptions()}) {
      ReactorPool pool(2, on(GetParam()));
      const auto port = pool.listen_tcp(
          0, [](Reactor&) { return factory_for<Inspector>(); }, options, spread);
      pool.start();
      for (int i = 0; i < 2; ++i) {
        Client client(port.address().port());
        EXPECT_EQ(client.read(), "127.0.0.1:" + std::to_string(port.address().port()) +
                                     " 127.0.0.1:" + std::to_string(client.port()) + "\n");
        EXPECT_EQ(client.ask("go"), "");
      }
    }
  });
}

TEST_P(PoolPorts, ServeUnixSocketsToo) {
  const std::string path = ::testing::TempDir() + "weft-pool-" + std::to_string(::getpid());
  {
    auto port = pool_.listen_unix(path, tellers());
    EXPECT_EQ(port.address(), Address::unix_socket(path));
    EXPECT_THROW(pool_.listen_unix(path, tellers()), AddressInUse);
    EXPECT_THROW(pool_.listen_unix(path + "x", tellers(), {}, Spread::by_system), InvalidArgument);
    pool_.start();
    Client first(path);
    Client second(path);
    EXPECT_EQ(first.ask("who?"), "0\n");
    EXPECT_EQ(second.ask("who?"), "1\n");
    port.stop();
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(path); }));
    EXPECT_EQ(second.ask("who?"), "1\n");
  }
}

TEST_P(PoolPorts, AcceptNoMoreOnceStoppedThoughConnectionsLiveOn) {
  for_each_spread([&](Spread spread) {
    ReactorPool pool(2, on(GetParam()));
    auto port = pool.listen_tcp(
        0, [&](Reactor&) { return factory_for<Teller>(std::ref(pool)); }, on_loopback(), spread);
    EXPECT_THROW(pool.listen_tcp(port.address().port(), tellers(), on_loopback()), AddressInUse);
    pool.start();
    Client client(port.address().port());
    EXPECT_NE(client.ask("who?"), "");
    EXPECT_TRUE(port.listening());
    port.stop();
    port.stop();
    EXPECT_FALSE(port.listening());
    std::promise<void> drained;
    pool.call_from_thread(1, [&](Reactor& reactor) {
      const auto told = port.drained().add_callback([&] {
        EXPECT_EQ(&reactor, &Reactor::current());
        drained.set_value();
      });
    });
    EXPECT_TRUE(eventually([&] {
      try {
        Client late(port.address().port());
        return false;
      } catch (const std::system_error&) {
        return true;
      }
    }));
    EXPECT_NE(client.ask("who?"), "");
    auto future = drained.get_future();
    EXPECT_EQ(future.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    { const auto gone = std::move(client); }
    testing::wait_for(std::move(future));
    EXPECT_EQ(port.connections(), 0U);
  });
}

TEST_P(PoolPorts, StopBeforeTheyRun) {
  for_each_spread([&](Spread spread) {
    auto port = listen(spread);
    port.stop();
    EXPECT_THROW(Client(port.address().port()), std::system_error);
  });
}

TEST_P(PoolPorts, CloseTheConnectionsOfAllReactors) {
  auto port = listen();
  pool_.start();
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back(port.address().port()).ask("who?");
  auto closing = std::async(std::launch::async, [&] {
    in_reactor(pool_, 1, [&](Reactor&) { return port.close_connections(std::chrono::seconds(5)); });
  });
  for (auto& client : clients) {
    EXPECT_EQ(client.read(), "");
    const auto gone = std::move(client);
  }
  closing.get();
  EXPECT_EQ(port.connections(), 0U);
}

TEST_P(PoolPorts, BeginAndEndWhileThePoolRuns) {
  pool_.start();
  for_each_spread([&](Spread spread) {
    auto port = listen(spread);
    EXPECT_NE(Client(port.address().port()).ask("who?"), "");
    port.stop();
    in_reactor(pool_, 0, [&](Reactor&) { return port.drained(); });
  });
  const auto from_inside = in_reactor(pool_, 1, [&](Reactor&) { return listen(); });
  EXPECT_NE(Client(from_inside.address().port()).ask("who?"), "");
}

TEST_P(PoolPorts, StopEverywhereWhenOneFactoryCannotBeMade) {
  const auto make = [this](Reactor& reactor) -> std::shared_ptr<Factory> {
    if (&reactor == &pool_.reactor(1)) throw std::runtime_error("no factory today");
    return factory_for<Teller>(std::ref(pool_));
  };
  for_each_spread([&](Spread spread) {
    EXPECT_THROW(pool_.listen_tcp(0, make, on_loopback(), spread), std::runtime_error);
  });
  const testing::LogCapture log;
  pool_.start();
  for_each_spread([&](Spread spread) {
    const auto port = pool_.listen_tcp(0, make, on_loopback(), spread);
    EXPECT_TRUE(eventually([&] { return !port.listening(); }));
    EXPECT_TRUE(log.contains("no factory today"));
    in_reactor(pool_, 0, [&](Reactor&) { return port.drained(); });
  });
}

TEST_P(PoolPorts, MayOutliveTheirPool) {
  PoolPort port;
  EXPECT_FALSE(port.listening());
  port.stop();
  {
    ReactorPool pool(2, on(GetParam()));
    port = pool.listen_tcp(0, [&](Reactor&) { return factory_for<Teller>(std::ref(pool)); });
    pool.start();
    Client client(port.address().port());
    EXPECT_NE(client.ask("who?"), "");
    pool.stop();
    EXPECT_EQ(client.read(), "");
    pool.join();
    EXPECT_FALSE(port.listening());
    EXPECT_THROW(pool.listen_tcp(0, [](Reactor&) { return nullptr; }), NotRunningError);
  }
  EXPECT_FALSE(port.listening());
  EXPECT_NE(port.address().port(), 0);
  EXPECT_EQ(port.connections(), 0U);
  port.stop();
  EXPECT_TRUE(port.drained().ready());
}

TEST_P(PoolPorts, AreChurnedFromSeveralThreadsAndStoppedInTheMiddle) {
  constexpr int round_trips = 60;
  for_each_spread([&](Spread spread) {
    std::optional<ReactorPool> pool(std::in_place, 2, on(GetParam()));
    const auto port = pool->listen_tcp(
        0, [&](Reactor&) { return factory_for<Teller>(std::ref(*pool)); }, on_loopback(), spread);
    pool->start();
    std::atomic<int> served = 0;
    const auto churn = [&] {
      try {
        while (Client(port.address().port()).ask("who?") != "")
          ++served;
      } catch (const std::system_error&) {
        // Nobody listens any more.
        return;
      }
    };
    std::vector<std::future<void>> clients;
    for (int i = 0; i < 3; ++i)
      clients.push_back(std::async(std::launch::async, churn));
    EXPECT_TRUE(eventually([&] { return served >= round_trips; }));
    pool->stop();
    pool->join();
    // What the system had accepted for it is closed with it.
    pool.reset();
    for (auto& client : clients)
      testing::wait_for(std::move(client));
    EXPECT_EQ(port.connections(), 0U);
  });
}

}  // namespace
}  // namespace weft
