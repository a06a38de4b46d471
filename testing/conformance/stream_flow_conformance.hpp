// How every stream transport pauses its reader and its writer.
#pragma once

#include "../checked_producer.hpp"
#include "stream_suite.hpp"

#include <algorithm>

namespace weft::testing {

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

TEST_P(StreamConformance, LeavesTheBytesAloneThatAreLookedAtWhenResumed) {
  std::string seen;
  server_->on_data = [&](AccumulatingProtocol& self, BytesView data) {
    self.way().pause_producing();
    self.way().resume_producing();
    // Nothing may be read by that, over these bytes or past them.
    seen += data.text();
  };
  connect();
  std::string sent;
  for (int i = 0; sent.size() < 20'000; ++i)
    sent += std::to_string(i) + ",";
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return seen.size() >= sent.size(); }));
  EXPECT_TRUE(seen == sent);
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
  EXPECT_TRUE(server_->lost_with<ConnectionLost>()) << server_->reason->message();
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

// ---- producers and their contract

TEST_P(StreamConformance, GoesOnExactlyWhereItPaused) {  // 19
  int pieces = 0;
  server_->on_data = [&](AccumulatingProtocol& self, BytesView) {
    ++pieces;
    self.way().pause_producing();
    auto resumed =
        fixture_->clock().call_later(Duration::zero(), [&self] { self.way().resume_producing(); });
  };
  connect();
  std::string sent;
  for (int i = 0; sent.size() < 10'000; ++i)
    sent += std::to_string(i) + ",";
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return server_->data.size() >= sent.size(); }));
  EXPECT_TRUE(server_->data == sent);
  EXPECT_GE(pieces, 1);
  fixture_->spin();
}

TEST_P(StreamConformance, ResumesWithoutAPauseAndChangesNothing) {
  connect();
  server_->way().resume_producing();
  server_->way().pause_producing();
  client_->way().write("x");
  fixture_->spin();
  EXPECT_EQ(server_->data, "");
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->data == "x"; }));
}

TEST_P(StreamConformance, MayPauseLoseAndResumeInAnyOrder) {  // 21
  std::vector<int> order{0, 1, 2};
  do {
    client_ = std::make_shared<AccumulatingProtocol>();
    server_ = std::make_shared<AccumulatingProtocol>();
    connect();
    client_->way().write("x");
    for (const int step : order) {
      if (step == 0) server_->way().pause_producing();
      if (step == 1) server_->way().lose_connection();
      if (step == 2) server_->way().resume_producing();
    }
    ASSERT_TRUE(both_lost());
    EXPECT_EQ(server_->events.back(), "lost");
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(StreamConformance, HearsNothingOfAProducerThatWasUnregistered) {  // 70
  connect();
  const auto producer = std::make_shared<CheckedProducer>(Streaming::push);
  client_->way().register_producer(producer, Streaming::push);
  client_->way().unregister_producer();
  producer->unregistered();
  client_->way().set_write_buffer_limits(1'000, 100);
  client_->way().write(more_than_fits());
  fixture_->spin();
  client_->way().abort_connection();
  ASSERT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_TRUE(producer->faults().empty()) << producer->faults().front();
}

TEST_P(StreamConformance, MayExchangeItsProducerInsideResume) {  // 71, 72
  connect();
  auto second = std::make_shared<CheckedProducer>(Streaming::pull, [this] {
    client_->way().write("second");
    client_->way().unregister_producer();
    client_->way().lose_connection();
  });
  auto first = std::make_shared<CheckedProducer>(Streaming::pull, [&] {
    client_->way().write("first ");
    client_->way().unregister_producer();
    client_->way().register_producer(second, Streaming::pull);
  });
  client_->way().register_producer(first, Streaming::pull);
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, "first second");
  EXPECT_TRUE(first->faults().empty() && second->faults().empty());
  EXPECT_FALSE(first->stopped() || second->stopped());
}

TEST_P(StreamConformance, MayBeClosedInsideResumeOfItsProducer) {  // 77
  connect();
  const auto producer = std::make_shared<CheckedProducer>(
      Streaming::pull, [this] { client_->way().abort_connection(); });
  client_->way().register_producer(producer, Streaming::pull);
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(producer->stopped());
  EXPECT_TRUE(producer->faults().empty());
}

TEST_P(StreamConformance, StopsItsProducerWhenThePeerResets) {  // 69
  connect();
  const auto producer = std::make_shared<CheckedProducer>(Streaming::push);
  client_->way().register_producer(producer, Streaming::push);
  server_->way().abort_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(producer->stopped());
  EXPECT_EQ(producer->events().back(), "stop");
  EXPECT_TRUE(producer->faults().empty());
}

TEST_P(StreamConformance, HoldsAPushProducerToItsMarks) {  // 64, 76
  connect();
  client_->way().set_write_buffer_limits(50'000, 10'000);
  std::size_t written = 0;
  bool paused = false;
  class Filling final : public Producer {
   public:
    explicit Filling(bool& flag) : paused_(flag) {}
    void resume_producing() override { paused_ = false; }
    void pause_producing() override { paused_ = true; }
    void stop_producing() override {}

   private:
    bool& paused_;
  };
  client_->way().register_producer(std::make_shared<Filling>(paused), Streaming::push);
  const auto total = more_than_fits().size();
  ASSERT_TRUE(spin_until([&] {
    while (!paused && written < total) {
      client_->way().write(std::string(5'000, 'x'));
      written += 5'000;
      fixture_->clock().turn().settle();
      EXPECT_LE(client_->way().write_buffer_size(), 55'000U);
    }
    return written >= total;
  }));
  client_->way().unregister_producer();
  ASSERT_TRUE(spin_until([&] { return server_->data.size() == written; }));
}

// Two ends that send more than they are willing to keep, and read no more than they can send back.
TEST_P(StreamConformance, EchoesInBulkUnderBackPressureInBothDirections) {
  std::size_t written = 0;
  const auto total = more_than_fits().size();
  server_->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
  server_->on_pause = [](AccumulatingProtocol& self) { self.way().pause_producing(); };
  server_->on_resume = [](AccumulatingProtocol& self) { self.way().resume_producing(); };
  const auto fill = [&](AccumulatingProtocol& self) {
    while (written < total && self.events.back() != "pause") {
      const std::string piece(std::min<std::size_t>(total - written, 40'000), 'x');
      self.way().write(piece);
      written += piece.size();
      fixture_->clock().turn().settle();
    }
  };
  client_->on_resume = fill;
  connect();
  fill(*client_);
  EXPECT_TRUE(spin_until([&] { return client_->data.size() == total; }));
  EXPECT_EQ(server_->data.size(), total);
}

TEST_P(StreamConformance, TakesMarksOfZero) {
  connect();
  server_->way().pause_producing();
  client_->way().set_write_buffer_limits(0, 0);
  const auto sent = more_than_fits();
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return client_->events.back() == "pause"; }));
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return client_->events.back() == "resume"; }));
  EXPECT_TRUE(spin_until([&] { return server_->data.size() == sent.size(); }));
}

TEST_P(StreamConformance, RefusesNoProducerAtAll) {
  connect();
  EXPECT_THROW(client_->way().register_producer(nullptr, Streaming::push), InvalidArgument);
}

}  // namespace weft::testing
