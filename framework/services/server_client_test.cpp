#include "../../testing/accumulating_protocol.hpp"
#include "../../testing/memory_reactor.hpp"
#include "../../testing/results.hpp"
#include "client_service.hpp"
#include "stream_server_service.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::AccumulatingProtocol;
using testing::failure_result_of;
using testing::has_no_result;
using testing::MemoryReactor;
using testing::StringTransport;
using testing::success_result_of;

struct Answering : Factory {
  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    built.push_back(std::make_shared<AccumulatingProtocol>());
    return built.back();
  }
  void start_factory() override {
    if (fails) throw std::runtime_error("no paper");
    ++starts;
  }
  void stop_factory() override {
    ++stops;
    if (on_stop) on_stop();
  }
  std::vector<std::shared_ptr<AccumulatingProtocol>> built;
  std::function<void()> on_stop;
  bool fails = false;
  int starts = 0;
  int stops = 0;
};

// ---- a server

struct Server : ::testing::Test {
  MemoryReactor reactor;
  std::shared_ptr<Answering> factory = std::make_shared<Answering>();

  std::shared_ptr<StreamServerService> serve(const StreamServerOptions& options = {}) {
    return std::make_shared<StreamServerService>(
        reactor, server_endpoint([this](std::shared_ptr<Factory> given) {
          return reactor.listen_tcp(80, std::move(given));
        }),
        factory, options);
  }
  std::shared_ptr<StreamServerService> started(const StreamServerOptions& options = {}) {
    auto service = serve(options);
    success_result_of(service->start_service());
    return service;
  }
  std::shared_ptr<StringTransport> come() {
    auto peer = reactor.connect_to(80);
    reactor.settle();
    return peer;
  }
};

// [memory]
TEST_F(Server, BindsAtItsPrivilegedStart) {
  auto service = serve();
  EXPECT_TRUE(reactor.ports().empty());
  success_result_of(service->privileged_start_service());
  EXPECT_EQ(reactor.ports().size(), 1U);
  EXPECT_EQ(service->port().address().port(), 80);
  success_result_of(service->stop_service());
  EXPECT_TRUE(reactor.ports().empty());
}
// [memory]

TEST_F(Server, FailsToStartWhereThePortIsTaken) {
  const auto other = reactor.listen_tcp(80, factory);
  auto service = serve();
  failure_result_of<AddressInUse>(service->start_service());
  EXPECT_EQ(service->state(), ServiceState::stopped);
}

TEST_F(Server, StopsListeningAndClosesItsConnections) {
  auto service = started();
  const auto peer = come();
  auto stopped = service->stop_service();
  EXPECT_TRUE(reactor.ports().empty());
  reactor.settle();
  success_result_of(std::move(stopped));
  EXPECT_TRUE(factory->built[0]->lost_with<ConnectionDone>());
}

TEST_F(Server, SendsWhatWasWrittenBeforeItCloses) {
  auto service = started();
  const auto peer = come();
  factory->built[0]->way().write("goodbye");
  auto stopped = service->stop_service();
  reactor.settle();
  success_result_of(std::move(stopped));
  EXPECT_EQ(peer->value(), "goodbye");
  EXPECT_TRUE(factory->built[0]->lost_with<ConnectionDone>());
}

// Who takes nothing is waited for, and cut at the deadline.
TEST_F(Server, CutsAtItsDeadlineWhoTakesNothing) {
  StreamServerOptions options;
  options.drain_deadline = 3s;
  auto service = started(options);
  const auto peer = come();
  peer->set_blocked(true);
  factory->built[0]->way().write("goodbye");
  auto stopped = service->stop_service();
  reactor.advance(2999ms);
  EXPECT_TRUE(has_no_result(stopped));
  reactor.advance(1ms);
  success_result_of(std::move(stopped));
  EXPECT_TRUE(factory->built[0]->lost_with<LingerTimeout>());
}

TEST_F(Server, CutsAtOnceWhenItIsAborted) {
  auto service = started();
  const auto peer = come();
  peer->set_blocked(true);
  factory->built[0]->way().write("goodbye");
  auto stopped = service->stop_service();
  reactor.settle();
  EXPECT_TRUE(has_no_result(stopped));
  service->abort_service();
  reactor.settle();
  success_result_of(std::move(stopped));
}

TEST_F(Server, LetsConnectionsFinishByThemselvesForAsLongAsItWasTold) {
  StreamServerOptions options;
  options.finish_time = 10s;
  bool told = false;
  factory->on_stop = [&] { told = true; };
  auto service = started(options);
  const auto first = come();
  const auto second = come();
  auto stopped = service->stop_service();
  EXPECT_TRUE(told);
  reactor.advance(5s);
  EXPECT_FALSE(factory->built[0]->lost());
  factory->built[0]->way().lose_connection();
  reactor.advance(4999ms);
  EXPECT_TRUE(factory->built[0]->lost());
  EXPECT_FALSE(factory->built[1]->lost());
  reactor.advance(1ms);
  success_result_of(std::move(stopped));
  EXPECT_TRUE(factory->built[1]->lost_with<ConnectionDone>());
}

TEST_F(Server, StopsAsSoonAsTheLastConnectionHasFinished) {
  StreamServerOptions options;
  options.finish_time = 1h;
  auto service = started(options);
  const auto peer = come();
  auto stopped = service->stop_service();
  peer->lose_connection();
  reactor.settle();
  success_result_of(std::move(stopped));
  EXPECT_EQ(reactor.pending_calls(), 0U);
}

TEST_F(Server, ListensAgainWhenItIsStartedAgain) {
  auto service = started();
  const auto peer = come();
  auto stopped = service->stop_service();
  auto again = service->start_service();
  reactor.settle();
  success_result_of(std::move(stopped));
  success_result_of(std::move(again));
  EXPECT_EQ(reactor.ports().size(), 1U);
}

TEST_F(Server, StopsListeningWhenItIsDestroyed) {
  auto service = started();
  service.reset();
  EXPECT_TRUE(reactor.ports().empty());
}

TEST_F(Server, RefusesWhatItCannotServeWith) {
  EXPECT_THROW(StreamServerService(reactor, nullptr, factory), InvalidArgument);
  StreamServerOptions options;
  options.drain_deadline = -1s;
  EXPECT_THROW(static_cast<void>(serve(options)), InvalidArgument);
}

// ---- a client

ClientServiceOptions steady() {
  ClientServiceOptions options;
  options.reconnect.jitter = 0;
  return options;
}

using Connection = Deferred<std::shared_ptr<Protocol>>;

struct Client : ::testing::Test {
  MemoryReactor reactor;
  std::shared_ptr<Answering> factory = std::make_shared<Answering>();
  ClientServiceOptions options = steady();
  std::shared_ptr<ClientService> service;
  // The preparation of the last connection, for those tests that want one.
  std::optional<Promise<void>> preparation;
  int cancelled_preparations = 0;

  Client() { reactor.set_connects(MemoryReactor::Connects::by_hand); }
  ~Client() override {
    if (service) static_cast<void>(service->stop_service());
    reactor.settle();
  }
  void with_preparation() {
    options.prepare_connection = [this](const std::shared_ptr<Protocol>& protocol) {
      EXPECT_EQ(protocol, factory->built.back());
      return preparation.emplace([this] { ++cancelled_preparations; }).deferred();
    };
  }
  void start() {
    service = std::make_shared<ClientService>(
        reactor, client_endpoint([this](std::shared_ptr<Factory> given) {
          return reactor.connect_tcp("example.com", 7, std::move(given));
        }),
        factory, options);
    success_result_of(service->start_service());
    reactor.settle();
  }
  [[nodiscard]] bool tries() const { return !reactor.connects().empty(); }
  std::shared_ptr<StringTransport> accept() {
    auto peer = reactor.connects().at(0).succeed();
    reactor.settle();
    return peer;
  }
  void refuse() {
    reactor.connects().at(0).fail(make_failure<ConnectionRefused>("Nobody listens."));
    reactor.settle();
  }
  void lose(const std::shared_ptr<StringTransport>& peer) {
    peer->break_with(make_failure<ConnectionReset>("It broke."));
    reactor.settle();
  }
};

TEST_F(Client, StartsWithoutWaitingForItsConnection) {
  start();
  EXPECT_TRUE(service->running());
  EXPECT_FALSE(service->connected());
  EXPECT_TRUE(tries());
}

TEST_F(Client, GivesItsConnectionToThoseBeforeAndAfter) {
  start();
  auto before = service->when_connected();
  const auto peer = accept();
  EXPECT_TRUE(service->connected());
  EXPECT_EQ(success_result_of(std::move(before)), factory->built[0]);
  EXPECT_EQ(success_result_of(service->when_connected()), factory->built[0]);
}

TEST_F(Client, WaitsOneAndAHalfTimesLongerAfterEachFailureUpToAMinute) {
  start();
  Duration expected = 1s;
  for (int failures = 0; failures < 15; ++failures) {
    ASSERT_TRUE(tries()) << failures;
    refuse();
    reactor.advance(expected - 1ms);
    ASSERT_FALSE(tries()) << failures;
    reactor.advance(2ms);
    expected = std::min<Duration>(60s, expected * 3 / 2);
  }
  EXPECT_EQ(expected, 60s);
}

TEST_F(Client, ConnectsAgainWhenTheConnectionWasLost) {
  start();
  const auto peer = accept();
  lose(peer);
  EXPECT_FALSE(service->connected());
  auto next = service->when_connected();
  reactor.advance(1s);
  const auto second = accept();
  EXPECT_EQ(success_result_of(std::move(next)), factory->built[1]);
}

TEST_F(Client, FailsThoseWhoHaveSeenEnoughFailures) {
  start();
  auto patient = service->when_connected();
  auto hasty = service->when_connected(1);
  auto medium = service->when_connected(2);
  refuse();
  failure_result_of<ConnectionRefused>(std::move(hasty));
  EXPECT_TRUE(has_no_result(medium));
  reactor.advance(1s);
  refuse();
  failure_result_of<ConnectionRefused>(std::move(medium));
  EXPECT_TRUE(has_no_result(patient));
  reactor.advance(2s);
  const auto peer = accept();
  success_result_of(std::move(patient));
  EXPECT_THROW(static_cast<void>(service->when_connected(-1)), InvalidArgument);
}

TEST_F(Client, StoppedWhileItConnectsCancelsTheAttempt) {
  start();
  auto waiting = service->when_connected();
  auto stopped = service->stop_service();
  failure_result_of<CancelledError>(std::move(waiting));
  reactor.settle();
  success_result_of(std::move(stopped));
  EXPECT_FALSE(tries());
  EXPECT_EQ(factory->stops, 1);
}

TEST_F(Client, StoppedWhileItPausesTriesNoMore) {
  start();
  refuse();
  auto waiting = service->when_connected();
  success_result_of(service->stop_service());
  failure_result_of<CancelledError>(std::move(waiting));
  EXPECT_EQ(reactor.pending_calls(), 0U);
}

TEST_F(Client, StoppedWhileConnectedClosesAndWaits) {
  start();
  const auto peer = accept();
  peer->set_blocked(true);
  auto stopped = service->stop_service();
  reactor.settle();
  success_result_of(std::move(stopped));
  EXPECT_TRUE(factory->built[0]->lost_with<ConnectionDone>());
  reactor.advance(1h);
  EXPECT_FALSE(tries());
}

TEST_F(Client, StopsWaitingForAPeerThatTakesNothingWhenItsTimeIsUp) {
  start();
  const auto peer = accept();
  peer->set_blocked(true);
  factory->built[0]->way().write("a last word");
  auto stopped = service->stop_service();
  reactor.settle();
  EXPECT_TRUE(has_no_result(stopped));
  service->abort_service();
  reactor.settle();
  success_result_of(std::move(stopped));
  EXPECT_TRUE(factory->built[0]->lost_with<ConnectionAborted>());
}

TEST_F(Client, StartedWhileItStopsConnectsAgainAfterwards) {
  start();
  const auto peer = accept();
  peer->set_blocked(true);
  factory->built[0]->way().write("a last word");
  auto stopped = service->stop_service();
  auto again = service->start_service();
  reactor.settle();
  EXPECT_FALSE(tries());
  peer->set_blocked(false);
  peer->take(100);
  reactor.settle();
  success_result_of(std::move(stopped));
  success_result_of(std::move(again));
  EXPECT_TRUE(tries());
}

TEST_F(Client, IsConnectedOnlyOnceTheConnectionIsPrepared) {
  with_preparation();
  start();
  auto waiting = service->when_connected();
  const auto peer = accept();
  EXPECT_FALSE(service->connected());
  EXPECT_TRUE(has_no_result(waiting));
  preparation->callback();
  EXPECT_TRUE(service->connected());
  success_result_of(std::move(waiting));
}

TEST_F(Client, CountsAFailedPreparationAsAFailedAttempt) {
  with_preparation();
  start();
  auto hasty = service->when_connected(1);
  const auto peer = accept();
  preparation->errback(make_failure<ProtocolError>("Wrong password."));
  reactor.settle();
  failure_result_of<ProtocolError>(std::move(hasty));
  EXPECT_TRUE(factory->built[0]->lost());
  reactor.advance(999ms);
  EXPECT_FALSE(tries());
  reactor.advance(1ms);
  EXPECT_TRUE(tries());
}

TEST_F(Client, CountsAPreparationThatThrowsAsAFailedAttempt) {
  options.prepare_connection = [](const std::shared_ptr<Protocol>&) -> Deferred<void> {
    throw std::runtime_error("clumsy");
  };
  start();
  auto hasty = service->when_connected(1);
  const auto peer = accept();
  failure_result_of<std::runtime_error>(std::move(hasty));
}

TEST_F(Client, CancelsThePreparationOfAConnectionThatIsLost) {
  with_preparation();
  start();
  auto hasty = service->when_connected(1);
  const auto peer = accept();
  lose(peer);
  EXPECT_EQ(cancelled_preparations, 1);
  failure_result_of<ConnectionReset>(std::move(hasty));
  reactor.advance(1s);
  EXPECT_TRUE(tries());
}

TEST_F(Client, StoppedWhileItPreparesCancelsThatAndCloses) {
  with_preparation();
  start();
  auto waiting = service->when_connected();
  const auto peer = accept();
  auto stopped = service->stop_service();
  EXPECT_EQ(cancelled_preparations, 1);
  failure_result_of<CancelledError>(std::move(waiting));
  reactor.settle();
  success_result_of(std::move(stopped));
  EXPECT_TRUE(factory->built[0]->lost());
}

TEST_F(Client, BeginsWithShortPausesAgainOnceAConnectionWasPrepared) {
  with_preparation();
  start();
  for (int i = 0; i < 4; ++i) {
    refuse();
    reactor.advance(60s);
  }
  const auto peer = accept();
  preparation->callback();
  lose(peer);
  reactor.advance(1s);
  EXPECT_TRUE(tries());
}

TEST_F(Client, DoesNotStartWhenItsFactoryDoesNot) {
  factory->fails = true;
  service = std::make_shared<ClientService>(
      reactor, client_endpoint([this](std::shared_ptr<Factory> given) {
        return reactor.connect_tcp("example.com", 7, std::move(given));
      }),
      factory, options);
  failure_result_of<std::runtime_error>(service->start_service());
  EXPECT_EQ(service->state(), ServiceState::stopped);
}

TEST_F(Client, IsNotStoppedByItsReactorButByItsParent) {
  start();
  const auto peer = accept();
  bool connected = false;
  reactor.add_system_event_trigger(Phase::before, SystemEvent::shutdown,
                                   [&] { connected = service->connected(); });
  reactor.call_when_running([&] { reactor.stop(); });
  reactor.run();
  EXPECT_TRUE(connected);
}

TEST_F(Client, RefusesWhatItCannotConnectWith) {
  EXPECT_THROW(ClientService(reactor, nullptr, factory), InvalidArgument);
  options.reconnect.factor = 0.5;
  EXPECT_THROW(start(), InvalidArgument);
}

// What STARTTLS does: the transport below is exchanged, and the protocol must be told.
TEST_F(Client, TellsItsProtocolOfANewTransport) {
  start();
  const auto peer = accept();
  std::shared_ptr<Protocol> relay = peer->protocol();
  const auto other = std::make_shared<StringTransport>(reactor);
  relay->change_transport(other);
  factory->built[0]->way().write("secret");
  reactor.settle();
  EXPECT_EQ(peer->value(), "");
  relay->change_transport(peer);
}

}  // namespace
}  // namespace weft
