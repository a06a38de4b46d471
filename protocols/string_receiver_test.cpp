#include "string_receiver.hpp"

#include "../framework/context.hpp"
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
#include <vector>

namespace weft {
namespace {

template <class Receiver>
class Strings final : public Receiver {
 public:
  using Receiver::Receiver;
  void string_received(BytesView string) override {
    heard += "<" + std::string(string.text()) + ">";
    if (on_string) on_string(string.text());
  }
  void eof_received() override { heard += "end"; }
  void connection_lost(const Failure& failure) override { reason = failure; }
  [[nodiscard]] Transport& way() const { return this->transport(); }

  std::string heard;
  std::function<void(std::string_view)> on_string;
  std::optional<Failure> reason;
};

template <class Receiver>
std::string wire(const std::string& string) {
  auto sender = std::make_shared<Strings<Receiver>>();
  const auto transport = testing::connect(sender);
  transport->clear();
  sender->send_string(string);
  transport->settle();
  return transport->value();
}

template <class Receiver>
class StringReceiverOf : public ::testing::Test {};

using Receivers = ::testing::Types<Int8StringReceiver, Int16StringReceiver, Int32StringReceiver,
                                   NetstringReceiver>;
TYPED_TEST_SUITE(StringReceiverOf, Receivers);

TYPED_TEST(StringReceiverOf, HearsWhatItSendsHoweverTheBytesCome) {
  std::string nul("b\0:,", 4);
  const auto input = wire<TypeParam>("one") + wire<TypeParam>("") + wire<TypeParam>(nul) +
                     wire<TypeParam>(std::string(200, 'x'));
  for (std::size_t size = 1; size <= input.size(); ++size) {
    auto strings = std::make_shared<Strings<TypeParam>>();
    const auto transport = testing::connect(strings);
    for (std::size_t from = 0; from < input.size(); from += size) {
      transport->deliver(input.substr(from, size));
    }
    EXPECT_EQ(strings->heard, "<one><><" + nul + "><" + std::string(200, 'x') + ">") << size;
  }
}

TYPED_TEST(StringReceiverOf, TakesExactlyTheLimitAndRefusesOneMoreBeforeItComes) {
  const testing::LogCapture log;
  auto strings = std::make_shared<Strings<TypeParam>>(4);
  const auto transport = testing::connect(strings);
  transport->deliver(wire<TypeParam>("1234"));
  EXPECT_EQ(strings->heard, "<1234>");
  EXPECT_FALSE(transport->closing());
  const auto longer = wire<TypeParam>("12345");
  for (const char byte : longer.substr(0, longer.find('1'))) {
    transport->deliver(std::string(1, byte));
  }
  EXPECT_TRUE(transport->aborted());
  ASSERT_TRUE(strings->reason);
  EXPECT_NE(strings->reason->template check<FrameTooLong>(), nullptr);
}

TYPED_TEST(StringReceiverOf, HoldsTheStringsOfTheSameChunkAndTheEndWhilePaused) {
  auto strings = std::make_shared<Strings<TypeParam>>();
  strings->on_string = [raw = strings.get()](std::string_view) { raw->pause_producing(); };
  const auto transport = testing::connect(strings);
  transport->deliver(wire<TypeParam>("a") + wire<TypeParam>("b"));
  transport->deliver_end();
  EXPECT_EQ(strings->heard, "<a>");
  strings->resume_producing();
  EXPECT_EQ(strings->heard, "<a>");
  transport->settle();
  EXPECT_EQ(strings->heard, "<a><b>");
  strings->resume_producing();
  transport->settle();
  EXPECT_EQ(strings->heard, "<a><b>end");
}

TYPED_TEST(StringReceiverOf, DeliversNothingAfterItWasAskedToCloseOrAbort) {
  for (const bool abort : {false, true}) {
    auto strings = std::make_shared<Strings<TypeParam>>();
    strings->on_string = [raw = strings.get(), abort](std::string_view) {
      abort ? raw->way().abort_connection() : raw->way().lose_connection();
    };
    const auto transport = testing::connect(strings);
    transport->deliver(wire<TypeParam>("a") + wire<TypeParam>("b"));
    EXPECT_EQ(strings->heard, "<a>");
  }
}

TYPED_TEST(StringReceiverOf, LosesTheConnectionWhenACallbackThrowsAfterAResume) {
  const testing::LogCapture log;
  auto strings = std::make_shared<Strings<TypeParam>>();
  strings->on_string = [raw = strings.get()](std::string_view string) {
    if (string == "b") throw std::runtime_error("in string_received");
    raw->pause_producing();
  };
  const auto transport = testing::connect(strings);
  transport->deliver(wire<TypeParam>("a") + wire<TypeParam>("b"));
  strings->resume_producing();
  transport->settle();
  EXPECT_TRUE(transport->aborted());
  EXPECT_TRUE(log.contains("in string_received"));
  ASSERT_TRUE(strings->reason);
  EXPECT_NE(strings->reason->template check<std::runtime_error>(), nullptr);
  EXPECT_EQ(strings->reason->template check<Error>(), nullptr);
}

// What is heard of `strings` in pieces of `size`, when the callback of string `at` does the deed;
// after a pause, reading goes on.
template <class Receiver>
void check_deed(Deed deed, const std::vector<std::string>& strings, std::size_t at,
                std::size_t size) {
  const testing::LogCapture log;
  auto receiver = std::make_shared<Strings<Receiver>>();
  std::size_t count = 0;
  receiver->on_string = [&, raw = receiver.get()](std::string_view) {
    if (count++ != at) return;
    commit(deed, *raw);
  };
  std::string input;
  std::string before;
  std::string whole;
  for (std::size_t i = 0; i < strings.size(); ++i) {
    input += wire<Receiver>(strings[i]);
    whole += "<" + strings[i] + ">";
    if (i == at) before = whole;
  }
  const auto transport = testing::connect(receiver);
  for (std::size_t from = 0; from < input.size(); from += size) {
    transport->deliver(input.substr(from, size));
  }
  transport->deliver_end();
  EXPECT_EQ(receiver->heard, before) << "in pieces of " << size;
  if (deed == Deed::pause) {
    receiver->resume_producing();
    transport->settle();
    EXPECT_EQ(receiver->heard, whole + "end") << "in pieces of " << size;
    return;
  }
  ASSERT_TRUE(receiver->reason);
  EXPECT_EQ(receiver->reason->template check<Error>() == nullptr, deed == Deed::throws);
  EXPECT_EQ(receiver->reason->template check<ConnectionDone>() != nullptr, deed == Deed::lose);
  EXPECT_EQ(receiver->reason->template check<ConnectionAborted>() != nullptr, deed == Deed::abort);
}

TYPED_TEST(StringReceiverOf, KeepsItsWordWhateverItsCallbacksDo) {
  const std::vector<std::string> strings = {"one", "", "3:a,", "four"};
  for (const Deed deed : {Deed::pause, Deed::lose, Deed::abort, Deed::throws}) {
    for (std::size_t at = 0; at < strings.size(); ++at) {
      for (std::size_t size = 1; size <= 40; ++size) {
        check_deed<TypeParam>(deed, strings, at, size);
      }
    }
  }
}

TEST(IntStringReceiver, SendsLengthsInNetworkByteOrder) {
  EXPECT_EQ(wire<Int8StringReceiver>("ab"), std::string("\x02"
                                                        "ab",
                                                        3));
  EXPECT_EQ(wire<Int16StringReceiver>("ab"), std::string("\0\x02"
                                                         "ab",
                                                         4));
  EXPECT_EQ(wire<Int32StringReceiver>("ab"), std::string("\0\0\0\x02"
                                                         "ab",
                                                         6));
}

TEST(IntStringReceiver, RefusesToSendWhatItsLengthCannotSay) {
  EXPECT_EQ(wire<Int8StringReceiver>(std::string(255, 'x')).size(), 256U);
  EXPECT_THROW(wire<Int8StringReceiver>(std::string(256, 'x')), FrameTooLong);
  EXPECT_THROW(wire<Int16StringReceiver>(std::string(65536, 'x')), FrameTooLong);
}

TEST(NetstringReceiver, RefusesWhatIsNoNetstring) {
  for (const char* const input : {"a", ":", "01:a,", "00:,", "1:ab", "-1:a,", " 1:a,", "1;a,"}) {
    const testing::LogCapture log;
    auto strings = std::make_shared<Strings<NetstringReceiver>>();
    const auto transport = testing::connect(strings);
    transport->deliver(input);
    EXPECT_TRUE(transport->aborted()) << input;
    ASSERT_TRUE(strings->reason) << input;
    EXPECT_NE(strings->reason->check<ProtocolError>(), nullptr) << input;
    EXPECT_EQ(strings->heard, "") << input;
  }
}

TEST(NetstringReceiver, RefusesLengthsThatNoIntegerHolds) {
  const testing::LogCapture log;
  auto strings = std::make_shared<Strings<NetstringReceiver>>(SIZE_MAX);
  const auto transport = testing::connect(strings);
  transport->deliver(std::string(30, '9'));
  EXPECT_TRUE(transport->aborted());
  ASSERT_TRUE(strings->reason);
  EXPECT_NE(strings->reason->check<FrameTooLong>(), nullptr);
}

class Excusing final : public Int8StringReceiver {
 public:
  Excusing() : Int8StringReceiver(1) {}
  void string_received(BytesView) override { ++received; }
  void string_length_exceeded(std::size_t size) override { send_string(std::to_string(size)); }
  int received = 0;
};

TEST(StringReceiver, ClosesInOrderAfterAnswerToAStringTooLong) {
  auto excusing = std::make_shared<Excusing>();
  const auto transport = testing::connect(excusing);
  transport->deliver(
      std::string("\x02"
                  "ab"
                  "\x01"
                  "a",
                  5));
  EXPECT_EQ(transport->value(),
            "\x01"
            "2");
  EXPECT_TRUE(transport->closing());
  EXPECT_FALSE(transport->aborted());
  EXPECT_EQ(excusing->received, 0);
}

const ContextVar<std::string> session_of_strings("session", std::string("nobody"));

TEST(StringReceiver, DeliversFramesThatWereHeldInTheContextOfTheConnection) {
  const auto held = std::make_shared<Strings<NetstringReceiver>>(100);
  std::vector<std::string> seen;
  held->on_string = [&](std::string_view own) {
    seen.push_back(session_of_strings.get());
    session_of_strings.set(std::string(own));
    if (own == "one") held->pause_producing();
  };
  const auto transport = testing::connect(held);
  transport->deliver("3:one,3:two,5:three,");
  Context().run([&] {
    session_of_strings.set("whoever resumed");
    held->resume_producing();
  });
  transport->settle();
  transport->deliver("4:four,");
  EXPECT_EQ(seen, (std::vector<std::string>{"nobody", "one", "two", "three"}));
}

}  // namespace
}  // namespace weft
