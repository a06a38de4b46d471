// Run `line_protocol_test`: a protocol of lines is tested without a socket, a thread or a wait.
//
// The protocol asks a question and gives ten seconds to answer it. Everything that could go wrong
// with it can be made to happen below, in microseconds and in any order.
#include <weft/testing/accumulating_protocol.hpp>
#include <weft/testing/io_pump.hpp>
#include <weft/testing/manual_clock.hpp>
#include <weft/testing/string_transport.hpp>
#include <weft/weft.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;

class Quiz : public weft::LineReceiver {
 public:
  void connection_made() override {
    transport().write("6 x 7?\n");
    time_up_ = transport().clock().call_later(10s, [this] { end("too late\n"); });
  }

  void line_received(std::string_view line) override { end(line == "42" ? "right\n" : "wrong\n"); }

  void connection_lost(const weft::Failure&) override { time_up_.cancel_if_active(); }

 private:
  void end(std::string_view verdict) {
    time_up_.cancel_if_active();
    transport().write(verdict);
    transport().lose_connection();
  }

  weft::DelayedCall time_up_;
};

using weft::testing::connect;

// `connect` gives the protocol a transport that keeps what is written to it.
TEST(Quiz, AsksAtOnce) {
  const auto peer = connect(std::make_shared<Quiz>());
  EXPECT_EQ(peer->value(), "6 x 7?\n");
}

// `deliver` is the peer sending; afterwards everything that follows from it has happened.
TEST(Quiz, TellsRightFromWrongAndThenCloses) {
  const auto wise = connect(std::make_shared<Quiz>());
  const auto other = connect(std::make_shared<Quiz>());
  wise->deliver("42\r\n");
  other->deliver("54\r\n");
  EXPECT_EQ(wise->value(), "6 x 7?\nright\n");
  EXPECT_EQ(other->value(), "6 x 7?\nwrong\n");
  EXPECT_TRUE(wise->disconnecting());
}

// A network cuts bytes where it likes: wherever it does, the answer must be the same.
TEST(Quiz, TakesAnAnswerThatComesInTwoPieces) {
  const std::string answer = "42\r\n";
  for (std::size_t cut = 1; cut < answer.size(); ++cut) {
    const auto peer = connect(std::make_shared<Quiz>());
    peer->deliver(answer.substr(0, cut));
    peer->deliver(answer.substr(cut));
    EXPECT_EQ(peer->value(), "6 x 7?\nright\n") << "cut behind " << cut;
  }
}

// Time passes when the test says so: ten seconds take no time.
TEST(Quiz, WaitsTenSecondsAndNoLonger) {
  const auto peer = connect(std::make_shared<Quiz>());
  peer->manual_clock().advance(9999ms);
  EXPECT_TRUE(peer->connected());
  peer->manual_clock().advance(1ms);
  EXPECT_EQ(peer->value(), "6 x 7?\ntoo late\n");
  EXPECT_FALSE(peer->connected());
}

// What a protocol leaves behind shows on the clock that it used.
TEST(Quiz, ForgetsTheTimeWhenThePeerIsGone) {
  const auto peer = connect(std::make_shared<Quiz>());
  peer->break_with(weft::Failure(weft::ConnectionReset("The peer pulled the plug.")));
  EXPECT_EQ(peer->manual_clock().pending_calls(), 0U);
}

// The failure paths of the library are there to be walked as well.
TEST(Quiz, HangsUpOnALineThatHasNoEnd) {
  const auto peer = connect(std::make_shared<Quiz>());
  peer->deliver(std::string(2 * weft::LineReceiver::default_max_line_bytes, '4'));
  EXPECT_TRUE(peer->aborted());
}

// A pump wires two protocols together, here byte by byte.
TEST(Quiz, TalksToAClient) {
  const auto client = std::make_shared<weft::testing::AccumulatingProtocol>();
  client->on_made = [](auto& self) { self.way().write("42\n"); };
  weft::testing::IoPump pump(client, std::make_shared<Quiz>(),
                             weft::testing::Delivery::byte_by_byte());
  pump.flush();
  EXPECT_EQ(client->data, "6 x 7?\nright\n");
  EXPECT_TRUE(client->lost_with<weft::ConnectionDone>());
}

}  // namespace
