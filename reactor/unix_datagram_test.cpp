#include "../framework/datagram.hpp"
#include "../framework/error.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace weft {
namespace {

class Keeper : public DatagramProtocol {
 public:
  std::vector<std::pair<std::string, Address>> datagrams;
  std::vector<std::string> events;

  void datagram_received(BytesView data, const Address& sender) override {
    datagrams.emplace_back(data.text(), sender);
  }
  void connection_refused() override { events.emplace_back("refused"); }
  void pause_writing() override { events.emplace_back("pause"); }
  void resume_writing() override { events.emplace_back("resume"); }
  void stop_protocol() override { events.emplace_back("stop"); }
};

class UnixDatagrams : public ::testing::TestWithParam<std::string> {
 protected:
  UnixDatagrams() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~UnixDatagrams() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  std::shared_ptr<DatagramTransport> open(const std::string& where,
                                          const std::shared_ptr<Keeper>& protocol,
                                          const DatagramOptions& options = {}) {
    return reactor_->listen_unix_datagrams(where, protocol, options);
  }
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  void expect_both_ways(const std::string& server_name, const std::string& client_name) {
    const auto server = open(server_name, server_);
    const auto client = open(client_name, client_);
    client->send("there", server->host());
    ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
    EXPECT_EQ(server_->datagrams[0].second, client->host());
    server->send("", client->host());
    ASSERT_TRUE(spin_until([&] { return client_->datagrams.size() == 1; }));
    EXPECT_EQ(client_->datagrams[0], std::make_pair(std::string(), server->host()));
  }
  // Sends until the port has had to let some wait; the datagrams are numbered.
  static int fill(DatagramTransport& port, const Address& to, int first = 0) {
    int next = first;
    while (port.write_buffer_size() < 20 * DatagramTransport::cost_in_queue) {
      port.send(std::to_string(next), to);
      ++next;
    }
    return next;
  }

  std::filesystem::path folder_;
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<Keeper> server_ = std::make_shared<Keeper>();
  std::shared_ptr<Keeper> client_ = std::make_shared<Keeper>();
};

TEST_P(UnixDatagrams, GoBothWaysBetweenPaths) {
  expect_both_ways(path("server"), path("client"));
}

TEST_P(UnixDatagrams, GoBothWaysBetweenAbstractNames) {
  expect_both_ways(std::string(1, '\0') + path("server"), std::string(1, '\0') + path("client"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_P(UnixDatagrams, FromAPortWithoutANameCannotBeAnswered) {
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  EXPECT_EQ(client->host(), Address::unix_socket(""));
  client->send("who am I?", server->host());
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
  EXPECT_EQ(server_->datagrams[0].second, Address::unix_socket(""));
  EXPECT_THROW(server->send("you", server_->datagrams[0].second), InvalidArgument);
}

TEST_P(UnixDatagrams, LeaveNoFilesBehind) {
  const auto server = open(path("server"), server_);
  EXPECT_TRUE(std::filesystem::is_socket(path("server")));
  EXPECT_THROW(open(path("server"), client_), AddressInUse);
  server->abort_connection();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  ASSERT_TRUE(spin_until([&] { return !server_->events.empty(); }));
}

TEST_P(UnixDatagrams, ReplaceWhatADeadProgramLeft) {
  const int dead = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path("server").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_THROW(open(path("server"), server_), AddressInUse);
  ::close(dead);
  EXPECT_NO_THROW(open(path("server"), server_));
}

TEST_P(UnixDatagrams, CannotGoToWhereNobodyIs) {
  const auto client = open("", client_);
  client->send("x", Address::unix_socket(path("nowhere")));
  EXPECT_EQ(client->counters().failed, 1U);
  EXPECT_THROW(client->connect(Address::unix_socket(path("nowhere"))), ConnectionRefused);
  EXPECT_THROW(client->send("x", Address::ipv4({127, 0, 0, 1}, 9)), InvalidArgument);
  EXPECT_THROW(client->send("x", Address::unix_socket(std::string(200, 'x'))), InvalidArgument);
  EXPECT_EQ(client->udp(), nullptr);
}

TEST_P(UnixDatagrams, TellAConnectedPortWhenItsPeerIsGone) {
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  client->connect(server->host());
  client->send("x");
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
  server->abort_connection();
  client->send("y");
  EXPECT_TRUE(spin_until([&] { return !client_->events.empty(); }));
  EXPECT_EQ(client_->events[0], "refused");
}

TEST_P(UnixDatagrams, ThatAreTooLongAreRefusedAtTheCaller) {
  const auto client = open(path("client"), client_);
  EXPECT_THROW(client->send(std::string(10'000'000, 'x'), client->host()), MessageTooLong);
}

TEST_P(UnixDatagrams, AreRefusedAPathWithANul) {
  const auto name = path("server") + std::string(1, '\0') + "more";
  EXPECT_THROW(open(name, server_), InvalidArgument);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  const auto server = open(path("server"), server_);
  EXPECT_THROW(open("", client_)->send("cut", Address::unix_socket(name)), InvalidArgument);
}

TEST_P(UnixDatagrams, WaitInOrderForAPeerThatTakesNone) {
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  server->pause_producing();
  const auto sent = static_cast<std::size_t>(fill(*client, server->host()));
  server->resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == sent; }));
  for (std::size_t i = 0; i < sent; ++i)
    EXPECT_EQ(server_->datagrams[i].first, std::to_string(i));
  EXPECT_EQ(client->write_buffer_size(), 0U);
  EXPECT_EQ(client->counters().sent, sent);
}

TEST_P(UnixDatagrams, WaitForAConnectedPeerWithoutATimer) {
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  client->connect(server->host());
  server->pause_producing();
  std::size_t sent = 0;
  while (client->write_buffer_size() == 0) {
    client->send("x");
    ++sent;
  }
  EXPECT_EQ(reactor_->pending_calls(), 0U);
  server->resume_producing();
  EXPECT_TRUE(spin_until([&] { return server_->datagrams.size() == sent; }));
}

TEST_P(UnixDatagrams, ForOnePeerDoNotHoldUpThoseForAnother) {
  const auto deaf = open(path("deaf"), std::make_shared<Keeper>());
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  deaf->pause_producing();
  fill(*client, deaf->host());
  client->send("to you", server->host());
  EXPECT_TRUE(spin_until([&] { return server_->datagrams.size() == 1; }));
  EXPECT_GT(client->write_buffer_size(), 0U);
}

TEST_P(UnixDatagrams, WaitInAQueueThatIsBoundedAndWhatIsDroppedIsCounted) {
  const auto server = open(path("server"), server_);
  DatagramOptions options;
  options.max_queue_bytes = 3 * (DatagramTransport::cost_in_queue + 5);
  const auto client = open("", client_, options);
  server->pause_producing();
  for (int i = 10'000; client->counters().dropped < 100; ++i)
    client->send(std::to_string(i), server->host());
  EXPECT_EQ(client->write_buffer_size(), options.max_queue_bytes);
  const auto taken = client->counters().sent;
  server->resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == taken + 3; }));
  // The last ones were lost.
  EXPECT_EQ(server_->datagrams.back().first, std::to_string(10'000 + taken + 2));
}

TEST_P(UnixDatagrams, MayDropTheOldestInstead) {
  const auto server = open(path("server"), server_);
  DatagramOptions options;
  options.max_queue_bytes = 3 * (DatagramTransport::cost_in_queue + 5);
  options.drop_when_full = Drop::oldest;
  const auto client = open("", client_, options);
  server->pause_producing();
  int last = 10'000;
  while (client->counters().dropped < 100)
    client->send(std::to_string(++last), server->host());
  const auto taken = client->counters().sent;
  server->resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == taken + 3; }));
  EXPECT_EQ(server_->datagrams.back().first, std::to_string(last));
}

TEST_P(UnixDatagrams, TellTheProtocolWhenTooManyWaitAndWhenTheyHaveGone) {
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  client->set_write_buffer_limits(10 * DatagramTransport::cost_in_queue, 0);
  server->pause_producing();
  reactor_->call_later(Duration::zero(), [&] {
    fill(*client, server->host());
    EXPECT_TRUE(client_->events.empty());
  });
  ASSERT_TRUE(spin_until([&] { return !client_->events.empty(); }));
  EXPECT_EQ(client_->events, std::vector<std::string>{"pause"});
  server->resume_producing();
  ASSERT_TRUE(spin_until([&] { return client_->events.size() == 2; }));
  EXPECT_EQ(client_->events[1], "resume");
  EXPECT_THROW(client->set_write_buffer_limits(1, 2), InvalidArgument);
}

TEST_P(UnixDatagrams, ThatWaitGoOutBeforeThePortIsClosed) {
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  server->pause_producing();
  const auto sent = static_cast<std::size_t>(fill(*client, server->host()));
  client->lose_connection();
  client->send("too late", server->host());
  EXPECT_FALSE(client->open());
  server->resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->datagrams.size() == sent; }));
  ASSERT_TRUE(spin_until([&] { return client->stopped().ready(); }));
  EXPECT_EQ(client->counters().sent, sent);
  EXPECT_EQ(client->counters().dropped, 1U);
}

TEST_P(UnixDatagrams, ThatNobodyTakesAreDroppedWhenTheLingerTimeIsOver) {
  const auto server = open(path("server"), server_);
  const auto client = open("", client_);
  server->pause_producing();
  fill(*client, server->host());
  client->lose_connection();
  EXPECT_FALSE(client->stopped().ready());
  client->lose_connection(std::chrono::milliseconds(5));
  ASSERT_TRUE(spin_until([&] { return client->stopped().ready(); }));
  EXPECT_EQ(client->counters().dropped, 20U);
}

INSTANTIATE_TEST_SUITE_P(Each, UnixDatagrams, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
