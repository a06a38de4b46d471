#include "reactor_pool.hpp"

#include "../framework/basic_reactor.hpp"
#include "../framework/context.hpp"
#include "../testing/log_capture.hpp"
#include "make_reactor.hpp"
#include "reactor_pool_test.hpp"
#include "topic.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>

#ifdef __linux__
#include <pthread.h>
#include <unistd.h>
#endif

namespace weft {
namespace {

using testing::eventually;
using testing::in_reactor;
using testing::on;

class ReactorPools : public ::testing::TestWithParam<std::string> {
 protected:
  ReactorPool pool_{3, on(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(All, ReactorPools, ::testing::ValuesIn(reactor_names()),
                         [](const auto& tested) { return tested.param; });

// ---- threads

TEST_P(ReactorPools, RunEachReactorInAThreadOfItsOwn) {
  pool_.start();
  std::set<std::thread::id> threads{std::this_thread::get_id()};
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    const auto [index, thread] = in_reactor(pool_, i, [&](Reactor& reactor) {
      EXPECT_EQ(&reactor, &Reactor::current());
      EXPECT_EQ(reactor.name(), GetParam());
      return std::pair(pool_.index(), std::this_thread::get_id());
    });
    EXPECT_EQ(index, i);
    EXPECT_TRUE(threads.insert(thread).second);
  }
  EXPECT_EQ(pool_.index(), std::nullopt);
}

TEST_P(ReactorPools, RunTheFirstReactorInTheCallersThreadIfAsked) {
  std::thread::id first;
  std::atomic<bool> another_ran = false;
  pool_.call_from_thread(0, [&](Reactor&) { first = std::this_thread::get_id(); });
  pool_.call_from_thread(2, [&](Reactor& reactor) {
    another_ran = true;
    reactor.stop();
  });
  pool_.run();
  EXPECT_EQ(first, std::this_thread::get_id());
  EXPECT_TRUE(another_ran);
  EXPECT_FALSE(pool_.running());
}

TEST_P(ReactorPools, StopBeforeTheirThreadsHaveComeToRunTheLoops) {
  pool_.start();
  pool_.stop();
  pool_.join();
  EXPECT_FALSE(pool_.running());
}

TEST_P(ReactorPools, ShutEachReactorDownInOrderAndTheFirstLast) {
  std::mutex mutex;
  std::vector<std::string> order;
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    pool_.reactor(i).add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&, i] {
      const std::lock_guard lock(mutex);
      order.push_back("begins " + std::to_string(i));
    });
  }
  pool_.start();
  pool_.stop();
  pool_.join();
  EXPECT_EQ(order.size(), pool_.size());
  EXPECT_FALSE(pool_.call_from_thread(0, [](Reactor&) {}));
  EXPECT_FALSE(pool_.call_all_from_thread([](Reactor&) {}));
}

TEST_P(ReactorPools, AreStoppedByWhateverStopsOneOfTheirReactors) {
  pool_.start();
  pool_.call_from_thread(1, [](Reactor& reactor) { reactor.stop(); });
  pool_.join();
  EXPECT_FALSE(pool_.running());
}

TEST_P(ReactorPools, SayWhatCannotBeBecauseOfTheStateTheyAreIn) {
  EXPECT_THROW(pool_.stop(), NotRunningError);
  EXPECT_THROW(pool_.join(), NotRunningError);
  EXPECT_THROW(static_cast<void>(pool_.reactor(3)), InvalidArgument);
  EXPECT_THROW(ReactorPool(0), InvalidArgument);
  pool_.start();
  EXPECT_THROW(pool_.run(), AlreadyRunningError);
  EXPECT_THROW(in_reactor(pool_, 1, [&](Reactor&) { pool_.join(); }), WrongThreadError);
  pool_.stop();
  EXPECT_THROW(pool_.stop(), NotRunningError);
  pool_.join();
  EXPECT_THROW(pool_.start(), AlreadyRunningError);
}

#ifdef __linux__

TEST_P(ReactorPools, AreStoppedByASignalThatOneReactorTakes) {
  std::atomic<int> shut_down = 0;
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    pool_.reactor(i).add_system_event_trigger(Phase::during, SystemEvent::shutdown,
                                              [&] { ++shut_down; });
  }
  pool_.call_from_thread(0, [](Reactor&) { ::kill(::getpid(), SIGTERM); });
  pool_.run();
  EXPECT_EQ(shut_down, 3);
}

TEST_P(ReactorPools, EndAtOnceAtASecondSignalThoughOneIsNotDone) {
  std::optional<Promise<void>> never;
  const testing::LogCapture log;
  pool_.reactor(1).add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    ::kill(::getpid(), SIGTERM);
    return never.emplace().deferred();
  });
  pool_.call_from_thread(0, [](Reactor&) { ::kill(::getpid(), SIGTERM); });
  pool_.run();
  EXPECT_TRUE(log.contains("Interrupted while stopping"));
  never->callback();
}

TEST_P(ReactorPools, NameTheirThreadsByNumber) {
  pool_.start();
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    const auto name = in_reactor(pool_, i, [](Reactor&) {
      char told[16] = {};
      ::pthread_getname_np(::pthread_self(), told, sizeof told);
      return std::string(told);
    });
    EXPECT_EQ(name, "weft-" + std::to_string(i));
  }
}

TEST(ReactorPool, BindsItsThreadsToTheCoresItIsGivenAndGivesTheCallersBack) {
  const auto before = usable_cores();
  ASSERT_FALSE(before.empty());
  ReactorPoolOptions options;
  options.cores = {before.back()};
  ReactorPool pool(2, options);
  std::vector<std::vector<int>> bound(2);
  for (std::size_t i = 0; i < pool.size(); ++i)
    pool.call_from_thread(i, [&bound, i](Reactor&) { bound[i] = usable_cores(); });
  pool.call_from_thread(0, [&](Reactor&) { pool.stop(); });
  pool.run();
  EXPECT_EQ(bound[0], options.cores);
  EXPECT_EQ(bound[1], options.cores);
  EXPECT_EQ(usable_cores(), before);
}

TEST(ReactorPool, SaysSoWhenItIsDestroyedInAThreadOfItsOwn) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto destroy = [] {
    auto pool = std::make_unique<ReactorPool>(2);
    pool->call_from_thread(0, [&](Reactor&) { pool.reset(); });
    pool->run();
  };
  EXPECT_DEATH(destroy(), "destroyed in a thread that runs one of its reactors");
}

TEST(ReactorPool, RunsNothingWhenAThreadCannotBeBound) {
  for (const int core : {1'000'000, 1'023, -1}) {
    ReactorPoolOptions options;
    options.cores = {usable_cores().front(), core};
    ReactorPool pool(2, options);
    EXPECT_THROW(pool.run(), AffinityError);
    EXPECT_THROW(pool.start(), AffinityError);
    EXPECT_FALSE(pool.running());
  }
}

#endif

// A loop that does nothing but what other threads ask for, and breaks when it is told to.
class FragileReactor final : public BasicReactor {
 public:
  ~FragileReactor() override { end(); }
  [[nodiscard]] std::string_view name() const noexcept override { return "fragile"; }
  [[nodiscard]] TimePoint now() const override { return std::chrono::steady_clock::now(); }
  ListeningPort listen_tcp(Port, std::shared_ptr<Factory>, const ListenOptions&) override {
    throw NotSupportedOnThisPlatform("no ports");
  }
  Deferred<std::shared_ptr<Protocol>> connect_tcp(std::string, Port, std::shared_ptr<Factory>,
                                                  const ConnectOptions&) override {
    throw NotSupportedOnThisPlatform("no connections");
  }
  Watch watch(Descriptor, Interest, Callback, CallPlace) override {
    throw NotSupportedOnThisPlatform("no descriptors");
  }
  void break_down() { broken_ = true; }

 private:
  void wait(std::optional<TimePoint> until) override {
    if (broken_) throw std::runtime_error("the loop broke");
    std::unique_lock lock(mutex_);
    const auto woken = [this] { return std::exchange(woken_, false); };
    until ? static_cast<void>(wakes_.wait_until(lock, *until, woken)) : wakes_.wait(lock, woken);
  }
  void wake() noexcept override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    wakes_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable wakes_;
  bool woken_ = false;
  bool broken_ = false;
};

std::string fragile() {
  static const bool registered = [] {
    register_reactor("fragile", [] { return std::make_unique<FragileReactor>(); });
    return true;
  }();
  return registered ? "fragile" : "";
}

TEST(ReactorPool, EndsWithTheErrorThatOneOfItsReactorsDiesOf) {
  const testing::LogCapture log;
  ReactorPool pool(3, on(fragile()));
  std::atomic<int> in_order = 0;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    pool.reactor(i).add_system_event_trigger(Phase::after, SystemEvent::shutdown,
                                             [&] { ++in_order; });
  }
  pool.start();
  pool.call_from_thread(
      1, [](Reactor& reactor) { dynamic_cast<FragileReactor&>(reactor).break_down(); });
  try {
    pool.join();
    FAIL() << "nobody heard of it";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "the loop broke");
  }
  EXPECT_EQ(in_order, 2);
  EXPECT_TRUE(log.contains("Reactor 1 of a pool died"));
  EXPECT_FALSE(pool.call_from_thread(1, [](Reactor&) {}));
}

TEST(ReactorPool, CannotShareAPortAmongReactorsThatCannot) {
  ReactorPool pool(2, on(fragile()));
  const auto make = [](Reactor&) -> std::shared_ptr<Factory> { return nullptr; };
  EXPECT_THROW(pool.listen_tcp(0, make), NotSupportedOnThisPlatform);
}

// ---- calls

TEST_P(ReactorPools, BringResultsToTheReactorThatAskedForThem) {
  pool_.start();
  const auto told = in_reactor(pool_, 0, [&](Reactor&) {
    // [call_on]
    const auto here = std::this_thread::get_id();
    return pool_
        .call_on(1,
                 [&](Reactor& reactor) {
                   EXPECT_EQ(&reactor, &Reactor::current());
                   return *pool_.index() * 10;
                 })
        .add_callback([&, here](std::size_t ten) {
          EXPECT_EQ(std::this_thread::get_id(), here);
          return ten + *pool_.index();
        });
    // [call_on]
  });
  EXPECT_EQ(told, 10U);
}

TEST_P(ReactorPools, CallTheirOwnReactorLaterTooAndInOrder) {
  pool_.start();
  const auto order = in_reactor(pool_, 2, [&](Reactor&) {
    const auto seen = std::make_shared<std::string>();
    auto first = pool_.call_on(2, [seen](Reactor&) { *seen += "b"; });
    auto second = pool_.call_on(2, [seen](Reactor&) { *seen += "c"; });
    *seen += "a";
    return gather_results(std::move(first), std::move(second)).add_callback([seen](auto&&) {
      return *seen;
    });
  });
  EXPECT_EQ(order, "abc");
}

TEST_P(ReactorPools, WaitForTheDeferredThatACallReturns) {
  pool_.start();
  const auto result = in_reactor(pool_, 0, [&](Reactor&) {
    return pool_.call_on(1, [](Reactor& reactor) {
      Promise<int> later;
      auto deferred = later.deferred();
      reactor.call_later(Duration::zero(),
                         [later = std::move(later)]() mutable { later.callback(7); });
      return deferred;
    });
  });
  EXPECT_EQ(result, 7);
}

TEST_P(ReactorPools, BringBackWhatACallThrows) {
  pool_.start();
  EXPECT_THROW(in_reactor(pool_, 0,
                          [&](Reactor&) {
                            return pool_.call_on(
                                1, [](Reactor&) -> int { throw TimeoutError("too late"); });
                          }),
               TimeoutError);
}

TEST_P(ReactorPools, GatherTheAnswersOfAllReactors) {
  pool_.start();
  const auto answers = in_reactor(pool_, 1, [&](Reactor&) {
    return pool_.call_on_all([&](Reactor&) { return *pool_.index(); });
  });
  EXPECT_EQ(answers, (std::vector<std::size_t>{0, 1, 2}));
}

TEST_P(ReactorPools, RefuseAResultThatCouldNotComeBack) {
  EXPECT_THROW(static_cast<void>(pool_.call_on(1, [](Reactor&) {})), WrongThreadError);
  EXPECT_THROW(Topic<int>(pool_).publish(1), WrongThreadError);
}

TEST_P(ReactorPools, FailACallToAReactorThatHasEnded) {
  std::optional<Promise<void>> lasting;
  pool_.reactor(0).add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                            [&] { return lasting.emplace().deferred(); });
  pool_.start();
  pool_.stop();
  ASSERT_TRUE(eventually([&] { return !pool_.call_from_thread(1, [](Reactor&) {}); }));
  EXPECT_THROW(
      in_reactor(pool_, 0, [&](Reactor&) { return pool_.call_on(1, [](Reactor&) { return 1; }); }),
      NotRunningError);
  pool_.call_from_thread(0, [&](Reactor&) { lasting->callback(); });
  pool_.join();
}

TEST_P(ReactorPools, FailTheCallsWhoseResultsHaveNotComeWhenTheyEnd) {
  std::vector<Promise<int>> never(pool_.size());
  std::atomic<int> failed = 0;
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    pool_.call_from_thread(i, [&, i](Reactor&) {
      const auto next = (i + 1) % pool_.size();
      const auto told = pool_.call_on(next, [&, next](Reactor&) { return never[next].deferred(); })
                            .add_callbacks([](int) {},
                                           [&](const Failure& failure) {
                                             EXPECT_NE(failure.check<NotRunningError>(), nullptr);
                                             ++failed;
                                           });
    });
  }
  pool_.start();
  pool_.stop();
  pool_.join();
  EXPECT_EQ(failed, 3);
  for (auto& promise : never)
    promise.callback(0);
}

// ---- topics

struct Message {
  std::size_t publisher;
  int number;
};

TEST_P(ReactorPools, DeliverWhatIsPublishedToAllReactorsInTheOrderOfEachPublisher) {
  constexpr int messages = 500;
  Topic<Message> topic(pool_);
  std::vector<std::vector<int>> next(pool_.size(), std::vector<int>(pool_.size(), 0));
  std::vector<Subscription> subscriptions(pool_.size());
  std::atomic<int> heard = 0;
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    pool_.call_from_thread(i, [&, i](Reactor&) {
      subscriptions[i] = topic.subscribe([&, i](const Message& message) {
        EXPECT_EQ(pool_.index(), i);
        EXPECT_EQ(next[i][message.publisher]++, message.number);
        ++heard;
      });
    });
  }
  pool_.start();
  // All have subscribed, then all publish, a few at a time.
  static_cast<void>(
      in_reactor(pool_, 0, [&](Reactor&) { return pool_.call_on_all([](Reactor&) {}); }));
  for (int number = 0; number < messages; number += 10) {
    pool_.call_all_from_thread([&, number](Reactor&) {
      for (int i = number; i < number + 10; ++i)
        topic.publish({*pool_.index(), i});
    });
  }
  EXPECT_TRUE(eventually([&] { return heard == 9 * messages; }));
  pool_.call_all_from_thread([&](Reactor&) { subscriptions[*pool_.index()].cancel(); });
  pool_.stop();
  pool_.join();
}

TEST_P(ReactorPools, DeliverTogetherWhatIsPublishedTogether) {
  Topic<int> topic(pool_);
  pool_.start();
  const auto subscription = std::make_shared<Subscription>();
  const auto together = std::make_shared<int>(0);
  std::promise<int> all;
  in_reactor(pool_, 1, [&](Reactor& reactor) {
    *subscription = topic.subscribe([&, together](int number) {
      ++*together;
      // Comes after this turn, and would be before the next.
      if (number == 0) {
        reactor.call_later(Duration::zero(), [&, together] { all.set_value(*together); });
      }
    });
  });
  pool_.call_from_thread(0, [&](Reactor&) {
    for (int i = 0; i < 100; ++i)
      topic.publish(i);
  });
  EXPECT_EQ(testing::wait_for(all.get_future()), 100);
  in_reactor(pool_, 1, [&](Reactor&) { subscription->cancel(); });
}

TEST_P(ReactorPools, LetSubscribersComeAndGoWhileTheyAreCalled) {
  Topic<int> topic(pool_);
  pool_.start();
  std::string heard;
  Subscription first;
  Subscription second;
  Subscription third;
  in_reactor(pool_, 1, [&](Reactor&) {
    first = topic.subscribe([&](int number) {
      heard += "a" + std::to_string(number);
      second.cancel();
      if (!third.active()) {
        third = topic.subscribe([&](int late) { heard += "c" + std::to_string(late); });
      }
      first.cancel();
      EXPECT_FALSE(first.active());
    });
    second = topic.subscribe([&](int) { heard += "b"; });
    topic.publish(1);
    topic.publish(2);
  });
  EXPECT_EQ(in_reactor(pool_, 1, [&](Reactor&) { return heard; }), "a1c2");
  in_reactor(pool_, 1, [&](Reactor&) { third.cancel(); });
}

TEST_P(ReactorPools, LetSubscribersTakeOthersWithThemWhenTheyGo) {
  Topic<int> topic(pool_);
  pool_.start();
  std::string heard;
  std::vector<Subscription> subscriptions;
  Subscription going;
  in_reactor(pool_, 0, [&](Reactor&) {
    const auto add = [&](std::string name) {
      return topic.subscribe([&heard, name = std::move(name)](int) { heard += name; });
    };
    auto taken = std::make_shared<Subscription>(add("a"));
    // Ends another subscription and begins one, in the middle of it all.
    auto held = std::shared_ptr<void>(nullptr, [&, add, taken](void*) {
      taken->cancel();
      subscriptions.push_back(add("z"));
    });
    going = topic.subscribe([&, held](int) {
      heard += "b";
      going.cancel();
    });
    held.reset();
    for (const auto* const name : {"c", "d", "e"})
      subscriptions.push_back(add(name));
    topic.publish(1);
  });
  in_reactor(pool_, 0, [&](Reactor&) { topic.publish(2); });
  EXPECT_EQ(in_reactor(pool_, 0, [&](Reactor&) { return heard; }), "abcdecdez");
  in_reactor(pool_, 0, [&](Reactor&) { subscriptions.clear(); });
}

TEST_P(ReactorPools, CallSubscribersInTheContextOfTheirSubscription) {
  static const ContextVar<std::string> request("request", "none");
  Topic<int> topic(pool_);
  std::vector<Subscription> subscriptions(pool_.size());
  std::vector<std::string> heard(pool_.size());
  pool_.start();
  for (std::size_t i = 0; i < 2; ++i) {
    in_reactor(pool_, i, [&, i](Reactor&) {
      // The second one subscribes where nothing is set.
      const auto subscribe = [&, i] {
        subscriptions[i] = topic.subscribe([&, i](int) { heard[i] += request.get() + ' '; });
      };
      if (i == 1) return subscribe();
      const auto scope = request.scoped("subscriber");
      subscribe();
    });
  }
  in_reactor(pool_, 0, [&](Reactor&) {
    const auto scope = request.scoped("publisher");
    topic.publish(1);
    topic.publish(2);
  });
  EXPECT_TRUE(eventually(
      [&] { return in_reactor(pool_, 1, [&](Reactor&) { return heard[1]; }) == "none none "; }));
  EXPECT_EQ(in_reactor(pool_, 0, [&](Reactor&) { return heard[0]; }), "subscriber subscriber ");
  for (std::size_t i = 0; i < 2; ++i)
    in_reactor(pool_, i, [&, i](Reactor&) { subscriptions[i].cancel(); });
}

TEST_P(ReactorPools, CallTheOtherSubscribersThoughOneThrows) {
  const testing::LogCapture log;
  Topic<int> topic(pool_);
  pool_.start();
  int heard = 0;
  std::vector<Subscription> subscriptions;
  in_reactor(pool_, 0, [&](Reactor&) {
    subscriptions.push_back(topic.subscribe([](int) { throw std::runtime_error("not for me"); }));
    subscriptions.push_back(topic.subscribe([&](int number) { heard = number; }));
    topic.publish(5);
  });
  EXPECT_EQ(in_reactor(pool_, 0, [&](Reactor&) { return heard; }), 5);
  EXPECT_TRUE(log.contains("not for me"));
  in_reactor(pool_, 0, [&](Reactor&) { subscriptions.clear(); });
}

}  // namespace
}  // namespace weft
