#include "stream_server.hpp"

#include "../framework/coroutines/sleep.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/results.hpp"
#include "stream_listener.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::failure_result_of;
using testing::has_no_result;
using testing::MemoryReactor;
using testing::success_result_of;

Task<void> echo_lines(Stream& stream) {
  while (const auto line = co_await stream.read_line()) {
    if (*line == "quit") co_return;
    if (*line == "fail") throw std::runtime_error("no such command");
    co_await stream.write(*line + "\n");
  }
}

class StreamServer : public ::testing::Test {
 protected:
  const testing::LogCapture log_;
};

TEST_F(StreamServer, ServesEachConnectionByATaskAndClosesWhenThatHasEnded) {
  const auto peer = testing::connect(*stream_server(echo_lines));
  peer->deliver("one\ntwo");
  EXPECT_EQ(peer->value(), "one\n");
  peer->deliver("\nquit\nthree\n");
  EXPECT_EQ(peer->value(), "one\ntwo\n");
  EXPECT_FALSE(peer->connected());
  EXPECT_FALSE(peer->aborted());
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(StreamServer, AnswersAPeerThatHasEndedAndThenCloses) {
  const auto peer = testing::connect(*stream_server(echo_lines));
  peer->deliver("last\n");
  peer->deliver_end();
  EXPECT_EQ(peer->value(), "last\n");
  EXPECT_FALSE(peer->connected());
}

TEST_F(StreamServer, AbortsTheConnectionOfATaskThatFailsAndLogsItsName) {
  const auto peer = testing::connect(*stream_server(echo_lines));
  peer->deliver("fail\n");
  EXPECT_TRUE(peer->aborted());
  EXPECT_TRUE(log_.contains("echo_lines"));
  EXPECT_TRUE(log_.contains("no such command"));
  EXPECT_EQ(log_.lines().size(), 1U);
}

TEST_F(StreamServer, SaysNothingOfATaskThatTheLossOfItsConnectionEnds) {
  const auto peer = testing::connect(*stream_server(echo_lines));
  peer->deliver("half");
  peer->break_with(Failure(ConnectionReset("gone")));
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(StreamServer, CancelsATaskWhoseConnectionIsLostAndKeepsItsStreamWhileItCleansUp) {
  testing::ManualClock clock;
  std::vector<std::string> seen;
  std::weak_ptr<Protocol> kept;
  const auto serve = [&](Stream& stream) -> Task<void> {
    kept = stream.weak_from_this();
    try {
      co_await sleep(clock, 1h);
    } catch (const CancelledError&) {
      seen.emplace_back("cancelled");
    }
    co_await sleep(clock, 1s);
    seen.emplace_back(stream.loss() != nullptr ? "lost" : "open");
  };
  auto peer = testing::connect(*stream_server(serve));
  peer->break_with(Failure(ConnectionReset("gone")));
  peer.reset();
  EXPECT_EQ(seen, (std::vector<std::string>{"cancelled"}));
  EXPECT_FALSE(kept.expired());
  clock.advance(1s);
  EXPECT_EQ(seen, (std::vector<std::string>{"cancelled", "lost"}));
  EXPECT_TRUE(kept.expired());
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(StreamServer, RefusesNoFunction) {
  EXPECT_THROW(static_cast<void>(stream_server(nullptr)), InvalidArgument);
}

// ---- accepting and opening

class StreamPorts : public StreamServer {
 protected:
  static constexpr Port port = 7777;

  Deferred<StreamPtr> open() { return open_stream(reactor_, "localhost", port); }
  StreamPtr opened() {
    auto opening = open();
    reactor_.settle();
    return success_result_of(std::move(opening));
  }
  StreamListener listen(std::size_t max_backlog = StreamListener::default_max_backlog) {
    return listen_streams(reactor_, port, {}, max_backlog);
  }

  MemoryReactor reactor_;
};

TEST_F(StreamPorts, AreAcceptedFromAndTalkedToByCoroutines) {
  std::string heard;
  // [accept]
  const auto accept_all = [](StreamListener& listener) -> Task<void> {
    for (;;) {
      auto stream = co_await listener.accept();
      while (const auto data = co_await stream->read_some())
        co_await stream->write(*data);
    }
  };
  // [accept]
  // [open]
  const auto talk = [&]() -> Task<void> {
    const auto stream = co_await open_stream(reactor_, "localhost", port);
    co_await stream->write("hello");
    stream->lose_write_connection();
    heard = co_await stream->read_all();
    co_await stream->close();
  };
  // [open]
  auto listener = listen();
  auto accepting = ensure_deferred(accept_all(listener));
  for (int i = 0; i < 3; ++i) {
    heard.clear();
    auto talking = ensure_deferred(talk());
    reactor_.settle();
    success_result_of(std::move(talking));
    EXPECT_EQ(heard, "hello");
  }
  listener.close();
  static_cast<void>(failure_result_of<ListenerClosed>(std::move(accepting)));
  EXPECT_FALSE(listener.port().listening());
}

TEST_F(StreamPorts, GiveNoConnectionToOneWhoDroppedHisAccept) {
  auto listener = listen();
  static_cast<void>(listener.accept());
  auto waiting = listener.accept();
  const auto one = opened();
  EXPECT_NE(success_result_of(std::move(waiting)), nullptr);
}

TEST(StreamListeners, AreClosedOnceTheyWereMovedAway) {
  StreamListener before;
  const StreamListener after = std::move(before);
  before.close();
  static_cast<void>(failure_result_of<ListenerClosed>(before.accept()));
  EXPECT_EQ(before.backlog() + before.refused(), 0U);
  EXPECT_EQ(before.factory(), nullptr);
  EXPECT_NE(after.factory(), nullptr);
}

TEST_F(StreamPorts, KeepTheOrderOfThoseWhoComeAndOfThoseWhoWait) {
  auto listener = listen();
  const auto one = opened();
  const auto two = opened();
  success_result_of(one->write("1"));
  success_result_of(two->write("2"));
  reactor_.settle();
  EXPECT_EQ(listener.backlog(), 2U);
  const auto first = success_result_of(listener.accept());
  const auto second = success_result_of(listener.accept());
  EXPECT_EQ(success_result_of(first->read_some()), "1");
  EXPECT_EQ(success_result_of(second->read_some()), "2");
  auto a = listener.accept();
  auto b = listener.accept();
  auto c = listener.accept();
  a.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(a)));
  const auto three = opened();
  EXPECT_TRUE(b.ready());
  EXPECT_TRUE(has_no_result(c));
  c.cancel();
  static_cast<void>(success_result_of(std::move(b)));
}

TEST_F(StreamPorts, PauseTheirPortWhileTheBacklogIsFullAndRefuseNobody) {
  auto listener = listen(2);
  std::vector<StreamPtr> clients;
  for (const auto* const name : {"a", "b", "c", "d"}) {
    clients.push_back(opened());
    success_result_of(clients.back()->write(name));
  }
  EXPECT_EQ(listener.backlog(), 2U);
  EXPECT_FALSE(listener.port().accepting());
  for (const auto* const name : {"a", "b", "c", "d"}) {
    auto accepting = listener.accept();
    reactor_.settle();
    const auto stream = success_result_of(std::move(accepting));
    EXPECT_EQ(success_result_of(stream->read_some()), name);
  }
  EXPECT_TRUE(listener.port().accepting());
  EXPECT_EQ(listener.refused(), 0U);
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(StreamPorts, LetGoOfTheirPortWhenHalfOfTheBacklogIsFree) {
  auto listener = listen(4);
  std::vector<StreamPtr> clients;
  for (int i = 0; i < 5; ++i)
    clients.push_back(opened());
  for (const bool accepting : {false, true}) {
    EXPECT_NE(success_result_of(listener.accept()), nullptr);
    EXPECT_EQ(listener.port().accepting(), accepting);
  }
  EXPECT_EQ(listener.backlog(), 2U);
  reactor_.settle();
  EXPECT_EQ(listener.backlog(), 3U);
  EXPECT_TRUE(listener.port().accepting());
}

TEST_F(StreamPorts, WithoutABacklogLetNobodyComeUnlessSomebodyAccepts) {
  auto listener = listen(0);
  EXPECT_FALSE(listener.port().accepting());
  const auto one = opened();
  const auto two = opened();
  for (int i = 0; i < 2; ++i) {
    auto accepting = listener.accept();
    EXPECT_TRUE(has_no_result(accepting));
    reactor_.settle();
    EXPECT_NE(success_result_of(std::move(accepting)), nullptr);
    EXPECT_FALSE(listener.port().accepting());
  }
  EXPECT_EQ(listener.refused(), 0U);
}

TEST_F(StreamPorts, LetGoOfTheirPortForWhoAcceptsWhenAllWhoWaitedAreGone) {
  auto listener = listen(2);
  for (int i = 0; i < 2; ++i)
    opened()->abort();
  reactor_.settle();
  EXPECT_FALSE(listener.port().accepting());
  const auto client = opened();
  auto accepting = listener.accept();
  EXPECT_TRUE(has_no_result(accepting));
  reactor_.settle();
  EXPECT_NE(success_result_of(std::move(accepting)), nullptr);
}

TEST_F(StreamPorts, AbortWhoWaitsForAPausedPortWhenTheListenerCloses) {
  auto listener = std::make_optional(listen(1));
  const auto one = opened();
  const auto two = opened();
  auto first = one->read_some();
  auto second = two->read_some();
  listener.reset();
  reactor_.settle();
  static_cast<void>(failure_result_of<ConnectionLost>(std::move(first)));
  static_cast<void>(failure_result_of<ConnectionLost>(std::move(second)));
}

TEST_F(StreamPorts, LeaveAPortPausedThatSomebodyElseHasPaused) {
  auto listener = listen(1);
  auto port_handle = listener.port();
  port_handle.pause_accepting();
  auto accepting = listener.accept();
  const auto client = opened();
  reactor_.settle();
  EXPECT_TRUE(has_no_result(accepting));
  EXPECT_FALSE(port_handle.accepting());
  port_handle.resume_accepting();
  reactor_.settle();
  EXPECT_NE(success_result_of(std::move(accepting)), nullptr);
}

TEST_F(StreamPorts, LeaveAPortPausedThatSomebodyElsePausesMeanwhile) {
  auto listener = listen(1);
  auto port_handle = listener.port();
  const auto client = opened();
  EXPECT_FALSE(port_handle.accepting());
  port_handle.pause_accepting();
  EXPECT_NE(success_result_of(listener.accept()), nullptr);
  EXPECT_FALSE(port_handle.accepting());
  port_handle.resume_accepting();
  EXPECT_TRUE(port_handle.accepting());
}

TEST_F(StreamPorts, StayPausedForTheirBacklogWhenSomebodyElseResumes) {
  auto listener = listen(1);
  auto port_handle = listener.port();
  const auto client = opened();
  port_handle.pause_accepting();
  port_handle.resume_accepting();
  EXPECT_FALSE(port_handle.accepting());
  const auto later = opened();
  reactor_.settle();
  EXPECT_EQ(listener.refused(), 0U);
  EXPECT_EQ(listener.backlog(), 1U);
}

TEST_F(StreamPorts, KeepWhoComesWhenNobodyAcceptsAnyMore) {
  auto listener = listen(0);
  {
    auto accepting = listener.accept();
    accepting.cancel();
    static_cast<void>(failure_result_of<CancelledError>(std::move(accepting)));
  }
  const auto one = opened();
  const auto two = opened();
  reactor_.settle();
  EXPECT_EQ(listener.refused(), 0U);
  EXPECT_EQ(listener.backlog(), 1U);
  EXPECT_FALSE(listener.port().accepting());
  EXPECT_NE(success_result_of(listener.accept()), nullptr);
  auto second = listener.accept();
  reactor_.settle();
  EXPECT_NE(success_result_of(std::move(second)), nullptr);
}

TEST_F(StreamPorts, MayBeClosedWhereWhoAcceptsEndsThem) {
  auto listener = std::make_unique<StreamListener>(listen(1));
  auto& plain = *listener;
  auto ended = plain.accept().add_errback(
      [listener = std::move(listener)](const Failure&) mutable -> StreamPtr {
        listener.reset();
        return nullptr;
      });
  plain.close();
  EXPECT_EQ(success_result_of(std::move(ended)), nullptr);
}

TEST_F(StreamPorts, CloseTheirPortWhenAnotherIsAssigned) {
  auto listener = listen(1);
  const auto before = listener.port();
  StreamListener other(1);
  listener = std::move(other);
  EXPECT_FALSE(before.listening());
  EXPECT_EQ(other.factory(), nullptr);
}

TEST_F(StreamPorts, PauseAPortThatIsNamedLateAndLetGoOfTheOneBefore) {
  StreamListener listener(1);
  auto before = reactor_.listen_tcp(port, listener.factory());
  const auto one = opened();
  listener.set_port(before);
  EXPECT_FALSE(before.accepting());
  const auto after = reactor_.listen_tcp(port + 1, listener.factory());
  listener.set_port(after);
  EXPECT_TRUE(before.accepting());
  EXPECT_FALSE(after.accepting());
  before.stop();
}

TEST_F(StreamPorts, RefuseWhoComesAllTheSameWhenTheBacklogIsFullAndForgetWhoIsGone) {
  StreamListener listener(2);
  auto without_handle = reactor_.listen_tcp(port, listener.factory());
  auto one = opened();
  const auto two = opened();
  const auto three = opened();
  auto refused = three->read_some();
  reactor_.settle();
  EXPECT_FALSE(success_result_of(std::move(refused)).has_value());
  EXPECT_EQ(listener.refused(), 1U);
  EXPECT_TRUE(log_.contains("refused"));
  one->abort();
  reactor_.settle();
  const auto four = opened();
  EXPECT_EQ(listener.backlog(), 2U);
  EXPECT_EQ(listener.refused(), 1U);
}

TEST_F(StreamPorts, CloseTheConnectionWhoseLastHandleIsDropped) {
  auto listener = listen();
  auto client = opened();
  auto server = success_result_of(listener.accept());
  success_result_of(server->write("bye"));
  server.reset();
  auto all = client->read_all();
  reactor_.settle();
  EXPECT_EQ(success_result_of(std::move(all)), "bye");
}

TEST_F(StreamPorts, AbortWhoWasNotAcceptedWhenTheListenerCloses) {
  auto listener = std::make_optional(listen());
  auto client = opened();
  auto read = client->read_some();
  listener.reset();
  reactor_.settle();
  static_cast<void>(failure_result_of<ConnectionLost>(std::move(read)));
  static_cast<void>(failure_result_of<ConnectError>([&] {
    auto again = open();
    reactor_.settle();
    return again;
  }()));
}

TEST_F(StreamPorts, FailWhoAcceptsWhenThePortStops) {
  auto listener = listen();
  auto accepting = listener.accept();
  auto port_handle = listener.port();
  port_handle.stop();
  reactor_.settle();
  static_cast<void>(failure_result_of<ListenerClosed>(std::move(accepting)));
  static_cast<void>(failure_result_of<ListenerClosed>(listener.accept()));
}

TEST_F(StreamPorts, AreListenedOnAndConnectedToThroughEndpoints) {
  const auto server = server_endpoint(
      [&](std::shared_ptr<Factory> factory) { return reactor_.listen_tcp(port, factory); });
  const auto client = client_endpoint([&](std::shared_ptr<Factory> factory) {
    return reactor_.connect_tcp("localhost", port, factory);
  });
  auto listening = listen_streams(*server);
  reactor_.settle();
  auto listener = success_result_of(std::move(listening));
  auto opening = open_stream(*client);
  reactor_.settle();
  const auto opened_stream = success_result_of(std::move(opening));
  EXPECT_NE(success_result_of(listener.accept()), nullptr);
}

}  // namespace
}  // namespace weft
