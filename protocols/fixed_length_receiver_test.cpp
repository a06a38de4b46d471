#include "fixed_length_receiver.hpp"

#include "../framework/error.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/string_transport.hpp"
#include "deeds_test.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace weft {
namespace {

// A digit says how long the body is.
class Records final : public FixedLengthReceiver {
 public:
  void connection_made() override { expect_header(); }

  void eof_received() override { heard += "end"; }
  void connection_lost(const Failure& failure) override { reason = failure; }
  [[nodiscard]] Transport& way() const { return transport(); }

  std::string heard;
  std::function<void()> on_body;
  std::optional<Failure> reason;

 private:
  void expect_header() {
    expect(1, [this](BytesView header) {
      const auto size = static_cast<std::size_t>(header.text()[0] - '0');
      if (size == 0) return;
      expect(size, [this](BytesView body) {
        heard += "<" + std::string(body.text()) + ">";
        if (on_body) on_body();
        expect_header();
      });
    });
  }
};

class Unprepared final : public FixedLengthReceiver {};

TEST(FixedLengthReceiver, HandsOnWhatIsExpectedHoweverTheBytesCome) {
  const std::string input = "3abc001x5";
  for (std::size_t size = 1; size <= input.size(); ++size) {
    auto records = std::make_shared<Records>();
    const auto transport = testing::connect(records);
    for (std::size_t from = 0; from < input.size(); from += size) {
      transport->deliver(input.substr(from, size));
    }
    EXPECT_EQ(records->heard, "<abc><x>") << size;
  }
}

TEST(FixedLengthReceiver, HoldsTheRestOfTheChunkWhilePaused) {
  auto records = std::make_shared<Records>();
  records->on_body = [raw = records.get()] { raw->pause_producing(); };
  const auto transport = testing::connect(records);
  transport->deliver("1a1b");
  EXPECT_EQ(records->heard, "<a>");
  records->resume_producing();
  transport->settle();
  EXPECT_EQ(records->heard, "<a><b>");
}

void check_deed(Deed deed, std::size_t size) {
  const testing::LogCapture log;
  const std::string input = "3abc1x02de";
  auto records = std::make_shared<Records>();
  records->on_body = [deed, raw = records.get()] {
    if (raw->heard != "<abc><x>") return;
    commit(deed, *raw);
  };
  const auto transport = testing::connect(records);
  for (std::size_t from = 0; from < input.size(); from += size) {
    transport->deliver(input.substr(from, size));
  }
  transport->deliver_end();
  EXPECT_EQ(records->heard, "<abc><x>") << size;
  if (deed == Deed::pause) {
    records->resume_producing();
    transport->settle();
    EXPECT_EQ(records->heard, "<abc><x><de>end") << size;
    return;
  }
  ASSERT_TRUE(records->reason);
  EXPECT_EQ(records->reason->check<Error>() == nullptr, deed == Deed::throws);
  EXPECT_EQ(records->reason->check<ConnectionDone>() != nullptr, deed == Deed::lose);
}

TEST(FixedLengthReceiver, KeepsItsWordWhateverItsStepsDo) {
  for (const Deed deed : {Deed::pause, Deed::lose, Deed::abort, Deed::throws}) {
    for (std::size_t size = 1; size <= 10; ++size) {
      check_deed(deed, size);
    }
  }
}

TEST(FixedLengthReceiver, LosesTheConnectionWithWhatAStepThrowsAfterAResume) {
  const testing::LogCapture log;
  auto records = std::make_shared<Records>();
  records->on_body = [raw = records.get()] {
    if (raw->heard == "<a><b>") throw std::runtime_error("in a step");
    raw->pause_producing();
  };
  const auto transport = testing::connect(records);
  transport->deliver("1a1b");
  records->resume_producing();
  transport->settle();
  ASSERT_TRUE(records->reason);
  EXPECT_NE(records->reason->check<std::runtime_error>(), nullptr);
  EXPECT_EQ(records->reason->check<Error>(), nullptr);
}

TEST(FixedLengthReceiver, RefusesToExpectNothing) {
  Unprepared receiver;
  EXPECT_THROW(receiver.expect(0, [](BytesView) {}), InvalidArgument);
  EXPECT_THROW(receiver.expect(1, nullptr), InvalidArgument);
}

TEST(FixedLengthReceiver, AbortsWhenBytesComeBeforeAnythingIsExpected) {
  const testing::LogCapture log;
  const auto transport = testing::connect(std::make_shared<Unprepared>());
  transport->deliver("a");
  EXPECT_TRUE(transport->aborted());
}

}  // namespace
}  // namespace weft
