// How every reactor starts and stops.
#pragma once

#include "reactor_suite.hpp"

namespace weft::testing {

TEST_P(ReactorConformance, RunsStopsAndRunsAgain) {  // 200, 205, 207
  for (int time = 0; time < 3; ++time) {
    std::string order;
    reactor_->call_when_running([&] { order += "a"; });
    reactor_->call_when_running([&] {
      order += "b";
      EXPECT_TRUE(reactor_->running());
      reactor_->call_when_running([&] { order += "c"; });
      EXPECT_EQ(&Reactor::current(), reactor_.get());
      reactor_->stop();
    });
    EXPECT_FALSE(reactor_->running());
    run();
    EXPECT_EQ(order, "abc");
  }
}

TEST_P(ReactorConformance, RefusesToRunTwiceAndToStopWhenItDoesNotRun) {  // 200, 202
  EXPECT_THROW(reactor_->stop(), NotRunningError);
  reactor_->call_when_running([this] {
    EXPECT_THROW(reactor_->run(), AlreadyRunningError);
    reactor_->stop();
    EXPECT_THROW(reactor_->stop(), NotRunningError);
  });
  run();
  EXPECT_THROW(reactor_->stop(), NotRunningError);
}

TEST_P(ReactorConformance, KnowsWhichReactorRuns) {
  EXPECT_EQ(Reactor::current_or_null(), nullptr);
  EXPECT_THROW(static_cast<void>(Reactor::current()), NoReactorError);
}

TEST_P(ReactorConformance, ShutsDownInPhasesThatWait) {  // 197, 199
  const LogCapture log;
  std::string order;
  Promise<void> slow;
  reactor_->add_system_event_trigger(Phase::after, SystemEvent::shutdown,
                                     [&] { order += "after "; });
  reactor_->add_system_event_trigger(Phase::during, SystemEvent::shutdown,
                                     [&] { order += "during "; });
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    reactor_->call_later(std::chrono::milliseconds(1), [&] {
      order += "ready ";
      slow.callback();
    });
    return slow.deferred();
  });
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                     [] { throw std::runtime_error("in a trigger"); });
  const auto removed = reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                                          [&] { order += "removed "; });
  EXPECT_TRUE(reactor_->remove_system_event_trigger(removed));
  EXPECT_FALSE(reactor_->remove_system_event_trigger(removed));
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_EQ(order, "ready during after ");
  EXPECT_TRUE(log.contains("in a trigger"));
}

TEST_P(ReactorConformance, EndsByTheDeadlineWhenAPhaseDoesNot) {
  const LogCapture log;
  Promise<void> never;
  reactor_->set_shutdown_deadline(std::chrono::milliseconds(5));
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                     [&] { return never.deferred(); });
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_TRUE(log.contains("deadline"));
}

TEST_P(ReactorConformance, TellsEveryConnectionWhenItStopsThoughOneThrows) {  // 204
  const LogCapture log;
  client_->on_lost = [](auto&) { throw std::runtime_error("in connection_lost"); };
  const auto port = listen(server_);
  auto connecting = connect(port, client_);
  reactor_->call_later(Duration::zero(), [] {});
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_TRUE(client_->lost() && server_->lost());
  EXPECT_TRUE(server_->lost_with<ConnectionLost>() || server_->lost_with<ConnectionDone>());
  EXPECT_FALSE(port.listening());
}

TEST_P(ReactorConformance, TellsEachConnectionOnceWhenTheShutdownWaitsForOneToBeGone) {
  const auto port = listen(server_);
  auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  Promise<void> gone;
  int losses = 0;
  int inside = 0;
  client_->on_lost = [&](auto&) {
    EXPECT_EQ(++inside, 1) << "callbacks do not nest";
    ++losses;
    if (!gone.fired()) gone.callback();
    --inside;
  };
  server_->on_lost = [&](auto&) { EXPECT_EQ(inside, 0) << "within another's callback"; };
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    client_->way().lose_connection();
    return gone.deferred();
  });
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_EQ(losses, 1);
  EXPECT_TRUE(server_->lost());
}

TEST_P(ReactorConformance, RunsInTwoThreadsAtOnce) {  // 206
  const auto second = GetParam().make();
  std::atomic<int> ran = 0;
  std::thread other([&] {
    second->call_later(std::chrono::milliseconds(1), [&] {
      ++ran;
      second->stop();
    });
    second->run();
  });
  reactor_->call_later(std::chrono::milliseconds(1), [&] {
    ++ran;
    reactor_->stop();
  });
  run();
  other.join();
  EXPECT_EQ(ran, 2);
}

TEST_P(ReactorConformance, StartsInPhasesThatWait) {  // 197
  std::string order;
  Promise<void> slow;
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::startup, [&] {
    order += "before ";
    reactor_->call_later(std::chrono::milliseconds(1), [&] { slow.callback(); });
    return slow.deferred();
  });
  reactor_->add_system_event_trigger(Phase::during, SystemEvent::startup,
                                     [&] { order += "during "; });
  reactor_->add_system_event_trigger(Phase::after, SystemEvent::startup, [&] {
    order += "after ";
    reactor_->stop();
  });
  reactor_->call_when_running([&] { order += "running "; });
  run();
  EXPECT_EQ(order, "before running during after ");
}

TEST_P(ReactorConformance, MayBeGivenTriggersWhileTheyFire) {  // 198
  std::string order;
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::shutdown, [&] {
    order += "first ";
    reactor_->add_system_event_trigger(Phase::during, SystemEvent::shutdown,
                                       [&] { order += "second "; });
  });
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_EQ(order, "first second ");
}

TEST_P(ReactorConformance, MayBeStoppedWhileItStarts) {  // 200
  reactor_->add_system_event_trigger(Phase::before, SystemEvent::startup,
                                     [this] { reactor_->stop(); });
  bool shut_down = false;
  reactor_->add_system_event_trigger(Phase::after, SystemEvent::shutdown,
                                     [&] { shut_down = true; });
  run();
  EXPECT_TRUE(shut_down);
}

TEST_P(ReactorConformance, LogsACallWhenRunningThatThrowsAndGoesOn) {
  const LogCapture log;
  reactor_->call_when_running([] { throw std::runtime_error("at the start"); });
  reactor_->call_when_running([this] { reactor_->stop(); });
  run();
  EXPECT_TRUE(log.contains("at the start"));
}

TEST_P(ReactorConformance, ConnectsAgainAfterItWasStopped) {  // 207
  for (int time = 0; time < 2; ++time) {
    const auto client = std::make_shared<AccumulatingProtocol>();
    const auto server = std::make_shared<AccumulatingProtocol>();
    server->on_data = [this](auto&, BytesView) { reactor_->stop(); };
    client->on_made = [](AccumulatingProtocol& self) { self.way().write("stop"); };
    auto port = listen(server);
    auto connecting = connect(port, client);
    run();
    EXPECT_EQ(server->data, "stop");
    EXPECT_TRUE(client->lost() && server->lost());
    EXPECT_FALSE(port.listening());
  }
}

TEST_P(ReactorConformance, TellsItsConnectionsWhenItIsDestroyed) {  // 204
  const auto port = listen(server_);
  const auto connecting = connect(port, client_);
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  reactor_.reset();
  EXPECT_TRUE(client_->lost() && server_->lost());
  client_->way().write("to nobody");
  EXPECT_FALSE(client_->way().connected());
}

}  // namespace weft::testing
