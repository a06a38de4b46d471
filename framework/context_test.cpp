#include "context.hpp"

#include "../testing/io_pump.hpp"
#include "../testing/manual_clock.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/results.hpp"
#include "../testing/string_process.hpp"
#include "../testing/string_transport.hpp"
#include "cooperator.hpp"
#include "defer_later.hpp"
#include "logging.hpp"
#include "looping_call.hpp"
#include "reconnecting_client.hpp"
#include "thread_pool.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::ManualClock;
using testing::MemoryReactor;

const ContextVar<int> number("number", 0, {.text = to_text<int>});
const ContextVar<std::string> name("name");

Transferable<std::string> as_it_is() {
  return {[](const std::string& value) { return value; },
          [](std::string_view bytes) { return std::string(bytes); }};
}
const ContextVar<std::string> carried("carried", {.transferable = as_it_is()});

// What a test sets ends with it.
class ContextTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(Context::current().empty()); }
  void TearDown() override { EXPECT_TRUE(Context::current().empty()); }
};
using ContextVarTest = ContextTest;
using ContextFlow = ContextTest;
using ContextOfConnections = ContextTest;

// ---- variables

TEST_F(ContextVarTest, GivesItsDefaultWhereItIsNotSetAndSaysSoWhereThereIsNone) {
  EXPECT_EQ(number.get(), 0);
  EXPECT_FALSE(number.has_value());
  EXPECT_THROW(static_cast<void>(name.get()), ContextVarUnset);
}

TEST_F(ContextVarTest, KeepsWhatIsSetUntilTheRunEnds) {
  Context().run([] {
    number.set(1);
    name.set("one");
    number.set(2);
    EXPECT_EQ(number.get(), 2);
    EXPECT_EQ(name.get(), "one");
  });
  EXPECT_EQ(number.get(), 0);
}

TEST_F(ContextVarTest, IsGivenBackItsValueWhenTheScopeEnds) {
  const auto outer = number.scoped(1);
  {
    const auto inner = number.scoped(2);
    const auto other = name.scoped("two");
    EXPECT_EQ(number.get(), 2);
  }
  EXPECT_EQ(number.get(), 1);
  EXPECT_FALSE(name.has_value());
}

TEST_F(ContextVarTest, LosesOnlyItsOwnValueWhenOtherThingsWereSetInItsScope) {
  Context().run([] {
    {
      const auto scope = number.scoped(1);
      name.set("stays");
    }
    EXPECT_FALSE(number.has_value());
    EXPECT_EQ(name.get(), "stays");
  });
}

TEST_F(ContextVarTest, LeavesForeignContextsAloneWhenItsScopeEndsThere) {
  Context().run([] {
    std::unique_ptr<const ContextScope> scope(new auto(number.scoped(1)));
    Context().run([&] {
      number.set(7);
      scope.reset();
      EXPECT_EQ(number.get(), 7);
    });
    EXPECT_EQ(number.get(), 1);
  });
}

TEST_F(ContextVarTest, RefusesNamesThatSayNothingOrAreTaken) {
  EXPECT_THROW(ContextVar<int>(""), InvalidArgument);
  EXPECT_THROW(ContextVar<std::string>("carried", {.transferable = as_it_is()}), InvalidArgument);
  EXPECT_NO_THROW(ContextVar<std::string>("carried"));
}

// ---- contexts

TEST_F(ContextTest, DoesNotSeeWhatIsSetAfterItWasTaken) {
  Context before;
  Context().run([&] {
    number.set(1);
    before = Context::current();
    number.set(2);
    EXPECT_EQ(before.run([] { return number.get(); }), 1);
    EXPECT_EQ(number.get(), 2);
  });
  before.run([] { number.set(3); });
  EXPECT_EQ(before.run([] { return number.get(); }), 1);
}

TEST_F(ContextTest, IsLeftWhenWhatRunsInItThrows) {
  EXPECT_THROW(Context().run([] {
    number.set(1);
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_EQ(number.get(), 0);
}

TEST_F(ContextTest, IsOneForAllWhoEnterItFromWithin) {
  for (const int begun_with : {0, 1}) {
    weft::detail::HeldContext held;
    Context().run([&] {
      if (begun_with != 0) number.set(begun_with);
      held = weft::detail::HeldContext::capture();
    });
    {
      const weft::detail::ContextSwitch carrier(held);
      EXPECT_EQ(number.get(), begun_with);
      {
        const weft::detail::ContextSwitch layer(held);
        number.set(10);
        const weft::detail::ContextSwitch upper_layer(held);
        EXPECT_EQ(number.get(), 10);
        number.set(11);
      }
      EXPECT_EQ(number.get(), 11);
    }
    EXPECT_FALSE(number.has_value());
    const weft::detail::ContextSwitch next(held);
    EXPECT_EQ(number.get(), 11);
  }
}

TEST_F(ContextTest, IsSuppressedForNobodyWhoEntersItAnew) {
  ManualClock clock;
  std::vector<int> seen;
  const auto note = [&] { seen.push_back(number.get()); };
  weft::detail::HeldContext held;
  {
    const weft::detail::ContextSwitch carrier(held);
    number.set(1);
    const auto quiet = Context::suppress();
    clock.call_later(1s, note);
    {
      const weft::detail::ContextSwitch layer(held);
      clock.call_later(1s, note);
    }
    clock.call_later(1s, note);
    Context().run([&] {
      const weft::detail::ContextSwitch layer(held);
      clock.call_later(1s, note);
    });
    clock.call_later(1s, note);
  }
  const weft::detail::ContextSwitch next(held);
  clock.call_later(1s, note);
  clock.advance(1s);
  EXPECT_EQ(seen, (std::vector{0, 1, 0, 1, 0, 1}));
}

// Callbacks that call each other at random, each in one of a few contexts, which set a variable or
// read it; `values` is what each of them must see.
class Nesting {
 public:
  explicit Nesting(unsigned seed) : random_(seed) {}

  void enter_some(int deepest) {
    for (auto calls = random_() % 4; calls > 0; --calls)
      enter(random_() % held_.size(), deepest);
  }
  void enter(std::size_t which, int deepest) {
    const weft::detail::ContextSwitch inside(held_[which]);
    EXPECT_EQ(number.get(), values_[which]);
    if (random_() % 3 == 0) {
      number.set(++last_);
      values_[which] = last_;
    }
    if (deepest > 0) enter_some(deepest - 1);
    EXPECT_EQ(number.get(), values_[which]);
  }
  [[nodiscard]] std::size_t size() const noexcept { return held_.size(); }

 private:
  std::mt19937 random_;
  std::array<weft::detail::HeldContext, 4> held_;
  std::array<int, 4> values_{};
  int last_ = 0;
};

TEST_F(ContextTest, IsOneForAllWhoEnterItHoweverTheyNest) {
  for (unsigned seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Nesting nesting(seed);
    nesting.enter_some(6);
    EXPECT_TRUE(Context::current().empty());
    for (std::size_t which = 0; which < nesting.size(); ++which)
      nesting.enter(which, 0);
    if (HasFailure()) return;
  }
}

TEST_F(ContextTest, TravelsAsNamesAndBytes) {
  const auto values = Context().run([] {
    number.set(1);
    carried.set("across");
    return Context::current().transferable();
  });
  ASSERT_EQ(values.size(), 1U);
  EXPECT_EQ(values[0], std::pair(std::string("carried"), std::string("across")));
  const auto there = Context::from_transferable({{"carried", "across"}, {"unknown", "x"}});
  EXPECT_EQ(there.run([] { return carried.get(); }), "across");
  EXPECT_TRUE(Context::from_transferable({}).empty());
}

TEST_F(ContextTest, ShowsWhatIsPrintableInTheOrderInWhichItWasSet) {
  Context().run([] {
    const ContextVar<std::string> user("user", {.text = to_text<std::string>});
    carried.set("not shown");
    user.set("ann");
    number.set(5);
    EXPECT_EQ(Context::current().text(), "user=ann number=5");
  });
  EXPECT_EQ(Context().text(), "");
}

TEST_F(ContextTest, IsShownByARecordThoughWhatMakesItsTextLogsOrThrows) {
#ifdef _WIN32
  GTEST_SKIP() << "the sink keeps the handle that standard error had when it was first used";
#endif
  const ContextVar<int> logging("logging", {.text = [](const int&) -> std::string {
                                  log(LogLevel::warning, "test", "asked");
                                  return "x";
                                }});
  const ContextVar<int> throwing(
      "throwing", {.text = [](const int&) -> std::string { throw std::runtime_error("no text"); }});
  Context().run([&] {
    logging.set(1);
    throwing.set(1);
    ::testing::internal::CaptureStderr();
    log(LogLevel::error, "test", "the record");
  });
  const auto written = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(written.find("[warning] test: asked"), std::string::npos) << written;
  EXPECT_NE(written.find("[logging=x throwing=(its text threw: no text)] test: the record"),
            std::string::npos)
      << written;
}

// ---- how it flows

TEST_F(ContextFlow, ReachesCallsThatAreMadeLater) {
  ManualClock clock;
  std::vector<int> seen;
  const auto note = [&] { seen.push_back(number.get()); };
  {
    const auto scope = number.scoped(1);
    clock.call_later(1s, [&] {
      note();
      number.set(9);
      clock.call_later(1s, note);
    });
    number.set(2);
    clock.call_later(1s, note);
  }
  clock.call_later(1s, note);
  clock.advance(2s);
  EXPECT_EQ(seen, (std::vector{1, 2, 0, 9}));
}

TEST_F(ContextFlow, ReachesStagesThatWaitAndNotThoseThatRunAtOnce) {
  Promise<int> promise;
  std::vector<int> seen;
  const auto note = [&](int value) {
    seen.push_back(number.get());
    number.set(100);
    return value;
  };
  auto deferred = [&] {
    const auto scope = number.scoped(1);
    return promise.deferred().add_callback(note);
  }();
  deferred = [&] {
    const auto scope = number.scoped(2);
    return std::move(deferred).add_callback(note);
  }();
  Context().run([&] {
    number.set(3);
    promise.callback(0);
    static_cast<void>(std::move(deferred).add_callback(note));
    EXPECT_EQ(number.get(), 100);
  });
  EXPECT_EQ(seen, (std::vector{1, 2, 3}));
  EXPECT_EQ(number.get(), 0);
}

TEST_F(ContextFlow, ReachesAStageBehindAReturnedDeferred) {
  Promise<int> first;
  Promise<int> second;
  int seen = 0;
  {
    const auto scope = number.scoped(1);
    static_cast<void>(first.deferred()
                          .add_callback([&](int) {
                            number.set(50);
                            return second.deferred();
                          })
                          .add_callback([&](int) { seen = number.get(); }));
  }
  first.callback(0);
  second.callback(0);
  EXPECT_EQ(seen, 1);
}

TEST_F(ContextFlow, IsSuppressedForWhatIsRegisteredMeanwhile) {
  ManualClock clock;
  std::vector<int> seen;
  const auto note = [&] { seen.push_back(number.get()); };
  const auto scope = number.scoped(1);
  {
    const auto quiet = Context::suppress();
    clock.call_later(1s, note);
    EXPECT_EQ(number.get(), 1);
    // What runs in a context of its own is none of it.
    Context::current().run([&] { clock.call_later(1s, note); });
    const auto inner = number.scoped(2);
    clock.call_later(1s, note);
    EXPECT_EQ(number.get(), 2);
  }
  clock.call_later(1s, note);
  clock.advance(1s);
  EXPECT_EQ(seen, (std::vector{0, 1, 0, 1}));
}

TEST_F(ContextFlow, ReachesCallsThatWaitForTheReactorAndTriggersAndWatches) {
  MemoryReactor reactor;
  std::vector<int> seen;
  const auto note = [&] { seen.push_back(number.get()); };
  Watch watch;
  {
    const auto scope = number.scoped(1);
    reactor.call_when_running(note);
    number.set(2);
    reactor.add_system_event_trigger(Phase::before, SystemEvent::startup, note);
    number.set(3);
    reactor.call_from_thread(note);
    number.set(4);
    watch = reactor.watch(5, Interest::readable, [&] {
      note();
      number.set(40);
    });
  }
  reactor.call_later(1s, [&] {
    number.set(99);
    reactor.make_ready(5, Interest::readable);
    reactor.make_ready(5, Interest::readable);
    EXPECT_EQ(number.get(), 99);
    reactor.stop();
  });
  reactor.run();
  EXPECT_EQ(seen, (std::vector{2, 1, 3, 4, 4}));
}

TEST_F(ContextFlow, EndsWithACallThatARunningReactorMakesAtOnce) {
  MemoryReactor reactor;
  std::vector<int> seen;
  const auto note = [&] {
    seen.push_back(number.get());
    number.set(2);
  };
  reactor.call_later(1s, [&] {
    number.set(1);
    reactor.call_when_running(note);
    EXPECT_EQ(number.get(), 1);
    const auto quiet = Context::suppress();
    reactor.call_when_running(note);
    reactor.stop();
  });
  reactor.run();
  EXPECT_EQ(seen, (std::vector{1, 0}));
}

TEST_F(ContextFlow, ReachesThreadsAndComesBack) {
  MemoryReactor reactor(MemoryReactor::Time::real);
  int in_thread = 0;
  int back = 0;
  {
    const auto scope = number.scoped(1);
    static_cast<void>(defer_to_thread(reactor, [&] {
                        in_thread = number.get();
                        number.set(10);
                      }).add_callback([&] {
      back = number.get();
      reactor.stop();
    }));
  }
  reactor.run();
  EXPECT_EQ(in_thread, 1);
  EXPECT_EQ(back, 1);
}

TEST_F(ContextFlow, GivesEachCallOfALoopingCallACopy) {
  ManualClock clock;
  std::vector<int> seen;
  LoopingCall loop(clock, [&] {
    seen.push_back(number.get());
    number.set(number.get() + 100);
  });
  {
    const auto scope = number.scoped(1);
    static_cast<void>(loop.start(1s));
    EXPECT_EQ(number.get(), 1);
  }
  clock.advance(1s);
  Context().run([&] {
    number.set(7);
    loop.reset();
  });
  clock.advance(1s);
  EXPECT_EQ(seen, (std::vector{1, 1, 1}));
  loop.stop();
}

TEST_F(ContextFlow, KeepsWhatACooperativeTaskSetsForItsNextSteps) {
  ManualClock clock;
  Cooperator cooperator(clock);
  std::vector<std::string> seen;
  for (int task = 1; task <= 2; ++task) {
    const auto scope = number.scoped(task);
    int step = 0;
    cooperator.cooperate([&seen, task, step]() mutable {
      seen.push_back(std::to_string(task) + ":" + std::to_string(number.get()));
      number.set(number.get() + 10);
      return ++step < 2 ? Work::more : Work::done;
    });
  }
  clock.settle();
  EXPECT_EQ(seen, (std::vector<std::string>{"1:1", "2:2", "1:11", "2:12"}));
}

// ---- connections

class Noting : public Protocol {
 public:
  explicit Noting(std::vector<int>& seen) : seen_(seen) {}
  void connection_made() override {
    seen_.push_back(number.get());
    number.set(number.get() + 1);
  }
  void data_received(BytesView) override {
    seen_.push_back(number.get());
    number.set(number.get() + 1);
  }
  void connection_lost(const Failure&) override { seen_.push_back(number.get()); }

 private:
  std::vector<int>& seen_;
};

TEST_F(ContextOfConnections, KeepWhatTheirCallbacksSetAndNobodyElseSeesIt) {
  std::vector<int> first;
  std::vector<int> second;
  MemoryReactor reactor;
  std::vector<std::vector<int>*> next{&second, &first};
  {
    const auto scope = number.scoped(10);
    static_cast<void>(reactor.listen_tcp(7, factory_from([&] {
                                           auto& seen = *next.back();
                                           next.pop_back();
                                           seen.push_back(number.get());
                                           number.set(number.get() + 10);
                                           return std::make_shared<Noting>(seen);
                                         })));
  }
  Context().run([&] {
    number.set(1000);
    auto a = reactor.connect_to(7);
    auto b = reactor.connect_to(7);
    a->deliver("x");
    a->deliver("x");
    b->deliver("x");
    EXPECT_EQ(number.get(), 1000);
    a.reset();
    b.reset();
    reactor.settle();
  });
  EXPECT_EQ(first, (std::vector{10, 20, 21, 22, 23}));
  EXPECT_EQ(second, (std::vector{10, 20, 21, 22}));
}

TEST_F(ContextOfConnections, BeginWithThatOfTheirConnect) {
  std::vector<int> server;
  std::vector<int> client;
  MemoryReactor reactor;
  static_cast<void>(reactor.listen_tcp(7, factory_for<Noting>(std::ref(server))));
  int told = 0;
  {
    const auto scope = number.scoped(5);
    static_cast<void>(
        reactor.connect_tcp("127.0.0.1", 7, factory_for<Noting>(std::ref(client)))
            .add_callback([&](const std::shared_ptr<Protocol>&) { told = number.get(); }));
  }
  reactor.settle();
  EXPECT_EQ(told, 5);
  EXPECT_EQ(client, std::vector{5});
  EXPECT_EQ(server, std::vector{0});
}

TEST_F(ContextOfConnections, EndWhenConnectionLostHasReturned) {
  class Ending final : public Protocol {
   public:
    explicit Ending(int& ended) : ended_(ended) {}
    void connection_made() override {
      number.set(3);
      Context::current().on_exit([this] { ended_ = number.get(); });
    }
    void data_received(BytesView) override {}
    void connection_lost(const Failure&) override { EXPECT_EQ(ended_, 0); }

   private:
    int& ended_;
  };
  int ended = 0;
  const auto protocol = std::make_shared<Ending>(ended);
  auto transport = testing::connect(protocol);
  EXPECT_EQ(ended, 0);
  transport->abort_connection();
  transport->settle();
  EXPECT_EQ(ended, 3);
}

TEST_F(ContextOfConnections, AreNamedByWhatIsLoggedOfThem) {
  class Throwing final : public Protocol {
    void connection_made() override { number.set(42); }
    void data_received(BytesView) override { throw std::runtime_error("no"); }
  };
  std::vector<std::string> contexts;
  struct Sink final : LogSink {
    explicit Sink(std::vector<std::string>& kept) : kept_(kept) {}
    void write(const LogRecord&) override { kept_.push_back(Context::current().text()); }
    std::vector<std::string>& kept_;
  };
  const auto former = set_log_sink(std::make_shared<Sink>(contexts));
  testing::connect(std::make_shared<Throwing>())->deliver("x");
  set_log_sink(former);
  EXPECT_EQ(contexts, std::vector<std::string>{"number=42"});
}

TEST_F(ContextOfConnections, OfAReconnectingClientBeginWithThatOfItsStart) {
  std::vector<int> seen;
  MemoryReactor reactor;
  static_cast<void>(reactor.listen_tcp(7, factory_from([] {
                                         class Refusing final : public Protocol {
                                           void connection_made() override {
                                             transport().lose_connection();
                                           }
                                           void data_received(BytesView) override {}
                                         };
                                         return std::make_shared<Refusing>();
                                       })));
  ReconnectOptions options;
  options.first_delay = 1s;
  options.jitter = 0;
  ReconnectingClient client(reactor, "127.0.0.1", 7, factory_for<Noting>(std::ref(seen)), options);
  {
    const auto scope = number.scoped(1);
    client.start();
  }
  reactor.settle();
  reactor.advance(1s);
  EXPECT_EQ(seen, (std::vector{1, 2, 1, 2}));
  static_cast<void>(client.stop());
  reactor.settle();
}

TEST_F(ContextOfConnections, OfDatagramPortsAndProcessesAreTheirOwn) {
  class Datagrams final : public DatagramProtocol {
   public:
    explicit Datagrams(std::vector<int>& seen) : seen_(seen) {}
    void start_protocol() override { number.set(number.get() + 1); }
    void datagram_received(BytesView, const Address&) override { seen_.push_back(number.get()); }
    void stop_protocol() override { seen_.push_back(-number.get()); }

   private:
    std::vector<int>& seen_;
  };
  class Child final : public ProcessProtocol {
   public:
    explicit Child(std::vector<int>& seen) : seen_(seen) {}
    void connection_made() override { number.set(number.get() + 1); }
    void out_received(BytesView) override {
      seen_.push_back(number.get());
      number.set(30);
    }
    void process_ended(const ProcessStatus&) override { seen_.push_back(number.get()); }

   private:
    std::vector<int>& seen_;
  };
  std::vector<int> seen;
  MemoryReactor reactor;
  std::shared_ptr<DatagramTransport> port;
  std::shared_ptr<testing::StringProcess> child;
  {
    const auto scope = number.scoped(1);
    port = reactor.listen_udp(9, std::make_shared<Datagrams>(seen), {});
    child = testing::spawn(std::make_shared<Child>(seen));
    EXPECT_EQ(number.get(), 1);
  }
  port->send("x", Address::ipv4({127, 0, 0, 1}, 9));
  reactor.settle();
  port->lose_connection();
  reactor.settle();
  child->deliver(1, "x");
  child.reset();
  EXPECT_EQ(seen, (std::vector{2, -2, 2, 30}));
}

}  // namespace
}  // namespace weft
