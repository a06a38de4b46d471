// How a connection of every stream transport is aborted, and half-closed.
#pragma once

#include "stream_suite.hpp"

namespace weft::testing {

// ---- aborting

TEST_P(StreamConformance, MayBeAbortedInConnectionMade) {  // 35
  server_->on_made = [](AccumulatingProtocol& self) { self.way().abort_connection(); };
  // The reset may reach the client before it is connected, and then it never hears of it.
  connect();
  ASSERT_TRUE(spin_until([&] { return server_->lost() && client_->lost() == client_->made(); }));
  EXPECT_TRUE(server_->lost_with<ConnectionAborted>());
}

TEST_P(StreamConformance, MayBeAbortedInDataReceivedAndThePeerSeesAReset) {  // 36, 46
  server_->on_data = [](AccumulatingProtocol& self, BytesView) { self.way().abort_connection(); };
  connect();
  client_->way().write("x");
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(server_->lost_with<ConnectionAborted>());
  EXPECT_TRUE(client_->lost_with<ConnectionReset>()) << client_->reason->message();
}

TEST_P(StreamConformance, MayBeAbortedInResumeWriting) {  // 37
  client_->on_resume = [](AccumulatingProtocol& self) { self.way().abort_connection(); };
  connect();
  client_->way().set_write_buffer_limits(1'000, 100);
  client_->way().write(bulk().substr(0, bulk().size() / 4));
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<ConnectionAborted>());
}

TEST_P(StreamConformance, MayBeAbortedAfterLoseWithAFullBuffer) {  // 38, 47
  client_->on_made = [](AccumulatingProtocol& self) { self.way().pause_producing(); };
  connect();
  in_turn([&] {
    server_->way().write(bulk());
    server_->way().lose_connection();
  });
  fixture_->spin();
  EXPECT_FALSE(server_->lost());
  server_->way().abort_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(server_->lost_with<ConnectionAborted>());
}

TEST_P(StreamConformance, MayBeAbortedAfterAHalfCloseAndTwice) {  // 39, 40, 41, 49
  connect();
  server_->on_eof = [](auto&) {};
  client_->way().lose_write_connection();
  fixture_->spin();
  in_turn([&] {
    client_->way().abort_connection();
    client_->way().abort_connection();
    client_->way().lose_connection();
  });
  ASSERT_TRUE(spin_until([&] { return client_->lost(); }));
  client_->way().abort_connection();
  fixture_->spin();
  EXPECT_EQ(client_->events, (std::vector<std::string>{"made", "lost"}));
}

TEST_P(StreamConformance, StopsAProducerOnceWhenAborted) {  // 42, 43, 69
  connect();
  for (const auto streaming : {Streaming::push, Streaming::pull}) {
    auto& protocol = streaming == Streaming::push ? *client_ : *server_;
    auto producer = std::make_shared<NotingProducer>();
    protocol.way().register_producer(producer, streaming);
    protocol.way().abort_connection();
    ASSERT_TRUE(spin_until([&] { return protocol.lost(); }));
    EXPECT_EQ(producer->stopped, 1);
    protocol.way().unregister_producer();
    EXPECT_EQ(producer->stopped, 1);
    if (streaming == Streaming::push && server_->lost()) break;
  }
}

// ---- half-closing

TEST_P(StreamConformance, FlushesBeforeItHalfCloses) {  // 50, 51
  server_->on_eof = [](auto&) {};
  connect();
  in_turn([&] {
    client_->way().write(std::string(100'000, 'x'));
    client_->way().lose_write_connection();
    client_->way().lose_write_connection();
    client_->way().write("dropped");
  });
  ASSERT_TRUE(spin_until([&] { return server_->events.back() == "eof"; }));
  EXPECT_EQ(server_->data.size(), 100'000U);
  server_->way().write("still open this way");
  ASSERT_TRUE(spin_until([&] { return client_->data == "still open this way"; }));
  server_->way().lose_connection();
  ASSERT_TRUE(both_lost());
}

TEST_P(StreamConformance, EndsOnceWhenBothHalvesAreClosed) {  // 53, 54
  client_->on_eof = [](auto&) {};
  server_->on_eof = [](auto&) {};
  connect();
  client_->way().lose_write_connection();
  server_->way().lose_write_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_EQ(client_->events, (std::vector<std::string>{"made", "eof", "lost"}));
  EXPECT_EQ(server_->events, (std::vector<std::string>{"made", "eof", "lost"}));
}

TEST_P(StreamConformance, MayBeLostAfterAHalfClose) {  // 57
  server_->on_eof = [](auto&) {};
  connect();
  client_->way().lose_write_connection();
  fixture_->spin();
  client_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
}

TEST_P(StreamConformance, WritesOnAfterThePeersEnd) {  // 58
  server_->on_eof = [](AccumulatingProtocol& self) { self.way().write("answer"); };
  connect();
  client_->way().lose_write_connection();
  ASSERT_TRUE(spin_until([&] { return client_->data == "answer"; }));
  server_->way().lose_connection();
  ASSERT_TRUE(both_lost());
}

TEST_P(StreamConformance, LosesTheConnectionWhoseEofReceivedThrows) {  // 61
  const LogCapture log;
  server_->on_eof = [](auto&) { throw std::runtime_error("in eof_received"); };
  connect();
  client_->way().lose_write_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(server_->lost_with<std::runtime_error>());
}

// ---- both

TEST_P(StreamConformance, IsLostForTheReasonThatItWasAbortedWith) {
  connect();
  client_->way().abort_connection(Failure(std::runtime_error("enough")));
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<std::runtime_error>());
  EXPECT_TRUE(server_->lost_with<ConnectionReset>()) << server_->reason->message();
}

TEST_P(StreamConformance, MayBeAbortedWhilePausedAndInEofReceived) {  // 44
  connect();
  server_->on_eof = [](AccumulatingProtocol& self) { self.way().abort_connection(); };
  client_->way().pause_producing();
  client_->way().lose_write_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(server_->lost_with<ConnectionAborted>());
  EXPECT_TRUE(client_->lost_with<ConnectionReset>()) << client_->reason->message();
}

TEST_P(StreamConformance, DropsWhatIsUnsentWhenItIsAborted) {
  connect();
  server_->way().pause_producing();
  client_->way().write(bulk());
  fixture_->spin();
  client_->way().abort_connection();
  EXPECT_EQ(client_->way().write_buffer_size(), 0U);
  server_->way().resume_producing();
  ASSERT_TRUE(both_lost());
  EXPECT_LT(server_->data.size(), bulk().size());
}

TEST_P(StreamConformance, DropsWhatIsWrittenAfterAHalfClose) {
  server_->on_eof = [](auto&) {};
  connect();
  in_turn([&] {
    client_->way().write("kept");
    client_->way().lose_write_connection();
    client_->way().write("dropped");
  });
  ASSERT_TRUE(spin_until([&] { return server_->events.back() == "eof"; }));
  EXPECT_EQ(server_->data, "kept");
  server_->way().lose_connection();
  ASSERT_TRUE(both_lost());
}

TEST_P(StreamConformance, IsLostWhenAWriteFailsAfterThePeersEnd) {  // 59
  client_->on_eof = [](auto&) {};
  connect();
  server_->way().lose_write_connection();
  ASSERT_TRUE(spin_until([&] { return client_->events.back() == "eof"; }));
  server_->way().abort_connection();
  ASSERT_TRUE(spin_until([&] {
    client_->way().write("is anybody there?");
    return client_->lost();
  }));
}

TEST_P(StreamConformance, HalfClosesToAPeerThatIsPaused) {
  server_->on_eof = [](auto&) {};
  connect();
  server_->way().pause_producing();
  in_turn([&] {
    client_->way().write(more_than_fits());
    client_->way().lose_write_connection();
  });
  fixture_->spin();
  EXPECT_EQ(server_->events.back(), "made");
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->events.back() == "eof"; }));
  EXPECT_EQ(server_->data.size(), more_than_fits().size());
  server_->way().lose_connection();
  ASSERT_TRUE(both_lost());
}

}  // namespace weft::testing
