#include "../framework/context.hpp"
#include "../framework/deferred.hpp"
#include "../framework/error.hpp"
#include "../framework/factory.hpp"
#include "../framework/transport.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::on_loopback;
using testing::spin_reactor_until;

const ContextVar<int> listened("listened", 0);
const ContextVar<int> session("session", 0);
const ContextVar<int> step("step", 0);
const ContextVar<int> client("client", 0);

// What a piece of code must find, whoever ran before it.
struct Expected {
  int listened;
  int session;
  int step;
  int client;
  static Expected now() {
    return {weft::listened.get(), weft::session.get(), weft::step.get(), weft::client.get()};
  }
  bool operator==(const Expected&) const = default;
};

// Sessions and clients that do what a seed says, each of which knows what it must find; all share
// one loop, and fire each other's deferreds.
class World {
 public:
  World(Reactor& reactor, unsigned seed) : reactor_(reactor), random_(seed) {
    const auto scope = listened.scoped(port_mark);
    port_ = reactor_.listen_tcp(
        0, factory_from([this] { return std::make_shared<Session>(*this); }), on_loopback());
  }

  // Lets so many clients come and go, at most `at_once` together.
  void run(int clients, std::size_t at_once) {
    while (clients > 0 || living_ > 0 || connecting_ > 0) {
      if (clients > 0 && peers_.size() < at_once) {
        --clients;
        add_client();
      }
      if (!peers_.empty()) pick(peers_)->poke();
      if (chance(4)) fire_one();
      reactor_.run_once(chance(3) ? 1ms : 0ms);
      expect({0, 0, 0, 0}, "the loop");
      // Enough is enough: the last ones would talk for ever.
      if (clients == 0 && !peers_.empty()) pick(peers_)->hang_up();
    }
    port_.stop();
    while (!pending_.empty())
      fire_one();
    ASSERT_TRUE(spin_reactor_until(reactor_, [this] {
      return ended_ == sessions_ && reactor_.pending_calls() == 0 && calls_from_threads_ == 0;
    }));
    EXPECT_EQ(ended_, sessions_);
  }

  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }
  [[nodiscard]] int checks() const { return checks_; }
  [[nodiscard]] int requests() const { return requests_; }

 private:
  static constexpr int port_mark = 77;

  void expect(const Expected& expected, const char* where) {
    ++checks_;
    const auto found = Expected::now();
    if (found == expected || faults_.size() > 20) return;
    faults_.push_back(std::string(where) + " found " + text(found) + " for " + text(expected));
  }
  static std::string text(const Expected& e) {
    return std::to_string(e.listened) + '/' + std::to_string(e.session) + '/' +
           std::to_string(e.step) + '/' + std::to_string(e.client);
  }
  bool chance(unsigned in) { return random_() % in == 0; }
  template <class T>
  T& pick(std::vector<T>& from) {
    return from[random_() % from.size()];
  }
  void fire_one() {
    if (pending_.empty()) return;
    std::swap(pick(pending_), pending_.back());
    auto promise = std::move(pending_.back());
    pending_.pop_back();
    promise.callback(1);
  }
  // What is set here must be seen nowhere.
  static void spoil() {
    session.set(-1);
    step.set(-1);
    client.set(-1);
  }
  Callback expecting(const Expected& expected, const char* where) {
    return [this, expected, where] {
      expect(expected, where);
      if (chance(2)) spoil();
      if (chance(4)) fire_one();
    };
  }
  void act(const Expected& mine);
  void act_once(const Expected& mine);

  class Session final : public Protocol {
   public:
    explicit Session(World& world) : world_(world), mine_{port_mark, 0, 0, 0} {
      world_.expect(mine_, "build_protocol");
      ++world_.living_;
      mine_.session = ++world_.sessions_;
      session.set(mine_.session);
      Context::current().on_exit([&world = world_] { ++world.ended_; });
    }
    void connection_made() override { world_.expect(mine_, "connection_made"); }
    void data_received(BytesView data) override {
      world_.expect(mine_, "data_received");
      ++world_.requests_;
      step.set(++mine_.step);
      transport().write(data);
      world_.act(mine_);
      if (world_.chance(40)) transport().lose_connection();
      if (world_.chance(40)) throw std::runtime_error("as the seed will have it");
    }
    void connection_lost(const Failure&) override {
      world_.expect(mine_, "connection_lost");
      --world_.living_;
    }

   private:
    World& world_;
    Expected mine_;
  };

  class Client final : public Protocol {
   public:
    Client(World& world, int number) : world_(world), mine_{0, 0, 0, number} {
      world_.expect(mine_, "a client's build_protocol");
      ++world_.living_;
    }
    void connection_made() override {
      world_.expect(mine_, "a client's connection_made");
      world_.peers_.push_back(this);
      step.set(++mine_.step);
      transport().write("x");
    }
    void data_received(BytesView) override {
      world_.expect(mine_, "a client's data_received");
      step.set(++mine_.step);
      world_.act(mine_);
    }
    void connection_lost(const Failure&) override {
      world_.expect(mine_, "a client's connection_lost");
      std::erase(world_.peers_, this);
      --world_.living_;
    }
    void poke() { transport().write("y"); }
    void hang_up() { transport().lose_connection(); }

   private:
    World& world_;
    Expected mine_;
  };

  void add_client() {
    const auto scope = client.scoped(++clients_);
    const Expected mine{0, 0, 0, clients_};
    ++connecting_;
    static_cast<void>(
        reactor_
            .connect_tcp("127.0.0.1", port_.address().port(), factory_from([this, n = clients_] {
                           return std::make_shared<Client>(*this, n);
                         }))
            .add_both([this, mine](const Outcome<std::shared_ptr<Protocol>>&) {
              expect(mine, "the outcome of a connect");
              --connecting_;
            }));
  }

  Reactor& reactor_;
  std::minstd_rand random_;
  ListeningPort port_;
  std::vector<Client*> peers_;
  std::vector<Promise<int>> pending_;
  std::vector<std::string> faults_;
  int living_ = 0;
  int connecting_ = 0;
  int sessions_ = 0;
  int clients_ = 0;
  int ended_ = 0;
  int checks_ = 0;
  int requests_ = 0;
  int calls_from_threads_ = 0;
};

void World::act(const Expected& mine) {
  for (auto i = random_() % 3; i > 0; --i) {
    act_once(mine);
    expect(mine, "a callback that goes on");
  }
}

void World::act_once(const Expected& mine) {
  auto nested = mine;
  nested.step = -5;
  switch (random_() % 7) {
    case 0:
      reactor_.call_later(std::chrono::microseconds(random_() % 3000), expecting(mine, "a timer"));
      break;
    case 1: {
      Promise<int> promise;
      static_cast<void>(promise.deferred().add_both(
          [this, call = expecting(mine, "a stage")](const Outcome<int>&) mutable { call(); }));
      pending_.push_back(std::move(promise));
      break;
    }
    case 2:
      fire_one();
      break;
    case 3: {
      const auto scope = step.scoped(-5);
      reactor_.call_later(0ms, expecting(nested, "a timer of a nested scope"));
      break;
    }
    case 4: {
      const auto quiet = Context::suppress();
      reactor_.call_later(0ms, expecting({0, 0, 0, 0}, "a timer without a context"));
      break;
    }
    case 5:
      ++calls_from_threads_;
      reactor_.call_from_thread([this, call = expecting(mine, "a call from a thread")]() mutable {
        --calls_from_threads_;
        call();
      });
      break;
    default:
      Context::current().run([] { spoil(); });
  }
}

TEST(ContextLeaks, AreNoneAmongThousandsOfInterleavedRequestsInMemory) {
  const testing::LogCapture expected_throws;
  int requests = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    testing::MemoryReactor reactor;
    World world(reactor, seed);
    world.run(40, 12);
    EXPECT_TRUE(world.faults().empty()) << "seed " << seed << ": " << world.faults().front();
    requests += world.requests();
  }
  EXPECT_GT(requests, 5000);
}

class ContextOnReactors : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
};

TEST_P(ContextOnReactors, NeverLeaksFromOneConnectionToAnother) {
  const testing::LogCapture expected_throws;
  World world(*reactor_, 7);
  world.run(30, 10);
  EXPECT_TRUE(world.faults().empty()) << world.faults().front();
  EXPECT_GT(world.checks(), 300);
}

// Runs the loop inside of its callback, which loses its connection meanwhile.
class Reentrant final : public Protocol {
 public:
  Reentrant(Reactor& reactor, std::vector<int>& seen) : reactor_(reactor), seen_(seen) {}
  void connection_made() override { session.set(1); }
  void data_received(BytesView) override {
    session.set(2);
    transport().abort_connection();
    EXPECT_TRUE(spin_reactor_until(reactor_, [this] { return lost_; }));
    // A loop destroys what was let go of when it comes round.
    for (int round = 0; round < 3; ++round)
      reactor_.run_once(0ms);
    // This is still there, and so is what was set inside.
    seen_.push_back(session.get());
  }
  void connection_lost(const Failure&) override {
    seen_.push_back(session.get());
    session.set(3);
    lost_ = true;
  }

 private:
  Reactor& reactor_;
  std::vector<int>& seen_;
  bool lost_ = false;
};

TEST_P(ContextOnReactors, IsThatOfItsConnectionInALoopInsideOfItsCallback) {
  const auto reactor = make_reactor(GetParam());
  std::vector<int> seen;
  auto port = reactor->listen_tcp(
      0, factory_from([&] { return std::make_shared<Reentrant>(*reactor, seen); }), on_loopback());
  class Talking final : public Protocol {
    void connection_made() override { transport().write("x"); }
    void data_received(BytesView) override {}
  };
  static_cast<void>(
      reactor->connect_tcp("127.0.0.1", port.address().port(), factory_for<Talking>()));
  EXPECT_TRUE(spin_reactor_until(*reactor, [&] { return seen.size() == 2; }));
  EXPECT_EQ(seen, (std::vector{2, 3}));
  EXPECT_TRUE(Context::current().empty());
}

INSTANTIATE_TEST_SUITE_P(All, ContextOnReactors, ::testing::ValuesIn(reactor_names()),
                         [](const auto& tested) { return tested.param; });

}  // namespace
}  // namespace weft
