#include "fixed_length_receiver.hpp"

#include "../framework/error.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/string_transport.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace weft {
namespace {

// A digit says how long the body is.
class Records final : public FixedLengthReceiver {
 public:
  void connection_made() override { expect_header(); }

  std::string heard;
  bool pauses = false;

 private:
  void expect_header() {
    expect(1, [this](BytesView header) {
      const auto size = static_cast<std::size_t>(header.text()[0] - '0');
      if (size == 0) return;
      expect(size, [this](BytesView body) {
        heard += "<" + std::string(body.text()) + ">";
        if (pauses) pause_producing();
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
  records->pauses = true;
  const auto transport = testing::connect(records);
  transport->deliver("1a1b");
  EXPECT_EQ(records->heard, "<a>");
  records->resume_producing();
  transport->settle();
  EXPECT_EQ(records->heard, "<a><b>");
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
