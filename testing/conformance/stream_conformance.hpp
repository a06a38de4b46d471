// What every stream transport must do, as tests: instantiate StreamConformance for yours. Numbers
// are those of the project's list of behaviours.
#pragma once

#include "../../framework/error.hpp"
#include "../../framework/transport.hpp"
#include "../../framework/turn.hpp"
#include "../accumulating_protocol.hpp"
#include "../log_capture.hpp"
#include "stream_fixture.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {

/// Instantiate it with the kinds of transports to test:
/// INSTANTIATE_TEST_SUITE_P(Mine, StreamConformance, ::testing::Values(StreamKind{"mine", make}),
/// stream_kind_name);
class StreamConformance : public ::testing::TestWithParam<StreamKind> {
 protected:
  void connect() { fixture_->connect(client_, server_); }
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    return fixture_->spin_until(condition);
  }
  [[nodiscard]] bool both_lost() {
    return spin_until([this] { return client_->lost() && server_->lost(); });
  }
  // Writes as a callback would: inside a turn.
  template <class F>
  void in_turn(F&& callback) {
    fixture_->clock().turn().enter_logged("test", std::forward<F>(callback));
  }

  [[nodiscard]] std::string bulk() const {
    return std::string(fixture_->more_than_buffers_take(), 'x');
  }

  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
  std::unique_ptr<StreamFixture> fixture_ = GetParam().make();
};

/// How a failed test shows the kind.
inline void PrintTo(const StreamKind& kind, std::ostream* out) {
  *out << kind.name;
}

inline std::string stream_kind_name(const ::testing::TestParamInfo<StreamKind>& kind) {
  return kind.param.name;
}

/// A producer that writes down what it is told.
class NotingProducer : public Producer {
 public:
  void resume_producing() override {
    ++resumed;
    if (on_resume) on_resume();
  }
  void pause_producing() override { ++paused; }
  void stop_producing() override { ++stopped; }
  int resumed = 0;
  int paused = 0;
  int stopped = 0;
  std::function<void()> on_resume;
};

// ---- bytes

TEST_P(StreamConformance, MakesBothEndsOnce) {  // 1
  connect();
  EXPECT_EQ(client_->events, std::vector<std::string>{"made"});
  EXPECT_EQ(server_->events, std::vector<std::string>{"made"});
}

TEST_P(StreamConformance, GivesEachEndTheOthersAddressAndKeepsItAfterTheClose) {  // 2
  connect();
  const auto host = client_->way().host();
  EXPECT_EQ(host, server_->way().peer());
  EXPECT_EQ(client_->way().peer(), server_->way().host());
  client_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(client_->way().host(), host);
  EXPECT_EQ(server_->way().peer(), host);
}

TEST_P(StreamConformance, CarriesAMegabyteInOrderAndWhole) {  // 3
  connect();
  std::string sent;
  for (int i = 0; sent.size() < 1'000'000; ++i)
    sent += std::to_string(i) + ",";
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return server_->data.size() >= sent.size(); }));
  EXPECT_TRUE(server_->data == sent);
}

TEST_P(StreamConformance, KeepsTheOrderOfAllKindsOfWrites) {  // 4, 6
  connect();
  const BytesView pieces[] = {"b", "", "c"};
  in_turn([&] {
    client_->way().write("a");
    client_->way().write_sequence(pieces);
    client_->way().write("");
    client_->way().write(Bytes(BytesView("d")));
  });
  ASSERT_TRUE(spin_until([&] { return server_->data.size() >= 4; }));
  EXPECT_EQ(server_->data, "abcd");
}

TEST_P(StreamConformance, TakesMorePiecesThanOneSendDoes) {  // 5
  connect();
  const std::vector<Bytes> pieces(5'000, Bytes(BytesView("xy")));
  in_turn([&] {
    for (const auto& piece : pieces)
      client_->way().write(piece);
  });
  ASSERT_TRUE(spin_until([&] { return server_->data.size() >= 10'000; }));
  EXPECT_EQ(server_->data.size(), 10'000U);
}

TEST_P(StreamConformance, NeverDeliversNothing) {
  bool empty = false;
  server_->on_data = [&](auto&, BytesView data) { empty = empty || data.empty(); };
  connect();
  client_->way().write("");
  client_->way().write("x");
  ASSERT_TRUE(spin_until([&] { return !server_->data.empty(); }));
  EXPECT_FALSE(empty);
}

TEST_P(StreamConformance, AnswersAcrossConnectionsOfOneLoop) {  // 29
  server_->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
  connect();
  client_->way().write("ping");
  ASSERT_TRUE(spin_until([&] { return client_->data == "ping"; }));
}

// ---- closing

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
  EXPECT_TRUE(client_->lost_with<ConnectionReset>());
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

// ---- pausing

TEST_P(StreamConformance, HonoursAPauseInConnectionMade) {  // 17
  server_->on_made = [](AccumulatingProtocol& self) { self.way().pause_producing(); };
  connect();
  client_->way().write("wait");
  fixture_->spin();
  EXPECT_EQ(server_->data, "");
  server_->way().resume_producing();
  EXPECT_EQ(server_->data, "");
  ASSERT_TRUE(spin_until([&] { return server_->data == "wait"; }));
}

TEST_P(StreamConformance, HoldsTheNextChunkAfterAPauseInDataReceived) {  // 18, 19
  bool paused = false;
  server_->on_data = [&](AccumulatingProtocol& self, BytesView) {
    EXPECT_FALSE(paused);
    paused = true;
    self.way().pause_producing();
  };
  connect();
  const std::string sent(400'000, 'x');
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return paused; }));
  fixture_->spin();
  EXPECT_LT(server_->data.size(), sent.size() + 1);
  server_->on_data = nullptr;
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->data.size() == sent.size(); }));
}

TEST_P(StreamConformance, CountsPauses) {
  connect();
  server_->way().pause_producing();
  server_->way().pause_producing();
  client_->way().write("x");
  server_->way().resume_producing();
  fixture_->spin();
  EXPECT_EQ(server_->data, "");
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->data == "x"; }));
}

TEST_P(StreamConformance, DeliversTheEndThatCameWhilePausedAtResume) {  // 62
  connect();
  server_->way().pause_producing();
  in_turn([&] {
    client_->way().write("x");
    client_->way().lose_write_connection();
  });
  fixture_->spin();
  EXPECT_EQ(server_->events, std::vector<std::string>{"made"});
  server_->way().resume_producing();
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->events, (std::vector<std::string>{"made", "data", "eof", "lost"}));
}

TEST_P(StreamConformance, ReportsAResetWhilePaused) {  // 13, 44
  connect();
  server_->way().pause_producing();
  fixture_->spin();
  client_->way().abort_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(server_->lost_with<ConnectionLost>());
}

TEST_P(StreamConformance, ReadsNothingWhenResumedWhileClosing) {  // 20, 21
  connect();
  server_->way().pause_producing();
  client_->way().write("x");
  fixture_->spin();
  server_->way().lose_connection();
  server_->way().resume_producing();
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, "");
}

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
  EXPECT_TRUE(client_->lost_with<ConnectionReset>());
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

// ---- marks and producers

TEST_P(StreamConformance, PausesAndResumesTheWriterOncePerCrossing) {  // 64, 65
  connect();
  server_->way().pause_producing();
  client_->way().set_write_buffer_limits(1'000, 100);
  client_->way().write(bulk().substr(0, bulk().size() / 4));
  ASSERT_TRUE(spin_until([&] { return client_->events.back() == "pause"; }));
  client_->way().write(std::string(10'000, 'x'));
  fixture_->spin();
  EXPECT_EQ(client_->events, (std::vector<std::string>{"made", "pause"}));
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return client_->events.back() == "resume"; }));
  EXPECT_EQ(client_->events, (std::vector<std::string>{"made", "pause", "resume"}));
}

TEST_P(StreamConformance, PausesAProducerThatComesWhenItIsFull) {  // 66
  connect();
  server_->way().pause_producing();
  client_->way().write(bulk().substr(0, bulk().size() / 4));
  fixture_->spin();
  auto producer = std::make_shared<NotingProducer>();
  client_->way().register_producer(producer, Streaming::push);
  fixture_->spin();
  EXPECT_EQ(producer->paused, 1);
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return producer->resumed == 1; }));
  client_->way().unregister_producer();
  EXPECT_EQ(producer->stopped, 0);
}

TEST_P(StreamConformance, RefusesASecondProducerAndStopsALateOne) {  // 67, 68
  connect();
  auto producer = std::make_shared<NotingProducer>();
  client_->way().register_producer(producer, Streaming::push);
  EXPECT_THROW(client_->way().register_producer(producer, Streaming::push),
               ProducerAlreadyRegisteredError);
  client_->way().unregister_producer();
  client_->way().unregister_producer();
  client_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  auto late = std::make_shared<NotingProducer>();
  client_->way().register_producer(late, Streaming::push);
  EXPECT_EQ(late->stopped, 1);
}

TEST_P(StreamConformance, AsksAPullProducerOnceForEachDrainAndCloses) {  // 71, 73, 74
  connect();
  auto producer = std::make_shared<NotingProducer>();
  producer->on_resume = [&, raw = producer.get()] {
    client_->way().write(std::string(1'000, 'x'));
    if (raw->resumed == 5) {
      client_->way().unregister_producer();
      client_->way().lose_connection();
    }
  };
  client_->way().register_producer(producer, Streaming::pull);
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(producer->resumed, 5);
  EXPECT_EQ(server_->data.size(), 5'000U);
  producer->on_resume = nullptr;
}

TEST_P(StreamConformance, WaitsForTheProducerBeforeItCloses) {  // 75
  connect();
  auto producer = std::make_shared<NotingProducer>();
  client_->way().register_producer(producer, Streaming::push);
  client_->way().lose_connection();
  fixture_->spin();
  EXPECT_FALSE(client_->lost());
  client_->way().write("the end");
  client_->way().unregister_producer();
  client_->way().write("too late");
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, "the end");
}

TEST_P(StreamConformance, WaitsForTheProducerBeforeItHalfCloses) {  // 55
  connect();
  auto producer = std::make_shared<NotingProducer>();
  client_->way().register_producer(producer, Streaming::push);
  client_->way().lose_write_connection();
  fixture_->spin();
  EXPECT_EQ(server_->events.back(), "made");
  client_->way().unregister_producer();
  ASSERT_TRUE(both_lost());
}

TEST_P(StreamConformance, LosesTheConnectionWhoseProducerThrows) {  // 78
  const LogCapture log;
  connect();
  auto producer = std::make_shared<NotingProducer>();
  producer->on_resume = [] { throw std::runtime_error("in resume_producing"); };
  client_->way().register_producer(producer, Streaming::pull);
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<std::runtime_error>());
}

TEST_P(StreamConformance, LooksAtTheMarksAgainWhenTheyChange) {  // 82
  connect();
  server_->way().pause_producing();
  client_->way().set_write_buffer_limits(2 * bulk().size(), 0);
  client_->way().write(bulk().substr(0, bulk().size() / 4));
  fixture_->spin();
  EXPECT_EQ(client_->events.back(), "made");
  client_->way().set_write_buffer_limits(1'000, 100);
  ASSERT_TRUE(spin_until([&] { return client_->events.back() == "pause"; }));
  EXPECT_THROW(client_->way().set_write_buffer_limits(1, 2), InvalidArgument);
}

// ---- a protocol that lends its buffer

class Lender : public BufferedProtocol {
 public:
  std::span<std::byte> buffer(std::size_t) override { return {buffer_, sizeof buffer_}; }
  void buffer_updated(std::size_t size) override {
    data.append(reinterpret_cast<const char*>(buffer_), size);
  }
  void connection_lost(const Failure&) override { lost = true; }
  [[nodiscard]] Transport& way() const { return transport(); }
  std::string data;
  bool lost = false;

 private:
  std::byte buffer_[7];
};

TEST_P(StreamConformance, ReadsIntoTheBufferThatAProtocolLends) {
  const auto lender = std::make_shared<Lender>();
  fixture_->connect(client_, lender);
  std::string sent;
  for (int i = 0; i < 1'000; ++i)
    sent += std::to_string(i) + " ";
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return lender->data.size() >= sent.size(); }));
  EXPECT_EQ(lender->data, sent);
  client_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return lender->lost; }));
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StreamConformance);

}  // namespace weft::testing
