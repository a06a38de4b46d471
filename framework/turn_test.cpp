#include "turn.hpp"

#include "error.hpp"
#include "step_clock_test.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft {
namespace {

// Writes down what its turn asks of it.
struct Noting : Turn::Participant {
  Noting(Turn& turn, std::string& log, char name) : Participant(turn), log_(log), name_(name) {}
  using Participant::turn;
  UniqueFunction<void()> when_flushed;
  UniqueFunction<void()> when_woken;

 private:
  void note(const char* what) { log_ += std::string(what) + name_ + ' '; }
  void flush() noexcept override {
    note("flush:");
    if (when_flushed) when_flushed();
  }
  void wake() noexcept override {
    note("wake:");
    if (when_woken) when_woken();
  }
  void loop_ended() noexcept override { note("end:"); }

  std::string& log_;
  char name_;
};

struct Ring {
  std::string log;
  std::optional<Turn> turn{std::in_place};
  std::shared_ptr<Noting> a = std::make_shared<Noting>(*turn, log, 'a');
  std::shared_ptr<Noting> b = std::make_shared<Noting>(*turn, log, 'b');

  template <class F>
  void enter(F f) {
    turn->enter_logged("a test", std::move(f));
  }
};

TEST(Turn, FlushesOnceWhenTheOutermostCallbackReturns) {
  Ring ring;
  ring.enter([&] {
    ring.turn->flush_later(ring.a);
    ring.enter([&] { ring.turn->flush_later(ring.a); });
    EXPECT_EQ(ring.log, "");
  });
  EXPECT_EQ(ring.log, "flush:a ");
}

TEST(Turn, FlushesInTheOrderInWhichItWasAsked) {
  Ring ring;
  ring.enter([&] {
    ring.turn->flush_later(ring.b);
    ring.turn->flush_later(ring.a);
  });
  EXPECT_EQ(ring.log, "flush:b flush:a ");
}

TEST(Turn, FlushesWhatFlushingAsksFor) {
  Ring ring;
  ring.a->when_flushed = [&] { ring.turn->flush_later(ring.b); };
  ring.enter([&] { ring.turn->flush_later(ring.a); });
  EXPECT_EQ(ring.log, "flush:a flush:b ");
}

TEST(Turn, DestroysNothingInALoopThatACallbackRuns) {
  Ring ring;
  auto object = std::make_shared<int>();
  const std::weak_ptr<int> living = object;
  ring.enter([&] {
    ring.turn->release_later(std::move(object));
    ring.turn->flush_later(ring.a);
    ring.turn->wake_waiting();
    EXPECT_EQ(ring.log, "flush:a ");
    EXPECT_FALSE(living.expired());
  });
  EXPECT_TRUE(living.expired());
}

TEST(Turn, FlushesInALoopThatIsRunWhileItFlushes) {
  Ring ring;
  ring.a->when_flushed = [&] {
    ring.enter([&] {
      ring.turn->flush_later(ring.b);
      ring.turn->wake_waiting();
      EXPECT_EQ(ring.log, "flush:a flush:b ");
    });
  };
  ring.enter([&] { ring.turn->flush_later(ring.a); });
  EXPECT_EQ(ring.log, "flush:a flush:b ");
}

TEST(Turn, CountsWhatItsEndFlushesAndDestroysAsCallbacksOfTheirOwn) {
  Ring ring;
  std::vector<std::uint64_t> edges;
  const auto note = [&] { edges.push_back(ring.turn->edges()); };
  struct Telling {
    explicit Telling(std::function<void()> f) : tell(std::move(f)) {}
    ~Telling() { tell(); }
    std::function<void()> tell;
  };
  ring.a->when_flushed = [&] { ring.enter(note); };
  ring.enter([&] {
    note();
    ring.turn->flush_later(ring.a);
    // What its destructor calls in the turn belongs to it.
    ring.turn->release_later(std::make_shared<Telling>([&] {
      note();
      ring.enter(note);
    }));
  });
  note();
  EXPECT_EQ(edges, (std::vector<std::uint64_t>{1, 3, 5, 5, 8}));
}

TEST(Turn, WakesAllWhoWaitAlsoInALoopInsideOneOfThem) {
  Ring ring;
  ring.a->when_woken = [&] {
    ring.enter([&] {
      ring.turn->wake_waiting();
      EXPECT_EQ(ring.log, "wake:a wake:b ");
    });
  };
  ring.turn->wake_later(ring.a);
  ring.turn->wake_later(ring.b);
  EXPECT_TRUE(ring.turn->wake_waiting());
  EXPECT_EQ(ring.log, "wake:a wake:b ");
  EXPECT_FALSE(ring.turn->wake_waiting());
}

TEST(Turn, FlushesEvenWhenTheCallbackThrows) {
  RecordedLog log;
  Ring ring;
  ring.enter([&] {
    ring.turn->flush_later(ring.a);
    throw std::runtime_error("spilt");
  });
  EXPECT_EQ(ring.log, "flush:a ");
  ASSERT_EQ(log.lines().size(), 1U);
  EXPECT_NE(log.lines()[0].find("a test"), std::string::npos);
  EXPECT_NE(log.lines()[0].find("spilt"), std::string::npos);
}

TEST(Turn, HandsWhatWasThrownToWhoeverEntered) {
  Ring ring;
  std::string seen;
  ring.turn->enter([] { throw std::runtime_error("spilt"); },
                   [&](const Failure& failure) { seen = failure.message(); });
  EXPECT_NE(seen.find("spilt"), std::string::npos);
}

TEST(Turn, DestroysWhatWasLetGoOnlyWhenItIsOver) {
  Ring ring;
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  ring.enter([&] {
    ring.turn->release_later(std::move(held));
    EXPECT_FALSE(watched.expired());
  });
  EXPECT_TRUE(watched.expired());
}

TEST(Turn, FlushesWhatADestructorWrites) {
  Ring ring;
  ring.enter([&] {
    ring.turn->release_later(std::shared_ptr<int>(new int, [&](const int* held) {
      delete held;
      ring.turn->flush_later(ring.a);
    }));
  });
  EXPECT_EQ(ring.log, "flush:a ");
}

TEST(Turn, WakesOnlyWhenTheLoopComesRound) {
  Ring ring;
  ring.enter([&] { ring.turn->wake_later(ring.a); });
  EXPECT_EQ(ring.log, "");
  EXPECT_TRUE(ring.turn->has_waiting());
  EXPECT_TRUE(ring.turn->wake_waiting());
  EXPECT_EQ(ring.log, "wake:a ");
  EXPECT_FALSE(ring.turn->wake_waiting());
}

TEST(Turn, LeavesThoseWhoBeginToWaitMeanwhileToTheNextRound) {
  Ring ring;
  ring.a->when_woken = [&] { ring.turn->wake_later(ring.b); };
  ring.turn->wake_later(ring.a);
  ring.turn->wake_waiting();
  EXPECT_EQ(ring.log, "wake:a ");
  ring.turn->wake_waiting();
  EXPECT_EQ(ring.log, "wake:a wake:b ");
}

TEST(Turn, KeepsAliveWhoeverWaits) {
  Ring ring;
  ring.turn->wake_later(ring.a);
  const std::weak_ptr<Noting> watched = ring.a;
  ring.a.reset();
  EXPECT_FALSE(watched.expired());
  ring.turn->wake_waiting();
  EXPECT_TRUE(watched.expired());
}

TEST(Turn, TellsEveryParticipantThatTheLoopEnds) {
  Ring ring;
  ring.turn->end_participants();
  EXPECT_EQ(ring.log, "end:b end:a ");
}

TEST(Turn, LeavesParticipantsThatOutliveIt) {
  Ring ring;
  ring.turn->wake_later(ring.a);
  ring.turn.reset();
  EXPECT_EQ(ring.a->turn(), nullptr);
  EXPECT_EQ(ring.b->turn(), nullptr);
}

TEST(Turn, IsCurrentWhileItsCodeRuns) {
  Ring ring;
  Turn other;
  EXPECT_EQ(Turn::current(), nullptr);
  ring.enter([&] {
    EXPECT_EQ(Turn::current(), &*ring.turn);
    EXPECT_TRUE(ring.turn->inside());
    other.enter_logged("another", [&] { EXPECT_EQ(Turn::current(), &other); });
    EXPECT_EQ(Turn::current(), &*ring.turn);
  });
  EXPECT_EQ(Turn::current(), nullptr);
  EXPECT_FALSE(ring.turn->inside());
}

TEST(Turn, RefusesAnyThreadButTheOneThatClaimedIt) {
  Turn turn;
  turn.check_thread();
  std::thread([&] { turn.claim_thread(); }).join();
  EXPECT_THROW(turn.check_thread(), WrongThreadError);
  turn.release_thread();
  turn.check_thread();
  turn.claim_thread();
  turn.check_thread();
}

}  // namespace
}  // namespace weft
