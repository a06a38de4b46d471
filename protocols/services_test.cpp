#include "services.hpp"

#include "../framework/error.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/io_pump.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/string_transport.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace weft {
namespace {

// RFC 868 gives this one: 00:00 1 Jan 1980 UTC is 2,524,521,600.
std::chrono::system_clock::time_point in_1980() {
  return std::chrono::sys_days(std::chrono::year(1980) / 1 / 1);
}

TEST(Echo, SendsBackWhatItReceivesAndEndsWithThePeer) {
  const auto transport = testing::connect(std::make_shared<Echo>());
  transport->deliver("one");
  transport->deliver("two");
  EXPECT_EQ(transport->value(), "onetwo");
  transport->deliver_end();
  EXPECT_TRUE(transport->closing());
}

TEST(Echo, ReadsNoMoreWhileThePeerTakesNothing) {
  const auto transport = testing::connect(std::make_shared<Echo>());
  transport->set_write_buffer_limits(3, 1);
  transport->set_blocked(true);
  transport->deliver("1234");
  transport->deliver("5678");
  EXPECT_EQ(transport->write_buffer_size(), 4U);
  transport->set_blocked(false);
  EXPECT_EQ(transport->value(), "12345678");
}

TEST(Echo, SendsAllBackToAPeerThatEndsBeforeItReads) {
  const std::string much(1'000'000, 'x');
  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    const auto client = std::make_shared<testing::AccumulatingProtocol>();
    client->on_made = [&much](testing::AccumulatingProtocol& self) {
      self.way().pause_producing();
      self.way().write(much);
      self.way().lose_write_connection();
    };
    client->on_eof = [](testing::AccumulatingProtocol&) {};
    testing::IoPump pump(client, std::make_shared<Echo>(), testing::Delivery::random_pieces(seed));
    pump.flush();
    EXPECT_LT(pump.server().write_buffer_size(), 500'000U);
    client->way().resume_producing();
    pump.flush();
    EXPECT_EQ(client->data.size(), much.size());
    EXPECT_TRUE(client->lost_with<ConnectionDone>());
  }
}

TEST(Discard, SaysNothing) {
  const auto transport = testing::connect(std::make_shared<Discard>());
  transport->deliver("anything");
  EXPECT_EQ(transport->value(), "");
  EXPECT_FALSE(transport->closing());
}

TEST(Chargen, SendsOneBlockOfRotatingLinesEachTimeThePeerTakesOne) {
  const auto chargen = std::make_shared<Chargen>();
  const auto transport = std::make_shared<testing::StringTransport>();
  transport->set_blocked(true);
  transport->establish(chargen);
  transport->settle();
  constexpr std::size_t block = 95 * 74;
  EXPECT_EQ(transport->write_buffer_size(), block);
  transport->take(block);
  EXPECT_EQ(transport->write_buffer_size(), block);
  const auto text = transport->value();
  ASSERT_EQ(text.size(), block);
  EXPECT_EQ(text.substr(0, 4), " !\"#");
  EXPECT_EQ(text.substr(72, 5), "\r\n!\"#");
  EXPECT_EQ(text.substr(94 * 74, 4), "~ !\"");
  transport->abort_connection();
  transport->settle();
}

TEST(Chargen, EndsWhenThePeerHasEnded) {
  const auto transport = std::make_shared<testing::StringTransport>();
  transport->set_blocked(true);
  transport->establish(std::make_shared<Chargen>());
  transport->settle();
  transport->deliver_end();
  EXPECT_TRUE(transport->closing());
  transport->set_blocked(false);
  EXPECT_FALSE(transport->connected());
  EXPECT_FALSE(transport->aborted());
}

TEST(Daytime, SaysDateAndTimeAndCloses) {
  const auto transport = testing::connect(std::make_shared<Daytime>(
      [] { return in_1980() + std::chrono::hours(9) + std::chrono::milliseconds(5999); }));
  EXPECT_EQ(transport->value(), "1980-01-01 09:00:05 UTC\r\n");
  EXPECT_FALSE(transport->connected());
  EXPECT_FALSE(transport->aborted());
}

TEST(Time, SaysTheSecondsSince1900AndCloses) {
  const auto transport = testing::connect(std::make_shared<Time>(in_1980));
  EXPECT_EQ(transport->value(), std::string("\x96\x79\x24\x80", 4));
  EXPECT_FALSE(transport->connected());
}

TEST(QuoteOfTheDay, SaysTheQuoteAndCloses) {
  const auto transport =
      testing::connect(std::make_shared<QuoteOfTheDay>([] { return "Less is more.\r\n"; }));
  EXPECT_EQ(transport->value(), "Less is more.\r\n");
  EXPECT_FALSE(transport->connected());
}

TEST(QuoteOfTheDay, AbortsTheConnectionWhenItHasNoQuote) {
  const testing::LogCapture log;
  const auto transport = testing::connect(std::make_shared<QuoteOfTheDay>(
      []() -> std::string { throw std::runtime_error("out of quotes"); }));
  EXPECT_EQ(transport->value(), "");
  EXPECT_TRUE(transport->aborted());
  EXPECT_TRUE(log.contains("out of quotes"));
}

}  // namespace
}  // namespace weft
