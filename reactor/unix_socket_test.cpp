#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/results.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

class UnixSocket : public ::testing::TestWithParam<std::string> {
 protected:
  UnixSocket() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~UnixSocket() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ / "socket"; }
  ListeningPort listen(const UnixListenOptions& options = {}) {
    return reactor_->listen_unix(path(), factory_from([this] { return server_; }), options);
  }
  Deferred<std::shared_ptr<Protocol>> connect(const std::string& where) {
    return reactor_->connect_unix(where, factory_from([this] { return client_; }));
  }
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  void spin() {
    for (int round = 0; round < 10; ++round)
      reactor_->run_once(std::chrono::milliseconds(1));
  }
  // A socket of somebody's who does not use weft.
  [[nodiscard]] int bind_by_hand() const {
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }
  // What a program leaves that was killed.
  void leave_stale_socket() const { ::close(bind_by_hand()); }

  std::filesystem::path folder_;
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
};

TEST_P(UnixSocket, CarriesBytesBothWaysAndTellsItsAddresses) {
  const auto port = listen();
  EXPECT_EQ(port.address(), Address::unix_socket(path()));
  const auto connecting = connect(path());
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  client_->way().write("ping");
  server_->way().write("pong");
  ASSERT_TRUE(spin_until([&] { return server_->data == "ping" && client_->data == "pong"; }));
  EXPECT_EQ(client_->way().peer(), Address::unix_socket(path()));
  EXPECT_EQ(server_->way().host(), Address::unix_socket(path()));
  EXPECT_EQ(client_->way().tcp(), nullptr);
}

TEST_P(UnixSocket, TellsWhoThePeerIs) {
  const auto port = listen();
  const auto connecting = connect(path());
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  ASSERT_NE(server_->way().unix_socket(), nullptr);
  const auto peer = server_->way().unix_socket()->peer_credentials();
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->process, ::getpid());
  EXPECT_EQ(peer->user, ::getuid());
  EXPECT_EQ(peer->group, ::getgid());
}

TEST_P(UnixSocket, RemovesItsFilesWhenThePortStops) {
  auto port = listen();
  EXPECT_TRUE(std::filesystem::is_socket(path()));
  port.stop();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_P(UnixSocket, ReplacesWhatADeadProgramLeft) {
  leave_stale_socket();
  std::ofstream(path() + ".lock") << "left behind too";
  const auto port = listen();
  const auto connecting = connect(path());
  EXPECT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
}

TEST_P(UnixSocket, RefusesAPathThatIsInUse) {
  const auto port = listen();
  EXPECT_THROW(static_cast<void>(listen()), AddressInUse);
  const auto connecting = connect(path());
  EXPECT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
}

TEST_P(UnixSocket, RefusesAPathWhoseOwnerKnowsNothingOfOurLock) {
  const int listener = bind_by_hand();
  ASSERT_EQ(::listen(listener, 1), 0);
  EXPECT_THROW(static_cast<void>(listen()), AddressInUse);
  EXPECT_TRUE(std::filesystem::is_socket(path()));
  EXPECT_FALSE(std::filesystem::exists(path() + ".lock"));
  ::close(listener);
}

TEST_P(UnixSocket, RefusesAPathWhereSomethingElseIs) {
  std::ofstream(path()) << "precious";
  EXPECT_THROW(static_cast<void>(listen()), ListenError);
  EXPECT_EQ(std::filesystem::file_size(path()), 8U);
}

TEST_P(UnixSocket, RefusesAPathThatCannotBe) {
  const auto factory = factory_from([this] { return server_; });
  EXPECT_THROW(static_cast<void>(reactor_->listen_unix(std::string(200, 'x'), factory)),
               InvalidArgument);
  EXPECT_THROW(static_cast<void>(reactor_->listen_unix("", factory)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(reactor_->listen_unix("/nowhere/at/all", factory)), ListenError);
  EXPECT_THROW(static_cast<void>(reactor_->listen_unix(path(), nullptr)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(connect(std::string(200, 'x'))), InvalidArgument);
}

TEST_P(UnixSocket, RefusesAPathWithANulAndLeavesTheFileThatItWouldBeCutTo) {
  const auto name = path() + std::string(1, '\0') + "more";
  leave_stale_socket();
  EXPECT_THROW(
      static_cast<void>(reactor_->listen_unix(name, factory_from([this] { return server_; }))),
      InvalidArgument);
  EXPECT_TRUE(std::filesystem::is_socket(path()));
  EXPECT_FALSE(std::filesystem::exists(path() + ".lock"));
  EXPECT_THROW(static_cast<void>(connect(name)), InvalidArgument);
}

TEST_P(UnixSocket, GivesItsFileTheModeThatWasAskedFor) {
  UnixListenOptions options;
  options.mode = 0620;
  const auto port = listen(options);
  struct stat status {};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0620U);
}

TEST_P(UnixSocket, ListensAtAnAbstractName) {
  const auto name = std::string(1, '\0') + path();
  const auto factory = factory_from([this] { return server_; });
  auto port = reactor_->listen_unix(name, factory);
  EXPECT_THROW(static_cast<void>(reactor_->listen_unix(name, factory)), AddressInUse);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  const auto connecting = connect(name);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  port.stop();
  auto again = connect(name);
  ASSERT_TRUE(spin_until([&] { return again.ready(); }));
  testing::failure_result_of<ConnectionRefused>(std::move(again));
}

TEST_P(UnixSocket, IsRefusedWhereNobodyListens) {
  auto missing = connect(path());
  ASSERT_TRUE(spin_until([&] { return missing.ready(); }));
  testing::failure_result_of<ConnectionRefused>(std::move(missing));
  leave_stale_socket();
  auto dead = connect(path());
  ASSERT_TRUE(spin_until([&] { return dead.ready(); }));
  testing::failure_result_of<ConnectionRefused>(std::move(dead));
}

// A port that nobody accepts from, with a queue for one.
TEST_P(UnixSocket, WaitsForAPortWhoseQueueIsFullAndThenGivesUp) {
  const int listener = bind_by_hand();
  ASSERT_EQ(::listen(listener, 0), 0);
  auto first = connect(path());
  ASSERT_TRUE(spin_until([&] { return first.ready(); }));
  auto late = reactor_->connect_unix(path(), factory_for<AccumulatingProtocol>(),
                                     ConnectOptions(std::chrono::milliseconds(50)));
  ASSERT_TRUE(spin_until([&] { return late.ready(); }));
  testing::failure_result_of<ConnectTimeout>(std::move(late));
  auto waiting =
      reactor_->connect_unix(path(), factory_from([this] { return server_; }), ConnectOptions());
  ::close(::accept(listener, nullptr, nullptr));
  EXPECT_TRUE(spin_until([&] { return waiting.ready() && server_->made(); }));
  ::close(listener);
}

TEST_P(UnixSocket, StopsConnectingWhenCancelled) {
  auto connecting = connect(path());
  connecting.cancel();
  ASSERT_TRUE(connecting.ready());
  testing::failure_result_of<ConnectingCancelled>(std::move(connecting));
}

TEST_P(UnixSocket, MayBePausedBeforeAnybodyComesAndInTheMiddleOfThoseWhoWait) {
  std::vector<std::shared_ptr<AccumulatingProtocol>> guests;
  ListeningPort port;
  port = reactor_->listen_unix(path(), factory_from([&] {
                                 guests.push_back(std::make_shared<AccumulatingProtocol>());
                                 if (guests.size() == 2) port.pause_accepting();
                                 return guests.back();
                               }));
  port.pause_accepting();
  std::vector<std::shared_ptr<AccumulatingProtocol>> clients;
  for (const auto* const name : {"a", "b", "c"}) {
    clients.push_back(std::make_shared<AccumulatingProtocol>());
    const auto connecting =
        reactor_->connect_unix(path(), factory_from([&] { return clients.back(); }));
    ASSERT_TRUE(spin_until([&] { return connecting.ready() && clients.back()->made(); }));
    clients.back()->way().write(name);
  }
  spin();
  EXPECT_TRUE(guests.empty());
  port.resume_accepting();
  ASSERT_TRUE(spin_until(
      [&] { return guests.size() == 2 && guests[0]->data == "a" && guests[1]->data == "b"; }));
  spin();
  EXPECT_EQ(guests.size(), 2U);
  port.resume_accepting();
  ASSERT_TRUE(spin_until([&] { return guests.size() == 3 && guests[2]->data == "c"; }));
  port.stop();
}

TEST_P(UnixSocket, ClosesWhoWaitsWhenItStopsWhilePaused) {
  auto port = listen();
  port.pause_accepting();
  const auto connecting = connect(path());
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && client_->made(); }));
  port.stop();
  port.resume_accepting();
  EXPECT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_FALSE(server_->made());
}

INSTANTIATE_TEST_SUITE_P(Each, UnixSocket, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
