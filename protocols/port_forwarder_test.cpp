#include "port_forwarder.hpp"

#include "../framework/error.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::AccumulatingProtocol;
using testing::MemoryReactor;

// A client, the forwarder on port 80, and the server behind it on port 8080.
class PortForwarderTest : public ::testing::Test {
 protected:
  static constexpr Port front = 80;
  static constexpr Port back = 8080;

  void listen_behind() {
    behind_ = reactor_.listen_tcp(back, factory_from([this] { return server_; }));
  }
  void connect() {
    forwarding_ = reactor_.listen_tcp(
        front, std::make_shared<PortForwarderFactory>(reactor_, "127.0.0.1", back));
    connecting_ =
        reactor_.connect_tcp("127.0.0.1", front, factory_from([this] { return client_; }));
    reactor_.settle();
  }

  MemoryReactor reactor_;
  ListeningPort behind_;
  ListeningPort forwarding_;
  std::optional<Deferred<std::shared_ptr<Protocol>>> connecting_;
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
};

TEST_F(PortForwarderTest, PassesBytesOnBothWaysInOrder) {
  listen_behind();
  server_->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
  connect();
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    const auto piece = std::to_string(i) + ",";
    client_->way().write(piece);
    all += piece;
    if (i % 7 == 0) reactor_.settle();
  }
  reactor_.settle();
  EXPECT_EQ(server_->data, all);
  EXPECT_EQ(client_->data, all);
}

TEST_F(PortForwarderTest, ReadsNothingBeforeThereIsSomewhereToWriteIt) {
  listen_behind();
  client_->on_made = [](AccumulatingProtocol& self) { self.way().write("early"); };
  connect();
  EXPECT_EQ(server_->data, "early");
}

TEST_F(PortForwarderTest, PassesOnWhatAServerSaysFirstEvenWhenItClosesAtOnce) {
  listen_behind();
  server_->on_made = [](AccumulatingProtocol& self) {
    self.way().write("220 ready");
    self.way().lose_connection();
  };
  connect();
  EXPECT_EQ(client_->data, "220 ready");
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
}

TEST_F(PortForwarderTest, MakesTheServerWaitForASlowClient) {
  listen_behind();
  connect();
  constexpr std::size_t much = 20'000'000;
  client_->way().pause_producing();
  server_->way().write(Bytes(std::string(much, 'x')));
  reactor_.settle();
  EXPECT_GT(server_->way().write_buffer_size(), much - 2'000'000);
  client_->way().resume_producing();
  reactor_.settle();
  EXPECT_EQ(client_->data.size(), much);
}

TEST_F(PortForwarderTest, MakesTheFastSideWaitForTheSlowOne) {
  listen_behind();
  connect();
  constexpr std::size_t much = 20'000'000;
  server_->way().pause_producing();
  client_->way().write(Bytes(std::string(much, 'x')));
  reactor_.settle();
  // Two connections' inboxes and the forwarder's write marks: the rest is still the client's.
  EXPECT_GT(client_->way().write_buffer_size(), much - 2'000'000);
  EXPECT_EQ(client_->events.back(), "pause");
  server_->way().resume_producing();
  reactor_.settle();
  EXPECT_EQ(server_->data.size(), much);
  EXPECT_EQ(client_->events.back(), "resume");
}

TEST_F(PortForwarderTest, PassesAHalfCloseOnAndTheAnswerBack) {
  listen_behind();
  server_->on_eof = [](AccumulatingProtocol& self) {
    self.way().write("answer to " + self.data);
    self.way().lose_connection();
  };
  connect();
  client_->on_eof = [](AccumulatingProtocol&) {};
  client_->way().write("question");
  client_->way().lose_write_connection();
  reactor_.settle();
  EXPECT_EQ(client_->data, "answer to question");
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

TEST_F(PortForwarderTest, DeliversEverythingBeforeItPassesACloseOn) {
  listen_behind();
  connect();
  client_->way().write(std::string(3'000'000, 'x'));
  client_->way().lose_connection();
  reactor_.settle();
  EXPECT_EQ(server_->data.size(), 3'000'000U);
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
  EXPECT_EQ(forwarding_.connections(), 0U);
}

TEST_F(PortForwarderTest, PassesAResetOnInBothDirections) {
  for (const bool from_client : {true, false}) {
    client_ = std::make_shared<AccumulatingProtocol>();
    server_ = std::make_shared<AccumulatingProtocol>();
    listen_behind();
    connect();
    auto& breaker = from_client ? client_ : server_;
    auto& other = from_client ? server_ : client_;
    breaker->way().abort_connection();
    reactor_.settle();
    EXPECT_TRUE(other->lost_with<ConnectionReset>());
    forwarding_.stop();
    behind_.stop();
  }
}

TEST_F(PortForwarderTest, AbortsTheClientWhenTheTargetCannotBeReached) {
  const testing::LogCapture log;
  connect();
  EXPECT_TRUE(client_->lost_with<ConnectionReset>());
  EXPECT_TRUE(log.contains("nobody listens"));
}

TEST_F(PortForwarderTest, ForgetsTheTargetWhenTheClientGoesBefore) {
  reactor_.set_connects(MemoryReactor::Connects::by_hand);
  forwarding_ = reactor_.listen_tcp(
      front, std::make_shared<PortForwarderFactory>(reactor_, "127.0.0.1", back));
  const auto client = reactor_.connect_to(front);
  ASSERT_EQ(reactor_.connects().size(), 1U);
  EXPECT_EQ(reactor_.connects().front().port(), back);
  client->break_with(Failure(ConnectionReset("gone")));
  reactor_.settle();
  EXPECT_TRUE(reactor_.connects().empty());
}

}  // namespace
}  // namespace weft
