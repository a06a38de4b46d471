#include "stream.hpp"

#include "../testing/io_pump.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "../testing/string_transport.hpp"
#include "line_receiver.hpp"
#include "services.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {
namespace {

using testing::failure_result_of;
using testing::has_no_result;
using testing::success_result_of;

class StreamTest : public ::testing::Test {
 protected:
  // What a read gave, as text.
  template <class T>
  static std::string shown(Deferred<T> deferred) {
    auto result = deferred.take_result();
    if (!result) return "(nothing yet)";
    if (!result->succeeded()) return "(" + result->failure().type_name() + ")";
    if constexpr (std::is_same_v<T, std::string>) {
      return result->value();
    } else {
      return result->value().value_or("(end)");
    }
  }
  void connect(std::size_t max_buffered = Stream::default_max_buffered) {
    stream_ = std::make_shared<Stream>(max_buffered);
    peer_ = testing::connect(stream_);
  }

  const testing::LogCapture log_;
  std::shared_ptr<Stream> stream_ = std::make_shared<Stream>();
  std::shared_ptr<testing::StringTransport> peer_ = testing::connect(stream_);
};

// ---- reading

TEST_F(StreamTest, GivesWhatIsThereAtOnceAndWaitsForTheRest) {
  auto first = stream_->read_some();
  EXPECT_TRUE(has_no_result(first));
  peer_->deliver("abc");
  EXPECT_EQ(shown(std::move(first)), "abc");
  peer_->deliver("defgh");
  EXPECT_EQ(shown(stream_->read_some(2)), "de");
  EXPECT_EQ(stream_->available(), 3U);
  EXPECT_EQ(shown(stream_->read_some()), "fgh");
  auto limited = stream_->read_some(1);
  peer_->deliver("xy");
  EXPECT_EQ(shown(std::move(limited)), "x");
  EXPECT_EQ(shown(stream_->read_some()), "y");
}

// What a script of reads gives of one input, begun before or behind the bytes, which come in pieces
// of `size`.
std::string script(std::size_t size, bool early) {
  const std::string input = "one\r\ntwo\n\r12345head: x\r\n\r\n\rthree\r\r\nrest of it";
  const auto stream = std::make_shared<Stream>();
  const auto peer = testing::connect(stream);
  std::string heard;
  using Next = std::function<Deferred<std::string>()>;
  const auto line = [&] {
    return stream->read_line().add_callback([](std::optional<std::string> read) { return *read; });
  };
  const std::vector<Next> steps{line,
                                line,
                                [&] { return stream->read_exactly(6); },
                                [&] { return stream->read_until("\r\n\r\n"); },
                                [&] { return stream->read_exactly(0); },
                                line,
                                [&] { return stream->read_all(); }};
  std::size_t step = 0;
  std::function<void()> next = [&] {
    if (step == steps.size()) return;
    auto done = steps[step++]().add_callback([&](const std::string& text) {
      heard += "<" + text + ">";
      next();
    });
  };
  if (early) next();
  for (std::size_t from = 0; from < input.size(); from += size)
    peer->deliver(input.substr(from, size));
  peer->deliver_end();
  if (!early) next();
  return heard;
}

TEST(StreamScript, ReadsTheSameHoweverTheBytesComeAndWhoeverIsFirst) {
  for (std::size_t size = 1; size <= 48; ++size) {
    for (const bool early : {true, false}) {
      EXPECT_EQ(script(size, early), "<one><two><\r12345><head: x><><\rthree\r><rest of it>")
          << size << early;
    }
  }
}

TEST_F(StreamTest, TellsTheEndOfTheStreamBehindWhatWasLeft) {
  peer_->deliver("a\n");
  peer_->deliver_end();
  EXPECT_FALSE(stream_->at_eof());
  EXPECT_EQ(shown(stream_->read_line()), "a");
  EXPECT_TRUE(stream_->at_eof());
  EXPECT_EQ(shown(stream_->read_line()), "(end)");
  EXPECT_EQ(shown(stream_->read_some()), "(end)");
  EXPECT_EQ(shown(stream_->read_all()), "");
  EXPECT_FALSE(peer_->disconnecting());
}

TEST_F(StreamTest, FailsAReadThatTheEndCutsShortAndHandsOverItsPart) {
  auto waiting = stream_->read_exactly(10);
  peer_->deliver("abc");
  peer_->deliver_end();
  const auto failure = failure_result_of<IncompleteRead>(std::move(waiting));
  EXPECT_EQ(failure.check<IncompleteRead>()->partial(), "abc");
  EXPECT_TRUE(stream_->at_eof());
  connect();
  peer_->deliver("half a line");
  peer_->deliver_end();
  EXPECT_EQ(
      failure_result_of<IncompleteRead>(stream_->read_line()).check<IncompleteRead>()->partial(),
      "half a line");
  static_cast<void>(failure_result_of<IncompleteRead>(stream_->read_until("x")));
}

TEST_F(StreamTest, AllowsALineOfExactlyTheLimitAndNotOneByteMore) {
  for (const std::string end : {"\n", "\r\n"}) {
    for (const bool byte_by_byte : {true, false}) {
      connect();
      const auto text = std::string(10, 'x') + end + std::string(11, 'y');
      auto fits = stream_->read_line(10);
      for (std::size_t i = 0; i < text.size(); i += byte_by_byte ? 1 : text.size())
        peer_->deliver(std::string_view(text).substr(i, byte_by_byte ? 1 : text.size()));
      EXPECT_EQ(shown(std::move(fits)), std::string(10, 'x'));
      EXPECT_EQ(shown(stream_->read_line(10)), "(weft::LineTooLong)");
      // Nothing was taken.
      EXPECT_EQ(shown(stream_->read_some()), std::string(11, 'y'));
    }
  }
}

TEST_F(StreamTest, RefusesALongLineBeforeItsEndComes) {
  auto line = stream_->read_line(4);
  peer_->deliver("12345");
  EXPECT_EQ(shown(std::move(line)), "(weft::LineTooLong)");
}

TEST_F(StreamTest, HoldsDelimitersAndWholeStreamsToTheirLimits) {
  auto fits = stream_->read_until("--", 3);
  peer_->deliver("abc-");
  EXPECT_TRUE(has_no_result(fits));
  peer_->deliver("-de");
  EXPECT_EQ(shown(std::move(fits)), "abc");
  auto all = stream_->read_all(3);
  peer_->deliver("fg");
  EXPECT_EQ(shown(std::move(all)), "(weft::ReadTooLong)");
  auto until = stream_->read_until("--", 2);
  EXPECT_EQ(shown(std::move(until)), "(weft::ReadTooLong)");
  EXPECT_EQ(shown(stream_->read_exactly(4)), "defg");
}

TEST_F(StreamTest, RefusesASecondReaderAndReadsOfNothing) {
  auto first = stream_->read_line();
  EXPECT_THROW(static_cast<void>(stream_->read_some()), AlreadyReadingError);
  EXPECT_THROW(static_cast<void>(stream_->read_until("x")), AlreadyReadingError);
  EXPECT_THROW(static_cast<void>(stream_->read_exactly(0)), AlreadyReadingError);
  peer_->deliver("a\nb");
  EXPECT_EQ(shown(std::move(first)), "a");
  EXPECT_THROW(static_cast<void>(stream_->read_some(0)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(stream_->read_until("")), InvalidArgument);
  EXPECT_EQ(shown(stream_->read_some()), "b");
}

TEST_F(StreamTest, LosesNoByteOfAReadThatIsCancelled) {
  auto line = stream_->read_line();
  peer_->deliver("be");
  line.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(line)));
  peer_->deliver("gin\nend\n");
  EXPECT_EQ(shown(stream_->read_line()), "begin");
  EXPECT_EQ(shown(stream_->read_line()), "end");
}

TEST_F(StreamTest, IsReadAgainWhileTheDeferredOfACancelledReadIsStillHeld) {
  auto cancelled = stream_->read_some();
  cancelled.cancel();
  auto next = stream_->read_some();
  peer_->deliver("abc");
  EXPECT_EQ(shown(std::move(next)), "abc");
  static_cast<void>(failure_result_of<CancelledError>(std::move(cancelled)));
}

TEST_F(StreamTest, GivesTheNextReadWhatADroppedOneHadNotTakenWhenTheEndComes) {
  peer_->deliver("abc");
  static_cast<void>(stream_->read_exactly(10));
  peer_->deliver_end();
  EXPECT_EQ(shown(stream_->read_some()), "abc");
}

TEST_F(StreamTest, KeepsWhatComesBehindACancelledReadOfAnyBytes) {
  connect(100);
  auto cancelled = stream_->read_some();
  cancelled.cancel();
  peer_->deliver(std::string(300, 'a'));
  peer_->deliver("one more piece");
  EXPECT_EQ(stream_->available(), 300U);
  static_cast<void>(failure_result_of<CancelledError>(std::move(cancelled)));
  EXPECT_EQ(shown(stream_->read_some()), std::string(300, 'a'));
}

TEST_F(StreamTest, LosesNoByteWhateverIsReadAndWhereverItIsCancelled) {
  const std::string input = "a line\r\n and more\r\n";
  const std::vector<std::function<void()>> cancelled_reads{
      [&] { stream_->read_line().cancel(); },
      [&] { stream_->read_exactly(input.size()).cancel(); },
      [&] { stream_->read_until("more\r\n").cancel(); },
      [&] { stream_->read_all().cancel(); },
  };
  for (const auto& cancelled_read : cancelled_reads) {
    for (std::size_t at = 0; at < 7; ++at) {
      connect();
      peer_->deliver(input.substr(0, at));
      cancelled_read();
      peer_->deliver(input.substr(at));
      EXPECT_EQ(shown(stream_->read_exactly(input.size())), input) << at;
    }
  }
}

TEST_F(StreamTest, FailsWhoReadsWhenTheConnectionIsLostBeforeTlsHasBegun) {
  peer_->deliver("plain");
  stream_->change_transport(peer_);
  auto read = stream_->read_some();
  EXPECT_TRUE(has_no_result(read));
  peer_->break_with(Failure(ConnectionReset("gone")));
  EXPECT_EQ(shown(std::move(read)), "(weft::ConnectionReset)");
  EXPECT_EQ(stream_->available(), 0U);
}

TEST_F(StreamTest, LosesNoByteOfAReadThatNobodyWantsAnyMore) {
  { auto dropped = stream_->read_some(); }
  peer_->deliver("kept");
  EXPECT_EQ(shown(stream_->read_some()), "kept");
  { auto dropped = stream_->read_some(); }
  auto next = stream_->read_some();
  peer_->deliver("this one");
  EXPECT_EQ(shown(std::move(next)), "this one");
}

TEST_F(StreamTest, MayReadAgainInsideOfWhatAReadCalls) {
  std::string heard;
  std::function<void()> next = [&] {
    auto reading = stream_->read_line().add_callback([&](const std::optional<std::string>& line) {
      if (!line) return;
      heard += *line + ";";
      next();
    });
  };
  next();
  peer_->deliver("a\nb\nc");
  peer_->deliver("\n");
  peer_->deliver_end();
  EXPECT_EQ(heard, "a;b;c;");
}

TEST_F(StreamTest, FailsWhoReadsWithTheReasonOfTheLossBehindWhatHadCome) {
  peer_->deliver("last");
  peer_->break_with(Failure(ConnectionReset("gone")));
  EXPECT_EQ(shown(stream_->read_some()), "last");
  EXPECT_EQ(shown(stream_->read_some()), "(weft::ConnectionReset)");
  connect();
  auto line = stream_->read_line();
  peer_->deliver("half");
  peer_->break_with(Failure(ConnectionReset("gone")));
  EXPECT_EQ(shown(std::move(line)), "(weft::ConnectionReset)");
  EXPECT_EQ(shown(stream_->read_some()), "half");
  EXPECT_NE(stream_->loss(), nullptr);
}

TEST_F(StreamTest, FailsWhoReadsWhenThisSideCloses) {
  auto line = stream_->read_line();
  auto closed = stream_->close();
  peer_->settle();
  EXPECT_EQ(shown(std::move(line)), "(weft::ConnectionDone)");
  success_result_of(std::move(closed));
}

// ---- holding the peer back

TEST_F(StreamTest, HoldsThePeerBackWhileMoreIsKeptThanAllowedAndNotBefore) {
  connect(100);
  peer_->deliver(std::string(100, 'a'));
  EXPECT_EQ(stream_->available(), 100U);
  peer_->deliver("b");
  EXPECT_EQ(stream_->available(), 101U);
  peer_->deliver("cccc");
  peer_->deliver_end();
  EXPECT_EQ(stream_->available(), 101U);
  // It is let go at a quarter, not before.
  EXPECT_EQ(shown(stream_->read_exactly(75)), std::string(75, 'a'));
  peer_->settle();
  EXPECT_EQ(stream_->available(), 26U);
  EXPECT_EQ(shown(stream_->read_exactly(1)), "a");
  peer_->settle();
  EXPECT_EQ(stream_->available(), 29U);
  EXPECT_EQ(shown(stream_->read_all()), std::string(24, 'a') + "bcccc");
}

TEST_F(StreamTest, LetsARequestOfMoreThanItKeepsThrough) {
  connect(100);
  peer_->deliver(std::string(150, 'a'));
  peer_->deliver(std::string(400, 'b'));
  EXPECT_EQ(stream_->available(), 150U);
  auto large = stream_->read_exactly(500);
  peer_->settle();
  EXPECT_EQ(shown(std::move(large)), std::string(150, 'a') + std::string(350, 'b'));
  EXPECT_EQ(stream_->available(), 50U);
}

TEST_F(StreamTest, HoldsThePeerBackAgainBehindARequestThatWasCancelled) {
  connect(100);
  auto large = stream_->read_exactly(500);
  peer_->deliver(std::string(300, 'a'));
  large.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(large)));
  peer_->deliver("one more piece");
  EXPECT_EQ(stream_->available(), 300U);
}

// ---- writing

TEST_F(StreamTest, IsReadyForMoreAtOnceBelowTheMark) {
  success_result_of(stream_->write("abc"));
  success_result_of(stream_->write(Bytes(BytesView("def"))));
  success_result_of(stream_->drain());
  EXPECT_EQ(peer_->value(), "abcdef");
}

TEST_F(StreamTest, WaitsWhileThePeerTakesNothingAndGoesOnAtTheLowMark) {
  stream_->set_write_buffer_limits(100, 10);
  peer_->set_blocked(true);
  success_result_of(stream_->write(std::string(100, 'a')));
  auto one = stream_->write("b");
  auto two = stream_->write("c");
  auto drained = stream_->drain();
  auto cancelled = stream_->drain();
  cancelled.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(cancelled)));
  peer_->settle();
  peer_->take(91);
  EXPECT_TRUE(has_no_result(one));
  peer_->take(1);
  success_result_of(std::move(one));
  success_result_of(std::move(two));
  success_result_of(std::move(drained));
  success_result_of(stream_->write("d"));
}

TEST_F(StreamTest, WaitsForABurstOfOneTurnToGoOut) {
  Deferred<void> burst = succeed();
  peer_->manual_clock().turn().enter_logged("test", [&] {
    for (int i = 0; i < 10; ++i)
      success_result_of(stream_->write(std::string(6'000, 'x')));
    burst = stream_->write(std::string(10'000, 'y'));
    EXPECT_TRUE(has_no_result(burst));
  });
  peer_->settle();
  success_result_of(std::move(burst));
  EXPECT_EQ(peer_->value().size(), 70'000U);
}

TEST_F(StreamTest, FailsWhoWritesToAConnectionThatIsLostOrClosed) {
  peer_->set_blocked(true);
  auto waiting = stream_->write(std::string(100'000, 'x'));
  peer_->settle();
  peer_->break_with(Failure(ConnectionReset("gone")));
  static_cast<void>(failure_result_of<ConnectionReset>(std::move(waiting)));
  static_cast<void>(failure_result_of<ConnectionReset>(stream_->write("x")));
  static_cast<void>(failure_result_of<ConnectionReset>(stream_->drain()));
  connect();
  auto closed = stream_->close();
  static_cast<void>(failure_result_of<ConnectionDone>(stream_->write("x")));
  peer_->settle();
  success_result_of(std::move(closed));
}

TEST_F(StreamTest, GoesOnReadingWhenItsOwnDirectionIsEnded) {
  success_result_of(stream_->write("question"));
  stream_->lose_write_connection();
  peer_->settle();
  EXPECT_TRUE(peer_->ended_writing());
  static_cast<void>(failure_result_of<ConnectionDone>(stream_->write("x")));
  auto answer = stream_->read_all();
  peer_->deliver("answer");
  peer_->deliver_end();
  EXPECT_EQ(shown(std::move(answer)), "answer");
}

TEST_F(StreamTest, FailsWhoWaitsToWriteWhenItsOwnDirectionIsEnded) {
  peer_->set_blocked(true);
  auto waiting = stream_->write(std::string(100'000, 'x'));
  peer_->settle();
  EXPECT_TRUE(has_no_result(waiting));
  stream_->lose_write_connection();
  static_cast<void>(failure_result_of<ConnectionDone>(std::move(waiting)));
  static_cast<void>(failure_result_of<ConnectionDone>(stream_->drain()));
  EXPECT_EQ(peer_->write_buffer_size(), 100'000U);
}

TEST_F(StreamTest, FailsWhoWaitsToWriteWhenThisSideCloses) {
  peer_->set_blocked(true);
  auto waiting = stream_->write(std::string(100'000, 'x'));
  static_cast<void>(stream_->drain());
  auto closed = stream_->close();
  static_cast<void>(failure_result_of<ConnectionDone>(std::move(waiting)));
  static_cast<void>(failure_result_of<ConnectionDone>(stream_->drain()));
  peer_->settle();
  EXPECT_TRUE(has_no_result(closed));
  peer_->take(100'000);
  success_result_of(std::move(closed));
  EXPECT_TRUE(log_.lines().empty());
}

// ---- closing

TEST_F(StreamTest, ClosesWhenEverythingHasGoneOut) {
  peer_->set_blocked(true);
  success_result_of(stream_->write("last words"));
  auto closed = stream_->close();
  auto again = stream_->close();
  peer_->settle();
  EXPECT_TRUE(has_no_result(closed));
  peer_->take(100);
  success_result_of(std::move(closed));
  success_result_of(std::move(again));
  success_result_of(stream_->close());
  EXPECT_EQ(peer_->value(), "last words");
}

TEST_F(StreamTest, TellsWhoClosesThatWhatWasWrittenDidNotArrive) {
  peer_->set_blocked(true);
  success_result_of(stream_->write("last words"));
  auto closed = stream_->close();
  peer_->settle();
  peer_->break_with(Failure(ConnectionReset("gone")));
  static_cast<void>(failure_result_of<ConnectionReset>(std::move(closed)));
}

TEST_F(StreamTest, AbortsAtOnce) {
  auto line = stream_->read_line();
  stream_->abort();
  peer_->settle();
  EXPECT_TRUE(peer_->aborted());
  static_cast<void>(failure_result_of<ConnectionAborted>(std::move(line)));
}

TEST_F(StreamTest, KeepsLittleMemoryForAConnectionThatIsIdle) {
  peer_->deliver(std::string(60'000, 'x') + "\nab\n");
  EXPECT_EQ(shown(stream_->read_line(60'000)).size(), 60'000U);
  EXPECT_EQ(shown(stream_->read_line()), "ab");
  auto kept = stream_->take_undelivered();
  EXPECT_LE(kept.capacity(), 2'048U);
}

TEST(Streams, TalkToAProtocolOfCallbacksThroughAPump) {
  const auto client = std::make_shared<Stream>();
  testing::IoPump pump(client, std::make_shared<Echo>(), testing::Delivery::random_pieces(3), 512);
  const std::string text(20'000, 'e');
  auto written = client->write(text);
  auto back = client->read_exactly(text.size());
  pump.flush();
  success_result_of(std::move(written));
  EXPECT_EQ(success_result_of(std::move(back)), text);
  auto closed = client->close();
  pump.flush();
  success_result_of(std::move(closed));
}

}  // namespace
}  // namespace weft
