#include "../transports/endpoints.hpp"

#include "../framework/proxy_header.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/results.hpp"
#include "../transports/named_pipes.hpp"
#include "../transports/systemd.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

// A listening socket of somebody else's, and its port.
class ListeningSocket {
 public:
  ListeningSocket() {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(socket_, 8), 0);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~ListeningSocket() { ::close(socket_); }
  [[nodiscard]] int descriptor() const { return socket_; }
  [[nodiscard]] std::string port() const { return std::to_string(port_); }

 private:
  int socket_;
  Port port_ = 0;
};

class Endpoints : public ::testing::TestWithParam<std::string> {
 protected:
  Endpoints() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Endpoints() override { std::filesystem::remove_all(folder_); }

  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  ListeningPort listen_on(const std::string& text) {
    return testing::success_result_of(
        listen(*reactor_, text, factory_from([this] { return server_; })));
  }
  // Connects, talks, and hangs up.
  void converse(const std::string& text) {
    server_->on_data = [](auto& self, BytesView data) { self.way().write(data); };
    auto connecting = connect(*reactor_, text, factory_from([this] { return client_; }));
    ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
    EXPECT_EQ(testing::success_result_of(std::move(connecting)), client_);
    client_->way().write("hello");
    EXPECT_TRUE(spin_until([&] { return client_->data == "hello"; }));
    client_->way().lose_connection();
    EXPECT_TRUE(spin_until([&] { return client_->lost() && server_->lost(); }));
  }
  template <class E>
  Failure connect_failure(const std::string& text) {
    auto connecting = connect(*reactor_, text, factory_from([this] { return client_; }));
    EXPECT_TRUE(spin_until([&] { return connecting.ready(); }));
    return testing::failure_result_of<E>(std::move(connecting));
  }

  std::filesystem::path folder_;
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
};

std::string port_of(const ListeningPort& port) {
  return std::to_string(port.address().port());
}

TEST_P(Endpoints, CarryAConversationOverTcp) {
  const auto port = listen_on("tcp:0:interface=127.0.0.1:backlog=5:reuse_port=yes");
  converse("tcp:127.0.0.1:" + port_of(port) + ":timeout=5:bind=127.0.0.1");
}

TEST_P(Endpoints, CarryAConversationOverIpv6) {
  const auto port = listen_on("tcp:port=0:interface=[::1]:ipv6_only=yes");
  converse("tcp:[::1]:" + port_of(port));
  EXPECT_EQ(server_->way().host(), Address::parse("::1", port.address().port()));
}

TEST_P(Endpoints, CarryAConversationOverUnixSockets) {
  const auto path = (folder_ / "a:b").string();
  const auto text = "unix:" + escape_endpoint_value(path);
  const auto port = listen_on(text + ":mode=600");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  converse(text + ":timeout=5");
}

TEST_P(Endpoints, TakeAnAtSignForAnAbstractName) {
  const auto text = "unix:@weft-endpoint-" + std::to_string(::getpid());
  const auto port = listen_on(text);
  EXPECT_EQ(port.address().text(), text);
  converse(text);
}

TEST_P(Endpoints, ListenOnADescriptorAndLeaveItAsItWas) {
  const ListeningSocket socket;
  const auto text = "fd:" + std::to_string(socket.descriptor());
  auto port = listen_on(text);
  EXPECT_EQ(port_of(port), socket.port());
  converse("tcp:127.0.0.1:" + socket.port());
  port.stop();
  client_ = std::make_shared<AccumulatingProtocol>();
  server_ = std::make_shared<AccumulatingProtocol>();
  auto again = listen_on(text);
  converse("tcp:127.0.0.1:" + socket.port());
}

TEST_P(Endpoints, LeaveToAnotherPortOfTheSameSocketWhoComesWhileOneIsPaused) {
  const ListeningSocket socket;
  const auto text = "fd:" + std::to_string(socket.descriptor());
  auto paused = listen_on(text);
  for (int round = 0; round < 5; ++round)
    reactor_->run_once(std::chrono::milliseconds(1));
  paused.pause_accepting();
  for (int round = 0; round < 5; ++round)
    reactor_->run_once(std::chrono::milliseconds(1));
  const auto other = testing::success_result_of(listen(*reactor_, text, factory_from([&] {
    EXPECT_EQ(paused.connections(), 0U);
    return server_;
  })));
  converse("tcp:127.0.0.1:" + socket.port());
  paused.resume_accepting();
  auto last = other;
  last.stop();
  client_ = std::make_shared<AccumulatingProtocol>();
  server_ = std::make_shared<AccumulatingProtocol>();
  converse("tcp:127.0.0.1:" + socket.port());
}

TEST_P(Endpoints, ListenOnADescriptorOfAUnixSocket) {
  const auto name = std::string(1, '\0') + "weft-fd-" + std::to_string(::getpid());
  const auto factory = factory_from([this] { return server_; });
  int passed = -1;
  {
    const auto other = make_reactor("select");
    const auto port = other->listen_unix(name, factory);
    for (int candidate = 3; candidate < 256 && passed < 0; ++candidate) {
      int listens = 0;
      socklen_t size = sizeof listens;
      ::getsockopt(candidate, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
      if (listens != 0) passed = ::fcntl(candidate, F_DUPFD_CLOEXEC, 3);
    }
  }
  ASSERT_GE(passed, 0);
  const auto port = reactor_->adopt_port(passed, factory);
  EXPECT_EQ(port.address(), Address::unix_socket(name));
  converse("unix:@" + name.substr(1));
}

TEST_P(Endpoints, RefuseADescriptorThatDoesNotListen) {
  int ends[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto factory = factory_from([this] { return server_; });
  EXPECT_THROW(reactor_->adopt_port(ends[0], factory), ListenError);
  EXPECT_EQ(::fcntl(ends[0], F_GETFD), -1) << "it is closed";
  EXPECT_THROW(reactor_->adopt_port(-1, factory), ListenError);
  ::close(ends[1]);
}

TEST_P(Endpoints, RefuseAListeningSocketWhoseConnectionsAreNoStreams) {
  const int socket = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  const sockaddr anonymous{AF_UNIX, {}};
  // The system gives it an abstract name.
  ASSERT_EQ(::bind(socket, &anonymous, sizeof anonymous.sa_family), 0);
  ASSERT_EQ(::listen(socket, 1), 0);
  EXPECT_THROW(reactor_->adopt_port(socket, factory_from([this] { return server_; })), ListenError);
  EXPECT_EQ(::fcntl(socket, F_GETFD), -1) << "it is closed";
}

TEST_P(Endpoints, HaveADeferredFailWhereAReactorWouldThrow) {
  const ListeningSocket socket;
  const auto factory = factory_from([this] { return server_; });
  testing::failure_result_of<AddressInUse>(
      listen(*reactor_, "tcp:" + socket.port() + ":interface=127.0.0.1", factory));
  testing::failure_result_of<EndpointError>(listen(*reactor_, "tcp:none", factory));
  testing::failure_result_of<InvalidArgument>(listen(*reactor_, "tcp:0", nullptr));
}

TEST_P(Endpoints, FailToConnectAsTheReactorDoes) {
  connect_failure<ConnectionRefused>("unix:" + (folder_ / "nobody").string());
  connect_failure<EndpointError>("tcp:localhost");
  EXPECT_FALSE(client_->made());
}

TEST_P(Endpoints, CloseWhatWasOpenedWhenTheyAreCancelled) {
  const auto port = listen_on("tcp:0:interface=127.0.0.1");
  auto connecting = connect(*reactor_, "tcp:127.0.0.1:" + port_of(port),
                            factory_from([this] { return client_; }));
  connecting.cancel();
  reactor_->run_once(Duration::zero());
  testing::failure_result_of<ConnectingCancelled>(std::move(connecting));
  EXPECT_FALSE(client_->made());
}

TEST_P(Endpoints, PassTheClientsAddressThroughAProxy) {
  const auto port = listen_on("haproxy:trusted=127.0.0.0/8,10.0.0.0/8:tcp:0:interface=127.0.0.1");
  converse("haproxy:version=1:tcp:127.0.0.1:" + port_of(port));
  ASSERT_NE(server_->way().proxied(), nullptr);
  EXPECT_EQ(server_->way().peer(), client_->way().host());
  EXPECT_EQ(server_->way().proxied()->destination, port.address());
}

TEST_P(Endpoints, TalkToAProgram) {
  const auto protocol = client_;
  auto connecting = connect(*reactor_, "process:cat:-u", factory_from([&] { return protocol; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(testing::success_result_of(std::move(connecting)), client_);
  client_->way().write("hello");
  ASSERT_TRUE(spin_until([&] { return client_->data == "hello"; }));
  client_->way().lose_connection();
  EXPECT_TRUE(spin_until([&] { return client_->lost_with<ConnectionDone>(); }));
}

TEST_P(Endpoints, FailForAProgramThatCannotBeRun) {
  connect_failure<SpawnError>("process:/nowhere/nothing");
  auto refused =
      connect(*reactor_, "process:cat", factory_from([] { return std::shared_ptr<Protocol>(); }));
  ASSERT_TRUE(spin_until([&] { return refused.ready(); }));
  testing::failure_result_of<NoProtocol>(std::move(refused));
  auto cancelled = connect(*reactor_, "process:cat", factory_from([this] { return client_; }));
  cancelled.cancel();
  testing::failure_result_of<ConnectingCancelled>(std::move(cancelled));
}

TEST_P(Endpoints, RefuseAProxyThatIsNotTrusted) {
  const auto port = listen_on("haproxy:trusted=10.0.0.0/8:tcp:0:interface=127.0.0.1");
  auto connecting = connect(*reactor_, "haproxy:tcp:127.0.0.1:" + port_of(port),
                            factory_from([this] { return client_; }));
  EXPECT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_FALSE(server_->made());
}

TEST_P(Endpoints, SayThatNamedPipesAreForWindows) {
  const auto factory = factory_for<AccumulatingProtocol>();
  EXPECT_THROW(listen_pipe(*reactor_, "weft", factory), NotSupportedOnThisPlatform);
  EXPECT_THROW(static_cast<void>(connect_pipe(*reactor_, "weft", factory)),
               NotSupportedOnThisPlatform);
  testing::failure_result_of<NotSupportedOnThisPlatform>(listen(*reactor_, "pipe:weft", factory));
}

TEST_P(Endpoints, AreOfKindsThatUsersAdd) {
  static const bool added = [] {
    // [kind]
    register_server_endpoint("loopback", [](Reactor& reactor, EndpointArguments& arguments) {
      const auto number = arguments.port(arguments.required("port"));
      return server_endpoint([&reactor, number](std::shared_ptr<Factory> factory) {
        return reactor.listen_tcp(number, std::move(factory), testing::on_loopback());
      });
    });
    // [kind]
    return true;
  }();
  ASSERT_TRUE(added);
  const auto port = listen_on("loopback:0");
  converse("tcp:127.0.0.1:" + port_of(port));
  EXPECT_THROW(register_server_endpoint("tcp", [](auto&, auto&) { return nullptr; }),
               InvalidArgument);
  EXPECT_THROW(register_client_endpoint("a:b", [](auto&, auto&) { return nullptr; }),
               InvalidArgument);
}

TEST_P(Endpoints, PointAtTheBadPartOfTheirString) {
  const struct {
    const char* text;
    const char* part;
  } servers[] = {{"tpc:80", "tpc"},
                 {"tcp:80:interface=localhost", "localhost"},
                 {"tcp:80:backlog=many", "many"},
                 {"tcp:80:81", "81"},
                 {"tcp:80:mode=600", "mode=600"},
                 {"unix:/x:mode=9", "9"},
                 {"unix:/x:backlog=1048577", "1048577"},
                 {"unix:", ""},
                 {"fd:-1", "-1"},
                 {"stdio:now", "now"},
                 {"haproxy:trusted=10.0.0.0/33:tcp:80", "10.0.0.0/33"},
                 {"haproxy:header_timeout=0:tcp:80", "0"},
                 {"haproxy", ""}};
  for (const auto& [text, part] : servers) {
    try {
      static_cast<void>(server_from_string(*reactor_, text));
      ADD_FAILURE() << text;
    } catch (const EndpointError& error) {
      EXPECT_EQ(std::string(text).substr(error.position(), error.length()), part) << error.what();
    }
  }
  for (const auto* const text :
       {"tcp::80", "tcp:host:80:timeout=soon", "tcp:host:80:bind=here",
        "tcp:host:80:bind=[1.2.3.4:x]", "haproxy:version=3:tcp:host:80", "stdio:", "unix:"}) {
    EXPECT_THROW(static_cast<void>(client_from_string(*reactor_, text)), EndpointError) << text;
  }
}

// ---- what is passed to a program

// In a child: listens on `endpoint`, answers one connection, and ends with its status.
[[noreturn]] void serve_one(const std::string& reactor_name, const std::string& endpoint,
                            bool pauses_first = false) {
  int status = 1;
  {
    const auto reactor = make_reactor(reactor_name);
    const auto protocol = std::make_shared<AccumulatingProtocol>();
    protocol->on_data = [](auto& self, BytesView data) { self.way().write(data); };
    protocol->on_lost = [&](auto&) { reactor->stop(); };
    auto port = listen(*reactor, endpoint, factory_from([&] { return protocol; }));
    if (port.ready() && protocol->events.empty()) {
      auto handle = testing::success_result_of(std::move(port));
      if (pauses_first) {
        handle.pause_accepting();
        for (int round = 0; round < 5; ++round)
          reactor->run_once(std::chrono::milliseconds(1));
        if (protocol->made()) ::_exit(3);
        handle.resume_accepting();
      }
      reactor->run();
      status = protocol->lost_with<ConnectionDone>() ? 0 : 2;
    }
  }
  ::_exit(status);
}

std::string echoed(int descriptor, const std::string& text) {
  EXPECT_EQ(::write(descriptor, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  std::string answer(text.size(), '\0');
  EXPECT_EQ(::recv(descriptor, answer.data(), answer.size(), MSG_WAITALL),
            static_cast<ssize_t>(answer.size()));
  return answer;
}

void expect_success(pid_t child) {
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// What systemd does before it runs a program: sockets from 3 on, and what they are called.
void pass_as_systemd_does(const std::vector<int>& sockets, const std::string& names) {
  std::vector<int> copies;
  for (const int socket : sockets)
    copies.push_back(::fcntl(socket, F_DUPFD, 100));
  for (std::size_t i = 0; i < copies.size(); ++i)
    ::dup2(copies[i], 3 + static_cast<int>(i));
  ::setenv("LISTEN_FDS", std::to_string(sockets.size()).c_str(), 1);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDNAMES", names.c_str(), 1);
}

int connect_by_hand(const std::string& port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<Port>(std::stoi(port)));
  EXPECT_EQ(::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return socket;
}

TEST_P(Endpoints, ListenOnWhatSystemdPassesByNameAndByIndex) {
  const ListeningSocket first;
  const ListeningSocket second;
  const struct {
    const char* endpoint;
    const ListeningSocket& socket;
  } cases[] = {{"systemd:", first},
               {"systemd:1", second},
               {"systemd:index=0", first},
               {"systemd:name=web", second},
               {"haproxy:systemd:name=admin", first}};
  for (const auto& [endpoint, socket] : cases) {
    const auto child = ::fork();
    if (child == 0) {
      pass_as_systemd_does({first.descriptor(), second.descriptor()}, "admin:web");
      serve_one(GetParam(), endpoint);
    }
    const int connection = connect_by_hand(socket.port());
    if (std::string(endpoint).starts_with("haproxy")) {
      const std::string header = "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n";
      ASSERT_EQ(::write(connection, header.data(), header.size()),
                static_cast<ssize_t>(header.size()));
    }
    EXPECT_EQ(echoed(connection, "hello"), "hello") << endpoint;
    ::close(connection);
    expect_success(child);
  }
}

TEST_P(Endpoints, TalkOverStandardInputAndOutputAsSoonAsTheyMay) {
  for (const bool pauses_first : {false, true}) {
    int ends[2] = {};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const auto child = ::fork();
    if (child == 0) {
      ::dup2(ends[1], STDIN_FILENO);
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      serve_one(GetParam(), "stdio:", pauses_first);
    }
    ::close(ends[1]);
    EXPECT_EQ(echoed(ends[0], "hello"), "hello");
    ::close(ends[0]);
    expect_success(child);
  }
}

// In a child, which has none of the one descriptor: 0 when that is said at once.
[[noreturn]] void listen_without(const std::string& reactor_name, int closed) {
  int status = 1;
  {
    const auto reactor = make_reactor(reactor_name);
    const auto protocol = std::make_shared<AccumulatingProtocol>();
    ::close(closed);
    auto port = listen(*reactor, "stdio:", factory_from([&] { return protocol; }));
    const auto result = port.take_result();
    if (result && !*result && result->failure().check<InvalidArgument>() != nullptr &&
        result->failure().message().starts_with("Descriptor " + std::to_string(closed) + ",")) {
      status = 0;
    }
  }
  ::_exit(status);
}

TEST_P(Endpoints, SayThatThereIsNoStandardInputOrOutput) {
  for (const int closed : {STDIN_FILENO, STDOUT_FILENO}) {
    const auto child = ::fork();
    if (child == 0) listen_without(GetParam(), closed);
    expect_success(child);
  }
}

TEST_P(Endpoints, NameTheDescriptorThatIsNotThere) {
  const auto failure = testing::failure_result_of<ListenError>(
      listen(*reactor_, "fd:999999", factory_from([this] { return server_; })));
  EXPECT_TRUE(failure.message().starts_with("Descriptor 999999 ")) << failure.message();
}

TEST_P(Endpoints, SayWhatSystemdDidNotPass) {
  const auto factory = factory_from([this] { return server_; });
  EXPECT_THROW(listen_systemd(*reactor_, "web", factory), ListenError);
  EXPECT_THROW(listen_systemd(*reactor_, std::size_t{0}, factory), ListenError);
}

// In this process the variables are set and unset around one call.
class SystemdVariables {
 public:
  SystemdVariables(const std::string& process, const std::string& count, const char* names) {
    ::setenv("LISTEN_PID", process.c_str(), 1);
    ::setenv("LISTEN_FDS", count.c_str(), 1);
    if (names != nullptr) ::setenv("LISTEN_FDNAMES", names, 1);
  }
  ~SystemdVariables() {
    ::unsetenv("LISTEN_PID");
    ::unsetenv("LISTEN_FDS");
    ::unsetenv("LISTEN_FDNAMES");
  }
  SystemdVariables(const SystemdVariables&) = delete;
  SystemdVariables& operator=(const SystemdVariables&) = delete;
};

TEST(Systemd, PassesNothingToAnotherProcess) {
  const SystemdVariables variables(std::to_string(::getpid() + 1), "1", nullptr);
  EXPECT_TRUE(sockets_from_systemd().empty());
}

TEST(Systemd, IsRefusedWhereItContradictsItself) {
  const auto own = std::to_string(::getpid());
  {
    const SystemdVariables variables(own, "many", nullptr);
    EXPECT_THROW(static_cast<void>(sockets_from_systemd()), ListenError);
  }
  {
    const SystemdVariables variables(own, "2", "one");
    EXPECT_THROW(static_cast<void>(sockets_from_systemd()), ListenError);
  }
  {
    const SystemdVariables variables(own, "9999", nullptr);
    EXPECT_THROW(static_cast<void>(sockets_from_systemd()), ListenError);
  }
}

INSTANTIATE_TEST_SUITE_P(Reactors, Endpoints, ::testing::ValuesIn(reactor_names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace weft
