#include "string_datagram_transport.hpp"

#include "../framework/error.hpp"
#include "log_capture.hpp"
#include "results.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

const auto friend_address = Address::ipv4({192, 0, 2, 1}, 4711);
const auto other_address = Address::ipv4({192, 0, 2, 2}, 4711);

class Talker final : public DatagramProtocol {
 public:
  std::vector<std::string> events;

  [[nodiscard]] DatagramTransport& port() const { return transport(); }
  void start_protocol() override { events.emplace_back("start"); }
  void datagram_received(BytesView data, const Address& sender) override {
    events.emplace_back(data.text());
    if (data == "throw") throw std::runtime_error("as you wish");
    if (data == "pause") transport().pause_producing();
    if (data == "stop") transport().lose_connection();
    if (data == "flood") {
      for (int i = 0; i < 100; ++i)
        transport().send(std::string(1'000, 'x'), sender);
      events.emplace_back("flooded");
    }
    if (data == "echo") transport().send(data, sender);
  }
  void connection_refused() override { events.emplace_back("refused"); }
  void pause_writing() override { events.emplace_back("pause_writing"); }
  void resume_writing() override { events.emplace_back("resume_writing"); }
  void stop_protocol() override { events.emplace_back("stopped"); }
};

class StringDatagramTransportTest : public ::testing::Test {
 protected:
  using Events = std::vector<std::string>;
  std::shared_ptr<Talker> talker_ = std::make_shared<Talker>();
};

TEST_F(StringDatagramTransportTest, TellsAProtocolOfADatagramAndKeepsItsAnswer) {
  const auto port = open_port(talker_);
  port->deliver("echo", friend_address);
  EXPECT_EQ(port->sent(), (std::vector<SentDatagram>{{"echo", port->host(), friend_address}}));
  EXPECT_EQ(talker_->events, (Events{"start", "echo"}));
}

TEST_F(StringDatagramTransportTest, CutsWhatIsTooLong) {
  DatagramOptions options;
  options.max_datagram_bytes = 3;
  const auto port = open_port(talker_, options);
  port->deliver("four", friend_address);
  EXPECT_EQ(talker_->events, Events{"start"});
  EXPECT_EQ(port->counters().truncated, 1U);
}

TEST_F(StringDatagramTransportTest, HoldsBackWhatComesWhilePaused) {
  const auto port = open_port(talker_);
  for (const char* const text : {"pause", "one", "two"})
    port->deliver(text, friend_address);
  EXPECT_EQ(talker_->events, (Events{"start", "pause"}));
  port->resume_producing();
  EXPECT_EQ(talker_->events, (Events{"start", "pause"}));
  port->settle();
  EXPECT_EQ(talker_->events, (Events{"start", "pause", "one", "two"}));
}

TEST_F(StringDatagramTransportTest, LivesOnAfterACallbackThatThrew) {
  const LogCapture log;
  const auto port = open_port(talker_);
  port->deliver("throw", friend_address);
  port->deliver("echo", friend_address);
  EXPECT_EQ(port->sent().size(), 1U);
  EXPECT_TRUE(log.contains("as you wish"));
}

TEST_F(StringDatagramTransportTest, StopsInDatagramReceivedAndSaysSoAfterwards) {
  const auto port = open_port(talker_);
  port->deliver("stop", friend_address);
  port->deliver("never", friend_address);
  EXPECT_EQ(talker_->events, (Events{"start", "stop", "stopped"}));
  EXPECT_TRUE(port->stopped().ready());
}

TEST_F(StringDatagramTransportTest, BoundsItsQueueAndCountsWhatIsDropped) {
  DatagramOptions options;
  options.max_queue_bytes = 10 * (1'000 + DatagramTransport::cost_in_queue);
  const auto port = open_port(talker_, options);
  port->set_blocked(true);
  port->deliver("flood", friend_address);
  EXPECT_EQ(port->write_buffer_size(), options.max_queue_bytes);
  EXPECT_EQ(port->counters().dropped, 90U);
  EXPECT_EQ(talker_->events, (Events{"start", "flood", "flooded", "pause_writing"}));
  port->set_blocked(false);
  EXPECT_EQ(port->sent().size(), 10U);
  EXPECT_EQ(talker_->events.back(), "resume_writing");
}

TEST_F(StringDatagramTransportTest, DropsOneThatIsLongerThanTheWholeQueueWhateverThePolicy) {
  DatagramOptions options;
  options.max_queue_bytes = 200;
  options.drop_when_full = Drop::oldest;
  const auto port = open_port(talker_, options);
  port->set_blocked(true);
  port->send("one", friend_address);
  port->send(std::string(100, 'x'), friend_address);
  port->set_blocked(false);
  EXPECT_EQ(port->counters().dropped, 1U);
  ASSERT_EQ(port->sent().size(), 1U);
  EXPECT_EQ(port->sent()[0].data, "one");
}

TEST_F(StringDatagramTransportTest, SendsWhatWaitsBeforeItCloses) {
  const auto port = open_port(talker_);
  port->set_blocked(true);
  port->send("last words", friend_address);
  port->lose_connection();
  EXPECT_FALSE(port->open());
  port->settle();
  EXPECT_EQ(talker_->events, Events{"start"});
  port->set_blocked(false);
  EXPECT_EQ(port->sent().size(), 1U);
  EXPECT_EQ(talker_->events, (Events{"start", "stopped"}));
}

TEST_F(StringDatagramTransportTest, ClosesWhenTheLingerTimeIsOver) {
  const auto port = open_port(talker_);
  port->set_blocked(true);
  port->send("last words", friend_address);
  port->lose_connection();
  port->manual_clock().advance(DatagramTransport::default_linger - Duration(1));
  EXPECT_EQ(talker_->events, Events{"start"});
  port->manual_clock().advance(Duration(1));
  EXPECT_EQ(talker_->events, (Events{"start", "stopped"}));
  EXPECT_EQ(port->counters().dropped, 1U);
}

TEST_F(StringDatagramTransportTest, TalksToItsPeerAloneOnceConnected) {
  const auto port = open_port(talker_);
  port->deliver_refusal();
  port->connect(friend_address);
  port->deliver("from a stranger", other_address);
  port->deliver("from a friend", friend_address);
  port->send("to a friend");
  port->deliver_refusal();
  EXPECT_EQ(talker_->events, (Events{"start", "from a friend", "refused"}));
  EXPECT_EQ(port->sent()[0].to, friend_address);
  EXPECT_THROW(port->send("x", other_address), InvalidArgument);
  EXPECT_THROW(port->connect(other_address), AlreadyCalledError);
}

TEST_F(StringDatagramTransportTest, HearsOfNoStrangersDatagramThatWasCutOnceConnected) {
  DatagramOptions options;
  options.max_datagram_bytes = 4;
  const auto port = open_port(talker_, options);
  port->connect(friend_address);
  port->deliver("from a stranger", other_address);
  EXPECT_EQ(port->counters().truncated, 0U);
  EXPECT_EQ(port->counters().received, 0U);
  port->deliver("from a friend", friend_address);
  EXPECT_EQ(port->counters().truncated, 1U);
}

TEST_F(StringDatagramTransportTest, RefusesWhatARealPortRefuses) {
  const auto port = open_port(talker_);
  EXPECT_THROW(port->send("x"), NotConnectedError);
  EXPECT_THROW(port->send("x", *Address::parse("::1", 9)), InvalidArgument);
  EXPECT_THROW(port->send("x", Address::ipv4({192, 0, 2, 1}, 0)), InvalidArgument);
  EXPECT_THROW(port->send(std::string(65'508, 'x'), friend_address), MessageTooLong);
  const auto everybody = Address::ipv4({255, 255, 255, 255}, 9);
  EXPECT_THROW(port->send("x", everybody), InvalidArgument);
  port->udp()->set_broadcast(true);
  EXPECT_NO_THROW(port->send("x", everybody));
  EXPECT_THROW(open_port(nullptr), InvalidArgument);
}

TEST_F(StringDatagramTransportTest, RemembersItsGroups) {
  const auto port = open_port(talker_);
  port->udp()->join_group(Address::ipv4({224, 0, 0, 251}, 0));
  EXPECT_TRUE(port->groups().contains("224.0.0.251"));
  port->udp()->leave_group(Address::ipv4({224, 0, 0, 251}, 0));
  EXPECT_TRUE(port->groups().empty());
  EXPECT_THROW(port->udp()->leave_group(Address::ipv4({224, 0, 0, 251}, 0)), InvalidArgument);
  EXPECT_THROW(port->udp()->join_group(friend_address), InvalidArgument);
}

TEST(DatagramProtocolTest, HasNoTransportBeforeItIsGivenOne) {
  const auto talker = std::make_shared<Talker>();
  EXPECT_THROW(static_cast<void>(talker->port()), NotConnectedError);
}

}  // namespace
}  // namespace weft::testing
