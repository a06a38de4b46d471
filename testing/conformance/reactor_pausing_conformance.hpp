// How the ports of every reactor are paused.
#pragma once

#include "reactor_suite.hpp"

namespace weft::testing {

/// A port that accepts nobody to begin with, and who connects to it.
class PausedPort {
 public:
  explicit PausedPort(Reactor& reactor)
      : port(reactor.listen_tcp(0, factory_from([this] { return build(); }), on_loopback())),
        reactor_(reactor) {
    port.pause_accepting();
  }
  ~PausedPort() { port.stop(); }
  PausedPort(const PausedPort&) = delete;
  PausedPort& operator=(const PausedPort&) = delete;

  /// Connects one after the other, each with a letter as its name: "abc" are three.
  void connect_all(const std::string& names) {
    for (const char name : names) {
      const auto client = std::make_shared<AccumulatingProtocol>();
      client->on_made = [name](AccumulatingProtocol& self) {
        self.way().write(std::string(1, name));
      };
      const auto connecting = reactor_.connect_tcp("127.0.0.1", port.address().port(),
                                                   factory_from([client] { return client; }));
      ASSERT_TRUE(spin_reactor_until(reactor_, [&] { return connecting.ready(); }));
      clients.push_back(client);
    }
  }
  /// Runs until those have said their names, in the order in which they were accepted.
  [[nodiscard]] bool hears(const std::string& names) {
    return spin_reactor_until(reactor_, [&] {
      std::string all;
      for (const auto& guest : guests)
        all += guest->data;
      return all == names;
    });
  }

  ListeningPort port;
  std::vector<std::shared_ptr<AccumulatingProtocol>> clients;
  std::vector<std::shared_ptr<AccumulatingProtocol>> guests;
  std::function<void()> on_build;
  std::function<void()> on_made;

 private:
  std::shared_ptr<Protocol> build() {
    guests.push_back(std::make_shared<AccumulatingProtocol>());
    guests.back()->on_made = [this](AccumulatingProtocol&) {
      if (on_made) on_made();
    };
    if (on_build) on_build();
    return guests.back();
  }

  Reactor& reactor_;
};

TEST_P(ReactorConformance, AcceptsNobodyWhileAPortIsPausedAndThenAllInTheOrderInWhichTheyCame) {
  PausedPort paused(*reactor_);
  auto& port = paused.port;
  port.resume_accepting();
  paused.connect_all("a");
  ASSERT_TRUE(paused.hears("a"));
  port.pause_accepting();
  port.pause_accepting();
  EXPECT_TRUE(port.listening());
  EXPECT_FALSE(port.accepting());
  paused.connect_all("bcd");
  spin();
  EXPECT_EQ(paused.guests.size(), 1U);
  // Who is in already is served as ever.
  paused.guests[0]->way().write("hello");
  EXPECT_TRUE(spin_until([&] { return paused.clients[0]->data == "hello"; }));
  // Pauses are counted.
  port.resume_accepting();
  EXPECT_FALSE(port.accepting());
  spin();
  port.resume_accepting();
  EXPECT_TRUE(port.accepting());
  EXPECT_EQ(paused.guests.size(), 1U);
  paused.connect_all("e");
  EXPECT_TRUE(paused.hears("abcde"));
  EXPECT_EQ(port.connections(), 5U);
}

TEST_P(ReactorConformance, MayPauseAPortInBuildProtocolAndInConnectionMade) {
  PausedPort paused(*reactor_);
  for (auto* const callback : {&paused.on_build, &paused.on_made}) {
    paused.guests.clear();
    paused.connect_all("abcd");
    *callback = [&] {
      if (paused.guests.size() % 2 == 0) paused.port.pause_accepting();
    };
    for (const std::string heard : {"ab", "abcd"}) {
      paused.port.resume_accepting();
      ASSERT_TRUE(paused.hears(heard));
      spin();
      EXPECT_EQ(paused.guests.size(), heard.size());
      EXPECT_FALSE(paused.port.accepting());
    }
    *callback = nullptr;
  }
}

TEST_P(ReactorConformance, DoesWithAPortWhatItWasToldLastBeforeTheLoopComesRound) {
  PausedPort paused(*reactor_);
  auto& port = paused.port;
  paused.connect_all("ab");
  port.resume_accepting();
  port.pause_accepting();
  spin();
  EXPECT_TRUE(paused.guests.empty());
  // In the middle of those who are accepted one after the other, it makes no difference.
  paused.on_build = [&] {
    port.pause_accepting();
    port.resume_accepting();
  };
  port.resume_accepting();
  port.pause_accepting();
  port.resume_accepting();
  EXPECT_TRUE(paused.hears("ab"));
  paused.connect_all("c");
  EXPECT_TRUE(paused.hears("abc"));
}

TEST_P(ReactorConformance, ClosesWhoWaitsForAPausedPortThatStops) {
  PausedPort paused(*reactor_);
  auto& port = paused.port;
  paused.connect_all("a");
  spin();
  const auto stopped = port.stopped();
  port.stop();
  EXPECT_TRUE(spin_until([&] { return stopped.ready() && paused.clients[0]->lost(); }));
  port.resume_accepting();
  port.pause_accepting();
  port.resume_accepting();
  spin();
  EXPECT_FALSE(port.accepting());
  EXPECT_TRUE(paused.guests.empty());
  EXPECT_TRUE(port.drained().ready());
}

TEST_P(ReactorConformance, MayStopAPortBetweenAPauseAndItsNextConnection) {
  for (const bool in_callback : {false, true}) {
    PausedPort paused(*reactor_);
    paused.connect_all("ab");
    spin();
    if (in_callback) paused.on_build = [&] { paused.port.stop(); };
    paused.port.resume_accepting();
    if (!in_callback) paused.port.stop();
    EXPECT_TRUE(paused.hears(in_callback ? "a" : ""));
    EXPECT_TRUE(spin_until([&] { return paused.clients[1]->lost(); }));
    EXPECT_EQ(paused.guests.size(), in_callback ? 1U : 0U);
    EXPECT_EQ(paused.clients[0]->lost(), !in_callback);
  }
}

TEST_P(ReactorConformance, MayEndWhileSomebodyWaitsForAPausedPort) {
  PausedPort paused(*reactor_);
  paused.connect_all("ab");
  spin();
  reactor_.reset();
  EXPECT_TRUE(paused.clients[0]->lost() && paused.clients[1]->lost());
  EXPECT_TRUE(paused.guests.empty());
  paused.port.resume_accepting();
  EXPECT_FALSE(paused.port.listening());
}

TEST_P(ReactorConformance, ServesWhoStayedWhenAnotherLeftAPausedPort) {
  PausedPort paused(*reactor_);
  paused.connect_all("ab");
  spin();
  paused.clients[0]->way().abort_connection();
  ASSERT_TRUE(spin_until([&] { return paused.clients[0]->lost(); }));
  paused.port.resume_accepting();
  EXPECT_TRUE(spin_until(
      [&] { return paused.port.connections() == 1 && paused.guests.back()->data == "b"; }));
  EXPECT_FALSE(paused.guests.back()->lost());
}

}  // namespace weft::testing
