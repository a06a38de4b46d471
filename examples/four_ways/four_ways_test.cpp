#include "room.hpp"
#include <weft/testing/string_transport.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using weft::testing::StringTransport;

// Answers when the test says so.
class SlowDoorman final : public Doorman {
 public:
  weft::Deferred<std::string> admit(std::string name) override {
    asked.push_back(std::move(name));
    weft::Promise<std::string> promise([this] { ++turned_away; });
    auto answer = promise.deferred();
    answers_.push_back(std::move(promise));
    return answer;
  }
  void likes() { next().callback("welcome, " + asked.back()); }
  void dislikes() { next().errback(weft::Failure(std::runtime_error("not today"))); }

  std::deque<std::string> asked;
  int turned_away = 0;

 private:
  weft::Promise<std::string> next() {
    auto promise = std::move(answers_.front());
    answers_.pop_front();
    return promise;
  }
  std::deque<weft::Promise<std::string>> answers_;
};

struct Way {
  const char* name;
  std::shared_ptr<weft::Factory> (*chat)(Room&);
};

class FourWays : public ::testing::TestWithParam<Way> {
 protected:
  std::shared_ptr<StringTransport> connect() { return weft::testing::connect(*factory_); }
  std::shared_ptr<StringTransport> come_in(const std::string& name) {
    auto member = connect();
    type(member, name + "\n");
    doorman_.likes();
    member->settle();
    return member;
  }
  static void type(const std::shared_ptr<StringTransport>& member, const std::string& text) {
    member->deliver(text);
    member->settle();
  }
  // What it has heard since it was asked last.
  static std::string heard(const std::shared_ptr<StringTransport>& member) {
    member->settle();
    auto text = member->value();
    member->clear();
    return text;
  }

  SlowDoorman doorman_;
  Room room_{doorman_};
  std::shared_ptr<weft::Factory> factory_ = GetParam().chat(room_);
};

INSTANTIATE_TEST_SUITE_P(Chat, FourWays,
                         ::testing::Values(Way{"callbacks", chat_by_callbacks},
                                           Way{"deferreds", chat_by_deferreds},
                                           Way{"coroutines", chat_by_coroutines},
                                           Way{"half_converted", chat_half_converted}),
                         [](const auto& way) { return std::string(way.param.name); });

TEST_P(FourWays, GreetsWhomTheDoormanLikes) {
  const auto ann = connect();
  EXPECT_EQ(heard(ann), "name?\n");
  type(ann, "an");
  type(ann, "n\r\n");
  EXPECT_EQ(doorman_.asked.back(), "ann");
  EXPECT_EQ(heard(ann), "");
  doorman_.likes();
  EXPECT_EQ(heard(ann), "welcome, ann\n");
}

TEST_P(FourWays, AsksAgainWhenTheDoormanDislikesAName) {
  const auto ann = connect();
  type(ann, "bad\n");
  doorman_.dislikes();
  EXPECT_EQ(heard(ann), "name?\nno: not today\nname?\n");
  type(ann, "ann\n");
  EXPECT_EQ(doorman_.asked.back(), "ann");
  doorman_.likes();
  EXPECT_EQ(heard(ann), "welcome, ann\n");
}

TEST_P(FourWays, TellsEverybodyWhatAnybodySays) {
  const auto ann = come_in("ann");
  const auto bob = come_in("bob");
  heard(bob);
  EXPECT_EQ(heard(ann), "name?\nwelcome, ann\n* bob is here\n");
  type(bob, "hello\nagain\n");
  EXPECT_EQ(heard(ann), "bob: hello\nbob: again\n");
  EXPECT_EQ(heard(bob), "bob: hello\nbob: again\n");
}

TEST_P(FourWays, KeepsWhatIsSaidWhileTheDoormanThinks) {
  const auto ann = connect();
  type(ann, "ann\nhello\n");
  type(ann, "still ");
  type(ann, "here\n");
  EXPECT_EQ(doorman_.asked.size(), 1U);
  doorman_.likes();
  EXPECT_EQ(heard(ann), "name?\nwelcome, ann\nann: hello\nann: still here\n");
}

TEST_P(FourWays, NoticesWhoLeaves) {
  const auto ann = come_in("ann");
  auto bob = come_in("bob");
  heard(ann);
  bob->deliver_end();
  bob->settle();
  EXPECT_EQ(heard(ann), "* bob left\n");
  EXPECT_TRUE(bob->disconnecting());
  const auto eve = come_in("eve");
  heard(ann);
  eve->break_with(weft::Failure(weft::ConnectionLost("The line went dead.")));
  EXPECT_EQ(heard(ann), "* eve left\n");
}

TEST_P(FourWays, DoesNotBotherTheDoormanForSomebodyWhoIsGone) {
  const auto ann = come_in("ann");
  const auto bob = connect();
  type(bob, "bob\n");
  heard(ann);
  bob->break_with(weft::Failure(weft::ConnectionLost("The line went dead.")));
  EXPECT_EQ(doorman_.turned_away, 1);
  EXPECT_EQ(heard(ann), "");
}

}  // namespace
