#include "line_receiver.hpp"

#include "../testing/log_capture.hpp"
#include "../testing/string_transport.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

class Lines final : public LineReceiver {
 public:
  using LineReceiver::LineReceiver;
  void line_received(std::string_view line) override {
    heard.push_back("<" + std::string(line) + ">");
    if (on_line) on_line(std::string(line));
  }
  void raw_data_received(BytesView data) override {
    if (on_raw) return on_raw(data);
    heard.push_back("raw:" + std::string(data.text()));
  }
  void connection_lost(const Failure& failure) override { reason = failure; }
  [[nodiscard]] Transport& way() const { return transport(); }

  std::vector<std::string> heard;
  std::function<void(const std::string&)> on_line;
  std::function<void(BytesView)> on_raw;
  std::optional<Failure> reason;
};

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const auto& part : parts)
    all += part;
  return all;
}

// What is heard of `input` when it comes in pieces of `size`.
std::string heard_in_pieces(const std::string& input, std::size_t size,
                            const std::function<void(Lines&)>& prepare = nullptr,
                            std::string delimiter = "") {
  auto lines = std::make_shared<Lines>(100, std::move(delimiter));
  if (prepare) prepare(*lines);
  const auto transport = testing::connect(lines);
  for (std::size_t from = 0; from < input.size(); from += size) {
    transport->deliver(input.substr(from, size));
  }
  return joined(lines->heard);
}

TEST(LineReceiver, CutsTheSameLinesHoweverTheBytesCome) {
  const std::string input = "one\r\ntwo\n\r\n\rthree\r\r\nfour";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    EXPECT_EQ(heard_in_pieces(input, size), "<one><two><><\rthree\r>") << size;
  }
}

TEST(LineReceiver, TakesADelimiterOfItsOwn) {
  const std::string input = "a\r\nb--c---d--";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    EXPECT_EQ(heard_in_pieces(input, size, nullptr, "--"), "<a\r\nb><c><-d>") << size;
  }
}

TEST(LineReceiver, SwitchesToRawAndBackInsideAChunk) {
  const std::string input = "length 5\r\n12345next\r\n";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    std::string body;
    const auto heard = heard_in_pieces(input, size, [&body](Lines& lines) {
      lines.on_line = [&lines](const std::string& line) {
        if (line == "length 5") lines.set_raw_mode();
      };
      lines.on_raw = [&lines, &body](BytesView data) {
        const auto wanted = 5 - body.size();
        body += data.first(wanted).text();
        if (body.size() == 5) lines.set_line_mode(data.from(wanted));
      };
    });
    EXPECT_EQ(heard, "<length 5><next>") << size;
    EXPECT_EQ(body, "12345") << size;
  }
}

TEST(LineReceiver, TakesALineOfExactlyTheLimit) {
  for (const char* const ending : {"\n", "\r\n"}) {
    auto lines = std::make_shared<Lines>(4);
    const auto transport = testing::connect(lines);
    transport->deliver("1234" + std::string(ending));
    EXPECT_EQ(joined(lines->heard), "<1234>");
    EXPECT_FALSE(transport->closing());
  }
}

TEST(LineReceiver, RefusesALineOneBytePastTheLimitBeforeItsEndArrives) {
  const testing::LogCapture log;
  auto lines = std::make_shared<Lines>(4);
  const auto transport = testing::connect(lines);
  transport->deliver("1234\r");
  EXPECT_FALSE(transport->closing());
  transport->deliver("5");
  EXPECT_TRUE(transport->aborted());
  ASSERT_TRUE(lines->reason);
  EXPECT_NE(lines->reason->check<LineTooLong>(), nullptr);
  EXPECT_TRUE(lines->heard.empty());
}

TEST(LineReceiver, RefusesALineOneBytePastTheLimitThatCameWhole) {
  const testing::LogCapture log;
  auto lines = std::make_shared<Lines>(4);
  const auto transport = testing::connect(lines);
  transport->deliver("12345\r\n");
  EXPECT_TRUE(transport->aborted());
}

TEST(LineReceiver, DeliversNothingAfterItWasAskedToClose) {
  auto lines = std::make_shared<Lines>();
  lines->on_line = [raw = lines.get()](const std::string& line) {
    if (line == "quit") raw->way().lose_connection();
  };
  const auto transport = testing::connect(lines);
  transport->deliver("a\r\nquit\r\nb\r\n");
  EXPECT_EQ(joined(lines->heard), "<a><quit>");
}

TEST(LineReceiver, HoldsTheLinesOfTheSameChunkWhilePaused) {
  auto lines = std::make_shared<Lines>();
  lines->on_line = [raw = lines.get()](const std::string&) { raw->pause_producing(); };
  const auto transport = testing::connect(lines);
  transport->deliver("a\r\nb\r\nc");
  EXPECT_EQ(joined(lines->heard), "<a>");
  transport->deliver("\r\nd\r\n");
  EXPECT_EQ(joined(lines->heard), "<a>");
  for (const char* const expected : {"<a><b>", "<a><b><c>", "<a><b><c><d>"}) {
    lines->resume_producing();
    transport->settle();
    EXPECT_EQ(joined(lines->heard), expected);
  }
}

TEST(LineReceiver, LosesTheConnectionWhenALineThrowsAfterAResume) {
  const testing::LogCapture log;
  auto lines = std::make_shared<Lines>();
  lines->on_line = [raw = lines.get()](const std::string& line) {
    if (line == "b") throw std::runtime_error("in line_received");
    raw->pause_producing();
  };
  const auto transport = testing::connect(lines);
  transport->deliver("a\r\nb\r\n");
  lines->resume_producing();
  transport->settle();
  EXPECT_TRUE(transport->aborted());
  EXPECT_TRUE(log.contains("in line_received"));
  ASSERT_TRUE(lines->reason);
  EXPECT_NE(lines->reason->check<std::runtime_error>(), nullptr);
  EXPECT_EQ(lines->reason->check<ConnectionAborted>(), nullptr);
}

TEST(LineReceiver, HearsItsHeldLinesBeforeTheEndThatTheTransportHolds) {
  auto lines = std::make_shared<Lines>();
  lines->on_line = [raw = lines.get()](const std::string& line) {
    if (line == "a") raw->pause_producing();
  };
  const auto transport = testing::connect(lines);
  transport->deliver("a\r\nb\r\n");
  transport->deliver("c\r\n");
  transport->deliver_end();
  EXPECT_EQ(joined(lines->heard), "<a>");
  lines->resume_producing();
  transport->settle();
  EXPECT_EQ(joined(lines->heard), "<a><b><c>");
  ASSERT_TRUE(lines->reason);
  EXPECT_NE(lines->reason->check<ConnectionDone>(), nullptr);
}

// Whatever the cut and wherever it pauses, every line comes once and in order.
TEST(LineReceiver, LosesNothingWhenItPausesInEveryCallback) {
  const std::string input = "one\r\ntwo\r\n\r\nthree\r\n";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    auto lines = std::make_shared<Lines>();
    lines->on_line = [raw = lines.get()](const std::string&) { raw->pause_producing(); };
    const auto transport = testing::connect(lines);
    for (std::size_t from = 0; from < input.size(); from += size) {
      transport->deliver(input.substr(from, size));
    }
    transport->deliver_end();
    for (int line = 0; line < 4; ++line) {
      EXPECT_FALSE(lines->reason) << size;
      lines->resume_producing();
      transport->settle();
    }
    EXPECT_EQ(joined(lines->heard), "<one><two><><three>") << size;
    EXPECT_TRUE(lines->reason) << size;
  }
}

TEST(LineReceiver, HearsNothingAfterTheLineThatThrewHoweverTheBytesCome) {
  const std::string input = "one\r\ntwo\r\nthree\r\n";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    const testing::LogCapture log;
    auto lines = std::make_shared<Lines>();
    lines->on_line = [](const std::string& line) {
      if (line == "two") throw std::runtime_error("no twos");
    };
    const auto transport = testing::connect(lines);
    for (std::size_t from = 0; from < input.size(); from += size) {
      transport->deliver(input.substr(from, size));
    }
    EXPECT_EQ(joined(lines->heard), "<one><two>") << size;
    ASSERT_TRUE(lines->reason) << size;
    EXPECT_NE(lines->reason->check<std::runtime_error>(), nullptr) << size;
  }
}

TEST(LineReceiver, SendsLinesInOnePiece) {
  auto lines = std::make_shared<Lines>();
  lines->on_line = [raw = lines.get()](const std::string& line) { raw->send_line(line); };
  const auto transport = testing::connect(lines);
  transport->deliver("a\nb\nc\n");
  EXPECT_EQ(transport->flushes(), std::vector<std::string>{"a\r\nb\r\nc\r\n"});
}

}  // namespace
}  // namespace weft
