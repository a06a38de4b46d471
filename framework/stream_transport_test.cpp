#include "stream_transport.hpp"

#include "census.hpp"
#include "stream_carrier_test.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <system_error>

namespace weft {
namespace {

class StreamTransportTest : public LoggedStream {
 protected:
  // Blocks the carrier and writes so much that the high-water mark is passed.
  void fill() {
    carrier_->blocked = true;
    carrier_->write(std::string(StreamTransport::default_high_water + 1, 'x'));
    come_round();
  }
  // The carrier takes all that it was given.
  void drain() {
    carrier_->blocked = false;
    carrier_->sent(carrier_->write_buffer_size());
    come_round();
  }
  std::shared_ptr<LoggingProducer> produce(Streaming streaming) {
    auto producer = std::make_shared<LoggingProducer>(log_);
    carrier_->register_producer(producer, streaming);
    return producer;
  }
};

TEST_F(StreamTransportTest, SendsTheWritesOfOneTurnTogether) {
  clock_.turn().enter_logged("test", [&] {
    for (int i = 0; i < 16; ++i)
      carrier_->write("ab");
    EXPECT_EQ(heard(), "");
  });
  EXPECT_EQ(heard(), "sent(abababababababababababababababab)");
}

TEST_F(StreamTransportTest, KeepsTheOrderOfAllKindsOfWrites) {
  const BytesView pieces[] = {"c", "", "d"};
  clock_.turn().enter_logged("test", [&] {
    carrier_->write("a");
    carrier_->write(Bytes(BytesView("b")));
    carrier_->write_sequence(pieces);
  });
  EXPECT_EQ(heard(), "sent(abcd)");
}

TEST_F(StreamTransportTest, SendsALargeWriteAtOnceUnlessSomethingWaitsBeforeIt) {
  const std::string large(StreamTransport::large_write, 'x');
  clock_.turn().enter_logged("test", [&] {
    carrier_->write(large);
    EXPECT_EQ(heard(), "sent(" + large + ")");
    carrier_->write("a");
    carrier_->write(large);
    EXPECT_EQ(heard(), "");
  });
  EXPECT_EQ(heard(), "sent(a" + large + ")");
}

TEST_F(StreamTransportTest, KeepsWhatTheCarrierDoesNotTakeOfALargeWrite) {
  const std::string large(StreamTransport::large_write, 'x');
  carrier_->takes_at_most = 1'000;
  clock_.turn().enter_logged("test", [&] {
    carrier_->write(large);
    EXPECT_EQ(heard(), "sent(" + large.substr(0, 1'000) + ")");
    EXPECT_EQ(carrier_->write_buffer_size(), large.size() - 1'000);
    carrier_->write("behind it");
  });
  carrier_->takes_at_most = SIZE_MAX;
  EXPECT_EQ(heard(), "");
  carrier_->sent(0);
  EXPECT_EQ(heard(), "sent(" + large.substr(1'000) + "behind it)");
}

TEST_F(StreamTransportTest, BreaksInsideALargeWriteAndTellsLater) {
  carrier_->error = std::make_error_code(std::errc::connection_reset);
  clock_.turn().enter_logged("test", [&] {
    carrier_->write(std::string(StreamTransport::large_write, 'x'));
    EXPECT_EQ(heard(), "reset");
    EXPECT_FALSE(carrier_->connected());
  });
  come_round();
  EXPECT_EQ(heard(), "lost(ConnectionLost)");
}

// A producer that writes more than goes to the queue.
TEST_F(StreamTransportTest, AsksAPullProducerForMoreAfterALargeWrite) {
  class LargePieces final : public Producer {
   public:
    explicit LargePieces(Transport& transport) : transport_(transport) {}
    void resume_producing() override {
      ++asked;
      if (asked < 5) {
        transport_.write(std::string(StreamTransport::large_write, 'x'));
      } else {
        transport_.unregister_producer();
      }
    }
    void pause_producing() override {}
    void stop_producing() override {}
    int asked = 0;

   private:
    Transport& transport_;
  };
  const auto producer = std::make_shared<LargePieces>(*carrier_);
  carrier_->register_producer(producer, Streaming::pull);
  for (int round = 0; round < 10; ++round)
    come_round();
  EXPECT_EQ(producer->asked, 5);
}

TEST_F(StreamTransportTest, TellsTheProtocolOnceAtEachMark) {
  fill();
  carrier_->write("more");
  come_round();
  EXPECT_EQ(heard(), "pause_writing");
  drain();
  EXPECT_EQ(heard(), "resume_writing");
}

TEST_F(StreamTransportTest, StaysPausedUntilTheLowMark) {
  fill();
  heard();
  carrier_->sent(StreamTransport::default_high_water - StreamTransport::default_low_water);
  come_round();
  EXPECT_EQ(heard(), "");
  carrier_->sent(1);
  come_round();
  EXPECT_EQ(heard(), "resume_writing");
}

TEST_F(StreamTransportTest, LooksAtTheMarksAgainWhenTheyChange) {
  carrier_->blocked = true;
  carrier_->write("0123456789");
  come_round();
  carrier_->set_write_buffer_limits(4, 2);
  come_round();
  EXPECT_EQ(heard(), "pause_writing");
  carrier_->set_write_buffer_limits(100, 50);
  come_round();
  EXPECT_EQ(heard(), "resume_writing");
}

TEST_F(StreamTransportTest, RefusesALowMarkAboveTheHighOne) {
  EXPECT_THROW(carrier_->set_write_buffer_limits(1, 2), InvalidArgument);
}

TEST_F(StreamTransportTest, PausesAProducerThatComesWhenTheBufferIsFull) {
  fill();
  heard();
  produce(Streaming::push);
  come_round();
  EXPECT_EQ(heard(), "pause");
  drain();
  EXPECT_EQ(heard(), "resume_writing resume");
}

TEST_F(StreamTransportTest, AsksAPullProducerOnceForEachDrain) {
  produce(Streaming::pull);
  come_round();
  EXPECT_EQ(heard(), "resume");
  carrier_->write("1");
  come_round();
  EXPECT_EQ(heard(), "sent(1) resume");
  come_round();
  EXPECT_EQ(heard(), "");
}

TEST_F(StreamTransportTest, RefusesASecondProducer) {
  produce(Streaming::push);
  EXPECT_THROW(produce(Streaming::push), ProducerAlreadyRegisteredError);
  EXPECT_THROW(carrier_->register_producer(nullptr, Streaming::push), InvalidArgument);
}

TEST_F(StreamTransportTest, WaitsForTheProducerBeforeItCloses) {
  for (const auto streaming : {Streaming::push, Streaming::pull}) {
    auto carrier = std::make_shared<LoggingCarrier>(clock_, log_);
    carrier->establish(std::make_shared<LoggingProtocol>(log_));
    carrier->register_producer(std::make_shared<LoggingProducer>(log_), streaming);
    carrier->lose_connection();
    carrier->write("last");
    come_round();
    EXPECT_TRUE(carrier->connected());
    carrier->unregister_producer();
    carrier->write("too late");
    come_round();
    EXPECT_EQ(carrier->state(), StreamState::closed);
    EXPECT_EQ(heard().find("late"), std::string::npos);
  }
}

TEST_F(StreamTransportTest, WaitsForTheProducerBeforeItHalfCloses) {
  produce(Streaming::push);
  carrier_->lose_write_connection();
  carrier_->write("last");
  come_round();
  EXPECT_EQ(heard(), "sent(last)");
  carrier_->unregister_producer();
  come_round();
  EXPECT_EQ(heard(), "end");
}

TEST_F(StreamTransportTest, StopsTheProducerOnceBeforeTheLoss) {
  produce(Streaming::push);
  carrier_->abort_connection();
  come_round();
  EXPECT_EQ(heard(), "reset stop lost(ConnectionAborted)");
}

TEST_F(StreamTransportTest, CountsPauses) {
  carrier_->pause_producing();
  carrier_->pause_producing();
  carrier_->received("a");
  carrier_->resume_producing();
  come_round();
  EXPECT_EQ(heard(), "");
  carrier_->resume_producing();
  EXPECT_EQ(heard(), "");
  come_round();
  EXPECT_EQ(heard(), "data(a)");
  carrier_->resume_producing();
  carrier_->received("b");
  EXPECT_EQ(heard(), "data(b)");
}

TEST_F(StreamTransportTest, HoldsTheEndBehindTheHeldData) {
  carrier_->pause_producing();
  carrier_->received("a");
  carrier_->received("b");
  carrier_->ended();
  come_round();
  EXPECT_EQ(heard(), "");
  carrier_->resume_producing();
  come_round();
  EXPECT_EQ(heard(), "data(ab) eof");
}

TEST_F(StreamTransportTest, ReportsABreakWhilePaused) {
  carrier_->pause_producing();
  carrier_->received("a");
  carrier_->broken(Failure(ConnectionReset("The peer reset it.", Address())));
  come_round();
  EXPECT_EQ(heard(), "reset lost(ConnectionReset)");
}

TEST_F(StreamTransportTest, NeverCallsBackInsideACall) {
  carrier_->pause_producing();
  carrier_->received("a");
  carrier_->resume_producing();
  EXPECT_EQ(heard(), "");
  carrier_->lose_connection();
  carrier_->abort_connection();
  EXPECT_EQ(heard(), "reset");
}

TEST_F(StreamTransportTest, TakesTheShorterOfTwoLingerTimes) {
  carrier_->blocked = true;
  carrier_->write("stuck");
  carrier_->lose_connection(std::chrono::seconds(20));
  come_round();
  carrier_->lose_connection(std::chrono::seconds(40));
  carrier_->lose_connection(std::chrono::seconds(1));
  come_round();
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(heard(), "reset lost(LingerTimeout)");
}

TEST_F(StreamTransportTest, KeepsWhatIsBeingSentWhenAborted) {
  fill();
  carrier_->abort_connection();
  EXPECT_EQ(carrier_->write_buffer_size(), 0U);
  carrier_->sent(0);
  come_round();
  EXPECT_EQ(heard(), "pause_writing reset lost(ConnectionAborted)");
}

TEST_F(StreamTransportTest, EndsInOrderWhenTheLoopEnds) {
  clock_.turn().end_participants();
  EXPECT_EQ(heard(), "close lost(ConnectionLost)");
  EXPECT_FALSE(carrier_->connected());
}

TEST_F(StreamTransportTest, ResetsWhatIsCutOffWhenTheLoopEnds) {
  fill();
  heard();
  clock_.turn().end_participants();
  EXPECT_EQ(heard(), "reset lost(ConnectionLost)");
}

TEST_F(StreamTransportTest, IsFreedAfterTheLoss) {
  const auto before = census().connections.load();
  auto carrier = std::make_shared<LoggingCarrier>(clock_, log_);
  const std::weak_ptr<LoggingCarrier> watched = carrier;
  auto protocol = std::make_shared<LoggingProtocol>(log_);
  const std::weak_ptr<Protocol> watched_protocol = protocol;
  carrier->establish(std::move(protocol));
  EXPECT_EQ(census().connections.load(), before + 1);
  carrier->lose_connection();
  carrier.reset();
  come_round();
  EXPECT_TRUE(watched.expired());
  EXPECT_TRUE(watched_protocol.expired());
  EXPECT_EQ(census().connections.load(), before);
}

class ThrowingProtocol final : public Protocol {
 public:
  explicit ThrowingProtocol(std::string in) : in_(std::move(in)) {}
  void connection_made() override { maybe_throw("connection_made"); }
  void data_received(BytesView) override { maybe_throw("data_received"); }
  void eof_received() override { maybe_throw("eof_received"); }
  void pause_writing() override { maybe_throw("pause_writing"); }
  void resume_writing() override { maybe_throw("resume_writing"); }
  void connection_lost(const Failure& failure) override {
    reason = failure.message();
    maybe_throw("connection_lost");
  }
  std::string reason;

 private:
  void maybe_throw(const std::string& where) const {
    if (where == in_) throw std::runtime_error("thrown in " + where);
  }
  std::string in_;
};

class EachThrowingCallback : public LoggedStream,
                             public ::testing::WithParamInterface<std::string> {};

TEST_P(EachThrowingCallback, CostsThisConnectionAndIsItsReason) {
  auto carrier = std::make_shared<LoggingCarrier>(clock_, log_);
  auto protocol = std::make_shared<ThrowingProtocol>(GetParam());
  const auto thrown = carrier->establish(protocol);
  EXPECT_EQ(thrown.has_value(), GetParam() == "connection_made");
  carrier->received("x");
  carrier->blocked = true;
  carrier->write(std::string(StreamTransport::default_high_water + 1, 'x'));
  come_round();
  carrier->blocked = false;
  carrier->sent(carrier->write_buffer_size());
  carrier->ended();
  if (GetParam() == "connection_lost") carrier->lose_connection();
  come_round();
  EXPECT_FALSE(carrier->connected());
  EXPECT_EQ(carrier->protocol(), nullptr);
  if (GetParam() != "connection_lost") {
    EXPECT_EQ(protocol->reason, "thrown in " + GetParam());
  }
  EXPECT_TRUE(carrier_->connected());
}

INSTANTIATE_TEST_SUITE_P(StreamTransport, EachThrowingCallback,
                         ::testing::Values("connection_made", "data_received", "eof_received",
                                           "pause_writing", "resume_writing", "connection_lost"),
                         [](const auto& cell) { return cell.param; });

TEST(StreamTransportAfterItsLoop, IsHarmless) {
  auto log = std::make_shared<std::ostringstream>();
  std::shared_ptr<LoggingCarrier> carrier;
  {
    HandClock clock;
    carrier = std::make_shared<LoggingCarrier>(clock, log);
    carrier->establish(std::make_shared<LoggingProtocol>(log));
  }
  carrier->write("x");
  carrier->lose_connection();
  carrier->abort_connection();
  carrier->pause_producing();
  carrier->resume_producing();
  EXPECT_FALSE(carrier->connected());
}

}  // namespace
}  // namespace weft
