#include "../../framework/thread_pool.hpp"
#include "../../framework/turn.hpp"
#include "../../testing/accumulating_protocol.hpp"
#include "../../testing/conformance/reactor_fixture.hpp"
#include "../../testing/results.hpp"
#include "../make_reactor.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#ifndef _WIN32
#include "plain_peer_test.hpp"
#endif

namespace weft {
namespace {

using testing::AccumulatingProtocol;
using testing::on_loopback;
using testing::spin_reactor_until;

class AsioReactor : public ::testing::TestWithParam<std::string> {
 protected:
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
};

TEST_P(AsioReactor, MayEndBeforeTheConnectionsAndPortsThatItMade) {
  const auto client = std::make_shared<AccumulatingProtocol>();
  const auto server = std::make_shared<AccumulatingProtocol>();
  auto port = reactor_->listen_tcp(0, factory_from([server] { return server; }), on_loopback());
  const auto connecting = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                                factory_from([client] { return client; }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server->made(); }));
  reactor_.reset();
  EXPECT_TRUE(client->lost());
  EXPECT_TRUE(server->lost());
  EXPECT_FALSE(port.listening());
}

// Says when it is destroyed.
class Farewell {
 public:
  explicit Farewell(std::shared_ptr<std::promise<void>> said) : said_(std::move(said)) {}
  Farewell(Farewell&&) noexcept = default;
  ~Farewell() {
    if (said_ != nullptr) said_->set_value();
  }
  Farewell(const Farewell&) = delete;
  Farewell& operator=(const Farewell&) = delete;

 private:
  std::shared_ptr<std::promise<void>> said_;
};

TEST_P(AsioReactor, MayEndBeforeTheWorkInItsThreads) {
  std::promise<void> open;
  const auto done = std::make_shared<std::promise<void>>();
  reactor_->set_shutdown_deadline(std::chrono::milliseconds(50));
  const auto begun = std::make_shared<std::promise<void>>();
  auto result =
      defer_to_thread(*reactor_, [begun, opened = open.get_future(), farewell = Farewell(done)] {
        begun->set_value();
        opened.wait();
      });
  begun->get_future().wait();
  reactor_->call_when_running([this] { reactor_->stop(); });
  reactor_->run();
  reactor_.reset();
  open.set_value();
  done->get_future().wait();
  testing::failure_result_of<NotRunningError>(std::move(result));
}

#ifndef _WIN32

TEST_P(AsioReactor, StopsInOrderOnASignalAndGivesItBack) {
  bool in_order = false;
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                     [&] { in_order = true; });
  reactor_->call_when_running([] { std::raise(SIGTERM); });
  reactor_->run();
  EXPECT_TRUE(in_order);
  const auto before = std::signal(SIGTERM, SIG_DFL);
  EXPECT_EQ(before, SIG_DFL);
}

TEST_P(AsioReactor, EndsAtOnceOnASecondSignalWhileItsShutdownIsStuck) {
  Promise<void> never;
  reactor_->set_shutdown_deadline(std::chrono::hours(1));
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    reactor_->call_later(Duration::zero(), [] { std::raise(SIGINT); });
    return never.deferred();
  });
  reactor_->call_when_running([] { std::raise(SIGINT); });
  reactor_->run();
  EXPECT_FALSE(reactor_->running());
}

// What a forwarder does, whose both directions are held up and go on at once.
TEST_P(AsioReactor, ReadsOnWhenInputAndRoomComeTogether) {
  const auto server = std::make_shared<AccumulatingProtocol>();
  server->on_pause = [](AccumulatingProtocol& self) { self.way().pause_producing(); };
  server->on_resume = [](AccumulatingProtocol& self) { self.way().resume_producing(); };
  const auto port =
      reactor_->listen_tcp(0, factory_from([server] { return server; }), on_loopback());
  const PlainPeer peer(port.address().port());
  ASSERT_TRUE(spin_until([&] { return server->made(); }));
  server->way().set_write_buffer_limits(0, 0);
  std::size_t written = 0;
  while (server->events.back() != "pause") {
    server->way().write(std::string(10'000, 'x'));
    written += 10'000;
    reactor_->turn().settle();
  }
  // One round finds room for all that waits, and something to read.
  std::size_t taken = peer.take();
  peer.write("on");
  EXPECT_TRUE(spin_until([&] {
    taken += peer.take();
    return server->data == "on" && taken == written;
  }));
}

volatile std::sig_atomic_t signals_of_ours = 0;

TEST_P(AsioReactor, LeavesASignalThatTheApplicationHasTaken) {
  signals_of_ours = 0;
  std::signal(SIGTERM, [](int) { signals_of_ours = signals_of_ours + 1; });
  bool ran_on = false;
  reactor_->call_when_running([&] {
    std::raise(SIGTERM);
    reactor_->call_later(std::chrono::milliseconds(1), [&] {
      ran_on = true;
      reactor_->stop();
    });
  });
  reactor_->run();
  std::signal(SIGTERM, SIG_DFL);
  EXPECT_EQ(signals_of_ours, 1);
  EXPECT_TRUE(ran_on);
}

#else

TEST_P(AsioReactor, SaysThatWindowsHasNoDescriptorsToWatch) {
  EXPECT_THROW(static_cast<void>(reactor_->watch(3, Interest::readable, [] {})),
               NotSupportedOnThisPlatform);
}

#endif

INSTANTIATE_TEST_SUITE_P(Each, AsioReactor, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
