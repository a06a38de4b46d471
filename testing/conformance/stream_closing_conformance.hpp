// How a connection of every stream transport ends in order, or by a callback that throws.
#pragma once

#include "stream_suite.hpp"

#include <chrono>

namespace weft::testing {

TEST_P(StreamConformance, DeliversEverythingBeforeALoss) {  // 7
  connect();
  in_turn([&] {
    client_->way().write("all of it");
    client_->way().lose_connection();
  });
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, "all of it");
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

TEST_P(StreamConformance, DropsWhatIsWrittenAfterLose) {  // 15, 34
  connect();
  in_turn([&] {
    client_->way().write("A");
    client_->way().lose_connection();
    client_->way().write("B");
  });
  client_->way().write("C");
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, "A");
}

TEST_P(StreamConformance, MayBeLostInConnectionMade) {  // 8
  server_->on_made = [](AccumulatingProtocol& self) {
    self.way().write("bye");
    self.way().lose_connection();
  };
  connect();
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(client_->data, "bye");
}

TEST_P(StreamConformance, DeliversNoMoreAfterLoseInDataReceived) {  // 9
  server_->on_data = [](AccumulatingProtocol& self, BytesView) { self.way().lose_connection(); };
  connect();
  client_->way().write(std::string(300'000, 'x'));
  ASSERT_TRUE(spin_until([&] { return server_->lost(); }));
  const auto got = server_->data.size();
  fixture_->spin();
  EXPECT_EQ(server_->data.size(), got);
  EXPECT_EQ(server_->events, (std::vector<std::string>{"made", "data", "lost"}));
}

TEST_P(StreamConformance, IsLostOnceHoweverOftenItIsAsked) {  // 10
  connect();
  in_turn([&] {
    client_->way().lose_connection();
    client_->way().lose_connection();
  });
  client_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  client_->way().lose_connection();
  fixture_->spin();
  EXPECT_EQ(client_->events, (std::vector<std::string>{"made", "lost"}));
}

TEST_P(StreamConformance, DoesNotResetAwayItsLastOutputWhenInputIsUnread) {  // 11
  server_->on_made = [](AccumulatingProtocol& self) { self.way().pause_producing(); };
  connect();
  client_->way().write(std::string(5'000, 'q'));
  fixture_->spin();
  in_turn([&] {
    server_->way().write("the last word");
    server_->way().lose_connection();
  });
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(client_->data, "the last word");
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
}

TEST_P(StreamConformance, MayBeLostAtBothEndsAtOnce) {  // 12
  connect();
  client_->way().lose_connection();
  server_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

TEST_P(StreamConformance, IsNeverLostInsideTheCall) {  // 45
  connect();
  in_turn([&] {
    client_->way().lose_connection();
    EXPECT_FALSE(client_->lost());
    client_->way().abort_connection();
    EXPECT_FALSE(client_->lost());
  });
  server_->way().abort_connection();
  EXPECT_FALSE(server_->lost());
  ASSERT_TRUE(both_lost());
}

TEST_P(StreamConformance, SurvivesWritesToAPeerThatIsGone) {  // 14
  connect();
  server_->way().abort_connection();
  ASSERT_TRUE(spin_until([&] {
    client_->way().write("is anybody there?");
    return client_->lost();
  }));
  EXPECT_TRUE(client_->lost_with<ConnectionLost>());
}

TEST_P(StreamConformance, IgnoresWritesInAndAfterConnectionLost) {  // 16
  client_->on_lost = [](AccumulatingProtocol& self) {
    self.way().write("late");
    self.way().lose_write_connection();
    self.way().pause_producing();
    self.way().resume_producing();
    self.way().abort_connection();
  };
  connect();
  client_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  client_->way().write("later");
  EXPECT_EQ(client_->way().write_buffer_size(), 0U);
  EXPECT_FALSE(client_->way().connected());
  EXPECT_EQ(server_->data, "");
}

TEST_P(StreamConformance, FreesProtocolAndTransportAfterTheLoss) {  // 22
  connect();
  const std::weak_ptr<Protocol> client = client_;
  client_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  fixture_->spin();
  client_.reset();
  EXPECT_TRUE(client.expired());
}

TEST_P(StreamConformance, DeliversDataBeforeTheEndThatComesWithIt) {  // 23
  connect();
  in_turn([&] {
    client_->way().write("data");
    client_->way().lose_write_connection();
  });
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->events, (std::vector<std::string>{"made", "data", "eof", "lost"}));
}

TEST_P(StreamConformance, LosesOnlyTheConnectionWhoseCallbackThrew) {  // 24
  const LogCapture log;
  server_->on_data = [](auto&, BytesView) { throw std::runtime_error("in data_received"); };
  connect();
  client_->way().write("x");
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(server_->lost_with<std::runtime_error>());
  EXPECT_EQ(server_->reason->message(), "in data_received");
  EXPECT_TRUE(client_->lost_with<ConnectionReset>()) << client_->reason->message();
  EXPECT_TRUE(log.contains(server_->way().peer().text()));
  EXPECT_TRUE(log.contains("in data_received"));
}

TEST_P(StreamConformance, LogsAConnectionLostThatThrowsAndGoesOn) {  // 25
  const LogCapture log;
  client_->on_lost = [](auto&) { throw std::runtime_error("in connection_lost"); };
  connect();
  client_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(log.contains("in connection_lost"));
}

TEST_P(StreamConformance, FlushesTwentyMegabytesToAPeerThatHalfClosed) {  // 60
  server_->on_data = [this](AccumulatingProtocol& self, BytesView) {
    if (self.data == "request") self.way().write(bulk());
  };
  connect();
  client_->on_eof = [](auto&) {};
  in_turn([&] {
    client_->way().write("request");
    client_->way().lose_write_connection();
  });
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(client_->data.size(), bulk().size());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

TEST_P(StreamConformance, EndsByTheLingerTimeWhenThePeerNeverReads) {  // 0.5
  client_->on_made = [](AccumulatingProtocol& self) { self.way().pause_producing(); };
  connect();
  in_turn([&] {
    server_->way().write(bulk());
    server_->way().lose_connection(std::chrono::milliseconds(50));
  });
  fixture_->spin();
  fixture_->advance(std::chrono::milliseconds(50));
  ASSERT_TRUE(spin_until([&] { return server_->lost(); }));
  EXPECT_TRUE(server_->lost_with<LingerTimeout>());
}

TEST_P(StreamConformance, KnowsWhetherItIsConnectedAndClosing) {
  connect();
  EXPECT_TRUE(client_->way().connected());
  EXPECT_FALSE(client_->way().closing());
  client_->way().lose_connection();
  EXPECT_TRUE(client_->way().closing());
  ASSERT_TRUE(both_lost());
  EXPECT_FALSE(client_->way().connected());
  EXPECT_TRUE(client_->way().closing());
}

TEST_P(StreamConformance, MayBeLostInEofReceivedAndInPauseWriting) {
  server_->on_eof = [](AccumulatingProtocol& self) { self.way().lose_connection(); };
  client_->on_pause = [](AccumulatingProtocol& self) { self.way().lose_connection(); };
  connect();
  client_->way().set_write_buffer_limits(1'000, 100);
  client_->way().write(more_than_fits());
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, more_than_fits());
}

TEST_P(StreamConformance, MayBeLostInResumeWriting) {  // 77
  client_->on_resume = [](AccumulatingProtocol& self) { self.way().lose_connection(); };
  connect();
  client_->way().set_write_buffer_limits(1'000, 100);
  client_->way().write(more_than_fits());
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, more_than_fits());
}

TEST_P(StreamConformance, MayBeLostByTheCallbackOfTheOther) {  // 29
  server_->on_data = [this](auto&, BytesView) { client_->way().lose_connection(); };
  connect();
  client_->way().write("x");
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(client_->events, (std::vector<std::string>{"made", "lost"}));
}

TEST_P(StreamConformance, LosesTheConnectionWhoseConnectionMadeThrows) {
  const LogCapture log;
  server_->on_made = [](auto&) { throw std::runtime_error("in connection_made"); };
  connect();
  ASSERT_TRUE(spin_until([&] { return server_->lost() && client_->lost() == client_->made(); }));
  EXPECT_TRUE(server_->lost_with<std::runtime_error>());
}

TEST_P(StreamConformance, LosesTheConnectionWhosePauseWritingThrows) {
  const LogCapture log;
  client_->on_pause = [](auto&) { throw std::runtime_error("in pause_writing"); };
  connect();
  client_->way().set_write_buffer_limits(1'000, 100);
  client_->way().write(more_than_fits());
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<std::runtime_error>());
  EXPECT_TRUE(server_->lost_with<ConnectionLost>()) << server_->reason->message();
}

TEST_P(StreamConformance, LosesTheConnectionWhoseResumeWritingThrows) {
  const LogCapture log;
  client_->on_resume = [](auto&) { throw std::runtime_error("in resume_writing"); };
  connect();
  client_->way().set_write_buffer_limits(1'000, 100);
  client_->way().write(more_than_fits());
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<std::runtime_error>());
}

TEST_P(StreamConformance, LetsAShorterLingerTimeCount) {
  client_->on_made = [](AccumulatingProtocol& self) { self.way().pause_producing(); };
  connect();
  in_turn([&] {
    server_->way().write(bulk());
    server_->way().lose_connection(std::chrono::hours(1));
  });
  fixture_->spin();
  server_->way().lose_connection(std::chrono::milliseconds(20));
  fixture_->spin();
  fixture_->advance(std::chrono::milliseconds(20));
  ASSERT_TRUE(spin_until([&] { return server_->lost(); }));
  EXPECT_TRUE(server_->lost_with<LingerTimeout>());
}

TEST_P(StreamConformance, TakesTheEndsOfBothSidesAtOnceWithOutputInBothDirections) {
  connect();
  in_turn([&] {
    client_->way().write("from the client");
    server_->way().write("from the server");
    client_->way().lose_write_connection();
    server_->way().lose_write_connection();
  });
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, "from the client");
  EXPECT_EQ(client_->data, "from the server");
}

}  // namespace weft::testing
