#include "line_receiver.hpp"

#include "../framework/context.hpp"
#include "../framework/protocol_wrapper.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/string_transport.hpp"
#include "deeds_test.hpp"

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

TEST(LineReceiver, GoesOnBehindALineTooLongWhereTheTestCatchesTheError) {
  const auto lines = std::make_shared<Lines>(10);
  const auto transport = testing::connect(lines);
  EXPECT_THROW(lines->data_received(std::string(5'000, 'x')), LineTooLong);
  lines->data_received("rest\nab\n");
  EXPECT_EQ(joined(lines->heard), "<ab>");
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

// Answers a line that is too long instead of losing the connection.
class Patient final : public LineReceiver {
 public:
  explicit Patient(std::string delimiter = "") : LineReceiver(4, std::move(delimiter)) {}
  void line_received(std::string_view line) override { heard += "<" + std::string(line) + ">"; }
  void line_length_exceeded(BytesView) override {
    heard += "!";
    if (on_exceeded) on_exceeded();
  }
  void raw_data_received(BytesView data) override { heard += data.text(); }

  std::string heard;
  std::function<void()> on_exceeded;
};

TEST(LineReceiver, SkipsTheRestOfALineThatWasExcusedHoweverTheBytesCome) {
  for (const std::string delimiter : {"", "\n", "ab"}) {
    const std::string end = delimiter.empty() ? "\r\n" : delimiter;
    const auto input = "1234" + end + std::string(50, '-') + end + "12345" + end + end + "c" + end;
    for (std::size_t size = 1; size <= input.size(); ++size) {
      auto patient = std::make_shared<Patient>(delimiter);
      const auto transport = testing::connect(patient);
      for (std::size_t from = 0; from < input.size(); from += size) {
        transport->deliver(input.substr(from, size));
      }
      EXPECT_EQ(patient->heard, "<1234>!!<><c>") << size;
    }
  }
}

TEST(LineReceiver, FindsADelimiterThatBeginsInsideTheRestItSkips) {
  const std::string input = "123456789-x--ab--";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    auto patient = std::make_shared<Patient>("--");
    const auto transport = testing::connect(patient);
    for (std::size_t from = 0; from < input.size(); from += size) {
      transport->deliver(input.substr(from, size));
    }
    EXPECT_EQ(patient->heard, "!<ab>") << size;
  }
}

TEST(LineReceiver, HearsTheRestOfAnExcusedLineRawWhenItAsksForThat) {
  auto patient = std::make_shared<Patient>();
  patient->on_exceeded = [raw = patient.get()] { raw->set_raw_mode(); };
  const auto transport = testing::connect(patient);
  transport->deliver("123456");
  transport->deliver("78\n");
  EXPECT_EQ(patient->heard, "!78\n");
  patient->set_line_mode();
  transport->deliver("ab\n");
  EXPECT_EQ(patient->heard, "!78\n<ab>");
}

TEST(LineReceiver, HearsLinesAfterTheCallThatGaveThemBackAndBeforeWhatTheTransportHas) {
  auto lines = std::make_shared<Lines>();
  const auto transport = testing::connect(lines);
  lines->set_raw_mode();
  lines->set_line_mode("a\nb");
  EXPECT_TRUE(lines->heard.empty());
  transport->deliver("c\n");
  transport->deliver_end();
  EXPECT_EQ(joined(lines->heard), "<a><bc>");
  EXPECT_TRUE(lines->reason);
}

TEST(LineReceiver, HearsWhatItHoldsRawAfterTheCallThatAskedForIt) {
  auto lines = std::make_shared<Lines>();
  const auto transport = testing::connect(lines);
  transport->deliver("DATA\npart of the body");
  lines->set_raw_mode();
  EXPECT_EQ(joined(lines->heard), "<DATA>");
  transport->deliver("!");
  EXPECT_EQ(lines->heard, (std::vector<std::string>{"<DATA>", "raw:part of the body", "raw:!"}));
}

TEST(LineReceiver, HearsWhatItHoldsRawOnlyOnceItIsNotPaused) {
  auto lines = std::make_shared<Lines>();
  const auto transport = testing::connect(lines);
  transport->deliver("DATA\nbody");
  lines->pause_producing();
  lines->set_raw_mode();
  transport->settle();
  EXPECT_EQ(joined(lines->heard), "<DATA>");
  lines->resume_producing();
  transport->settle();
  EXPECT_EQ(joined(lines->heard), "<DATA>raw:body");
}

// Every deed in every callback, for every cut: what comes before it is heard in order, and what
// comes after it is heard after a pause alone.
TEST(LineReceiver, KeepsItsWordWhateverItsCallbacksDo) {
  const std::string input = "one\r\nraw 3\r\nxyztwo\n\nthree\r\n";
  const std::vector<std::string> whole = {"<one>", "<raw 3>", "xyz", "<two>", "<>", "<three>"};
  for (const Deed deed : {Deed::pause, Deed::lose, Deed::abort, Deed::throws}) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (std::size_t size = 1; size <= input.size(); ++size) {
        const testing::LogCapture log;
        auto lines = std::make_shared<Lines>();
        std::string body;
        std::vector<std::string> heard;
        const auto act = [&, raw = lines.get()](std::string what) {
          heard.push_back(std::move(what));
          if (heard.size() != at + 1) return;
          commit(deed, *raw);
        };
        lines->on_line = [&, raw = lines.get()](const std::string& line) {
          if (line == "raw 3") raw->set_raw_mode();
          act("<" + line + ">");
        };
        lines->on_raw = [&, raw = lines.get()](BytesView data) {
          const auto wanted = 3 - body.size();
          body += data.first(wanted).text();
          if (body.size() < 3) return;
          raw->set_line_mode(data.from(wanted));
          act(body);
        };
        const auto transport = testing::connect(lines);
        for (std::size_t from = 0; from < input.size(); from += size) {
          transport->deliver(input.substr(from, size));
        }
        transport->deliver_end();
        if (deed == Deed::pause) {
          EXPECT_EQ(heard.size(), at + 1);
          EXPECT_FALSE(lines->reason);
          lines->resume_producing();
          transport->settle();
        }
        const auto count = deed == Deed::pause ? whole.size() : at + 1;
        EXPECT_EQ(heard, std::vector<std::string>(
                             whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(count)))
            << size;
        ASSERT_TRUE(lines->reason) << size;
        EXPECT_EQ(lines->reason->check<std::runtime_error>() != nullptr &&
                      lines->reason->check<Error>() == nullptr,
                  deed == Deed::throws);
        EXPECT_EQ(lines->reason->check<ConnectionAborted>() != nullptr, deed == Deed::abort);
      }
    }
  }
}

TEST(LineReceiver, SendsLinesInOnePiece) {
  auto lines = std::make_shared<Lines>();
  lines->on_line = [raw = lines.get()](const std::string& line) { raw->send_line(line); };
  const auto transport = testing::connect(lines);
  transport->deliver("a\nb\nc\n");
  EXPECT_EQ(transport->flushes(), std::vector<std::string>{"a\r\nb\r\nc\r\n"});
}

TEST(LineReceiver, IsChangedByNoWrapperAroundIt) {
  class Quitting final : public LineReceiver {
   public:
    explicit Quitting(std::vector<std::string>& heard) : heard_(heard) {}
    void line_received(std::string_view line) override {
      heard_.emplace_back(line);
      if (line == "quit") transport().lose_connection();
      send_line(line);
    }

   private:
    std::vector<std::string>& heard_;
  };
  const std::string input = "one\r\ntwo\r\nquit\r\nafter\r\n";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    std::vector<std::string> heard;
    const auto transport =
        testing::connect(std::make_shared<ProtocolWrapper>(std::make_shared<Quitting>(heard)));
    for (std::size_t from = 0; from < input.size(); from += size) {
      transport->deliver(input.substr(from, size));
    }
    EXPECT_EQ(heard, (std::vector<std::string>{"one", "two", "quit"})) << size;
    EXPECT_EQ(transport->value(), "one\r\ntwo\r\n") << size;
  }
}

// ---- another transport takes the place of the first, as in STARTTLS

// What a transport needs that is put above another.
class Below final : public Protocol {
 public:
  void data_received(BytesView data) override { heard += data.text(); }
  std::string heard;
};

TEST(LineReceiver, DeliversNoLineBehindTheOneThatChangedTheTransport) {
  for (const bool paused_before : {false, true}) {
    const auto lines = std::make_shared<Lines>();
    const auto first = testing::connect(lines);
    const auto second = std::make_shared<testing::StringTransport>();
    const auto below = std::make_shared<Below>();
    lines->on_line = [&](const std::string& line) {
      if (paused_before) lines->pause_producing();
      if (line != "STARTTLS") return;
      auto use = first->give_up_use();
      use->protocol = first->exchange_protocol(below);
      second->adopt(std::move(*use));
    };
    first->deliver("STARTTLS\r\ninjected\r\nhalf a li");
    if (paused_before) lines->resume_producing();
    first->settle();
    second->settle();
    EXPECT_EQ(joined(lines->heard), "<STARTTLS>");
    EXPECT_EQ(lines->take_undelivered(), "injected\r\nhalf a li");
    lines->on_line = nullptr;
    second->deliver("secret\r\n");
    EXPECT_EQ(joined(lines->heard), "<STARTTLS><secret>");
    first->deliver("for TLS");
    EXPECT_EQ(below->heard, "for TLS");
    EXPECT_EQ(&lines->way(), second.get());
    second->abort_connection();
    second->settle();
    first->abort_connection();
    first->settle();
  }
}

const ContextVar<std::string> session_of_lines("session", std::string("nobody"));

TEST(LineReceiver, DeliversLinesThatWereHeldInTheContextOfTheConnection) {
  const auto held = std::make_shared<Lines>(100);
  std::vector<std::string> seen;
  held->on_line = [&](std::string_view own) {
    seen.push_back(session_of_lines.get());
    session_of_lines.set(std::string(own));
    if (own == "one") held->pause_producing();
  };
  const auto transport = testing::connect(held);
  transport->deliver("one\ntwo\nthree\n");
  Context().run([&] {
    session_of_lines.set("whoever resumed");
    held->resume_producing();
  });
  transport->settle();
  transport->deliver("four\n");
  EXPECT_EQ(seen, (std::vector<std::string>{"nobody", "one", "two", "three"}));
}

}  // namespace
}  // namespace weft
