#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/manual_clock.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/string_transport.hpp"
#include "context.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::ManualClock;
using testing::MemoryReactor;

const ContextVar<int> count("count", 0, {.text = to_text<int>});

class ContextEnd : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Context::current().empty()); }
  void TearDown() override { EXPECT_TRUE(Context::current().empty()); }
  Context begun() {
    return Context().run([this] {
      count.set(1);
      Context::current().on_exit([this] { ends_.push_back(count.get()); });
      return Context::current();
    });
  }
  std::vector<int> ends_;
};

TEST_F(ContextEnd, ComesOnceWhenTheLastHolderLetsGoAndRunsInThatContext) {
  auto first = begun();
  auto second = first;
  first = Context();
  EXPECT_TRUE(ends_.empty());
  second = Context();
  EXPECT_EQ(ends_, std::vector{1});
}

TEST_F(ContextEnd, WaitsForContextsThatDeriveFromItBeforeAndAfter) {
  auto context = Context().run([] {
    count.set(1);
    return Context::current();
  });
  auto earlier = context.run([] {
    count.set(2);
    return Context::current();
  });
  context.on_exit([this] { ends_.push_back(count.get()); });
  auto later = earlier.run([] {
    count.set(3);
    return Context::current();
  });
  context = Context();
  earlier = Context();
  EXPECT_TRUE(ends_.empty());
  later = Context();
  EXPECT_EQ(ends_, std::vector{1});
}

TEST_F(ContextEnd, WaitsForCallsThatWereScheduledInIt) {
  ManualClock clock;
  begun().run([&] { clock.call_later(1s, [] {}); });
  EXPECT_TRUE(ends_.empty());
  clock.advance(1s);
  EXPECT_EQ(ends_, std::vector{1});
}

TEST_F(ContextEnd, ComesWhenWhatHeldItIsCancelledOrDropped) {
  {
    ManualClock clock;
    auto call = begun().run([&] { return clock.call_later(1s, [] {}); });
    call.cancel();
    EXPECT_EQ(ends_.size(), 1U);
    Promise<int> promise;
    begun().run([&] { static_cast<void>(promise.deferred().add_both([](Outcome<int>) {})); });
    EXPECT_EQ(ends_.size(), 1U);
  }
  EXPECT_EQ(ends_.size(), 2U);
}

TEST_F(ContextEnd, MayBeginAnotherAndOutliveWhatItThrows) {
  const testing::LogCapture log;
  ManualClock clock;
  Context().run([&] {
    Context::current().on_exit([&] {
      clock.call_later(1s, [&] { ends_.push_back(2); });
      throw std::runtime_error("at the end");
    });
    EXPECT_FALSE(Context::current().empty());
  });
  EXPECT_TRUE(log.contains("at the end"));
  clock.advance(1s);
  EXPECT_EQ(ends_, std::vector{2});
}

TEST_F(ContextEnd, IsATurnOfTheLoopThatLetsGoBetweenItsCallbacks) {
  MemoryReactor reactor;
  const auto protocol = std::make_shared<testing::AccumulatingProtocol>();
  auto port = reactor.listen_tcp(80, factory_from([&] { return protocol; }));
  const auto peer = reactor.connect_to(80);
  bool was_inside = false;
  Context().run([&] {
    count.set(1);
    Context::current().on_exit([&] {
      was_inside = reactor.turn().inside();
      protocol->way().write("the end");
    });
    // The call itself is the last that holds it.
    reactor.call_later(1s, [] {});
  });
  std::size_t unsent = 1;
  reactor.call_later(1s, [&] {
    unsent = protocol->way().write_buffer_size();
    reactor.stop();
  });
  reactor.run();
  EXPECT_TRUE(was_inside);
  EXPECT_EQ(unsent, 0U);
  EXPECT_EQ(peer->value(), "the end");
}

TEST_F(ContextEnd, BelongsToTheCallbackThatLetsGo) {
  MemoryReactor reactor;
  std::uint64_t before = 0;
  std::uint64_t during = 0;
  auto context = begun();
  context.on_exit([&] { during = reactor.stats().counts.callbacks; });
  reactor.call_later(1s, [&] {
    before = reactor.stats().counts.callbacks;
    context = Context();
    reactor.stop();
  });
  reactor.run();
  EXPECT_GT(before, 0U);
  EXPECT_EQ(during, before);
}

TEST_F(ContextEnd, CannotBeAskedForWhereThereIsNone) {
  const auto scope = count.scoped(1);
  EXPECT_THROW(Context().on_exit([] {}), InvalidArgument);
  EXPECT_THROW(Context::current().on_exit({}), InvalidArgument);
}

TEST_F(ContextEnd, ComesWithTheThreadThatSetItOrInTheReactorThatWasAskedTo) {
#ifdef _WIN32
  GTEST_SKIP() << "mingw forgets a thread's variables before those end that tidy up";
#endif
  MemoryReactor reactor(MemoryReactor::Time::real);
  std::thread::id ended_in;
  std::thread([&] {
    count.set(1);
    Context::current().on_exit(reactor, [&] { ended_in = std::this_thread::get_id(); });
  }).join();
  reactor.settle();
  EXPECT_EQ(ended_in, std::this_thread::get_id());
}

TEST_F(ContextEnd, IsLoggedWhereItsReactorTakesNoMoreCalls) {
  MemoryReactor reactor;
  reactor.call_when_running([&] { reactor.stop(); });
  reactor.run();
  const testing::LogCapture log;
  Context().run([&] {
    count.set(1);
    Context::current().on_exit(reactor, [] { ADD_FAILURE() << "called"; });
  });
  EXPECT_TRUE(log.contains("on_exit"));
}

TEST_F(ContextEnd, OfAThousandRequestsOfOneConnectionKeepsNoneOfThem) {
  // Each is captured by a timer, so that each set derives; the timers end out of order.
  ManualClock clock;
  struct Counted {
    explicit Counted(int& living) : living_(&living) { ++*living_; }
    Counted(const Counted& other) : living_(other.living_) { ++*living_; }
    ~Counted() { --*living_; }
    int* living_;
  };
  int living = 0;
  const ContextVar<Counted> request("request");
  Context().run([&] {
    for (int i = 0; i < 1000; ++i) {
      request.set(Counted(living));
      clock.call_later(std::chrono::milliseconds(1 + i * 7 % 5), [] {});
      if (i % 2 == 0) clock.advance(2ms);
      EXPECT_LT(living, 60);
    }
  });
  clock.advance(1s);
  EXPECT_EQ(living, 0);
}

}  // namespace
}  // namespace weft
