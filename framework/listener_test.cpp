#include "listener.hpp"

#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/manual_clock.hpp"
#include "../testing/string_transport.hpp"
#include "context.hpp"
#include "error.hpp"
#include "listening_port.hpp"
#include "noting_factory_test.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::AccumulatingProtocol;
using testing::StringTransport;

// A port to which the test brings the connections.
class HandListener final : public Listener {
 public:
  HandListener(Clock& clock, std::shared_ptr<Factory> factory)
      : Listener(clock, std::move(factory)) {}
  using Listener::accepted;
  using Listener::opened;
  using Listener::rest;
  int closed = 0;
  // "hold" and "again", in the order in which it was told.
  std::string told;

 private:
  void close_port() noexcept override { ++closed; }
  void hold_port() noexcept override { told += "hold "; }
  void accept_again() noexcept override { told += "again "; }
};

class ListenerTest : public ::testing::Test {
 protected:
  std::shared_ptr<StringTransport> accept(std::shared_ptr<Protocol> protocol) {
    factory_->next = std::move(protocol);
    auto transport = std::make_shared<StringTransport>(*clock_);
    listener_->accepted(transport);
    clock_->settle();
    return transport;
  }

  std::optional<testing::ManualClock> clock_{std::in_place};
  std::shared_ptr<NotingFactory> factory_ = std::make_shared<NotingFactory>();
  std::shared_ptr<HandListener> listener_ = std::make_shared<HandListener>(*clock_, factory_);
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
};

TEST_F(ListenerTest, CountsItsConnectionsUntilTheyAreLost) {
  listener_->opened(Address::ipv4({127, 0, 0, 1}, 80));
  EXPECT_TRUE(listener_->listening());
  EXPECT_EQ(listener_->address().port(), 80);
  const auto transport = accept(protocol_);
  EXPECT_TRUE(protocol_->made());
  EXPECT_EQ(listener_->connections(), 1U);
  transport->lose_connection();
  clock_->settle();
  EXPECT_TRUE(protocol_->lost());
  EXPECT_EQ(listener_->connections(), 0U);
}

TEST_F(ListenerTest, ClosesWhomTheFactoryRefusesOrThrowsAt) {
  const testing::LogCapture log;
  listener_->opened(Address());
  EXPECT_FALSE(accept(nullptr)->connected());
  factory_->throws = true;
  EXPECT_FALSE(accept(nullptr)->connected());
  EXPECT_TRUE(log.contains("in build_protocol"));
  EXPECT_EQ(listener_->connections(), 0U);
}

TEST_F(ListenerTest, StopsOnceAndLetsGoOfItsFactory) {
  listener_->opened(Address());
  const ListeningPort port(listener_);
  const auto stopped = port.stopped();
  EXPECT_FALSE(stopped.ready());
  listener_->stop();
  listener_->stop();
  clock_->settle();
  EXPECT_TRUE(stopped.ready());
  EXPECT_EQ(listener_->closed, 1);
  EXPECT_EQ(factory_->order, "start stop ");
}

TEST_F(ListenerTest, DrainsWhenItHasStoppedAndItsLastConnectionIsGone) {
  listener_->opened(Address());
  const auto transport = accept(protocol_);
  const auto drained = listener_->drained();
  listener_->stop();
  clock_->settle();
  EXPECT_FALSE(drained.ready());
  transport->abort_connection();
  clock_->settle();
  EXPECT_TRUE(drained.ready());
  EXPECT_TRUE(listener_->drained().ready());
}

TEST_F(ListenerTest, AbortsWhatHasNotFlushedByTheDeadline) {
  listener_->opened(Address());
  const auto transport = accept(protocol_);
  transport->set_blocked(true);
  transport->write("stuck");
  const auto drained = listener_->close_connections(2s);
  clock_->advance(2s - 1ns);
  EXPECT_FALSE(drained.ready());
  clock_->advance(1ns);
  EXPECT_TRUE(drained.ready());
  EXPECT_TRUE(protocol_->lost_with<LingerTimeout>());
}

TEST_F(ListenerTest, StopsWhenItsLoopEnds) {
  listener_->opened(Address());
  const auto transport = accept(protocol_);
  clock_.reset();
  EXPECT_FALSE(listener_->listening());
  EXPECT_EQ(listener_->closed, 1);
  EXPECT_EQ(factory_->order, "start stop ");
  EXPECT_TRUE(protocol_->lost());
}

// ---- pausing

TEST_F(ListenerTest, HoldsItsPortAtOnceAndAcceptsAgainWhenTheLoopComesRound) {
  ListeningPort port(listener_);
  EXPECT_FALSE(port.accepting());
  listener_->opened(Address::ipv4({127, 0, 0, 1}, 80));
  EXPECT_TRUE(port.accepting());
  port.pause_accepting();
  port.pause_accepting();
  EXPECT_EQ(listener_->told, "hold ");
  EXPECT_FALSE(port.accepting());
  EXPECT_TRUE(port.listening());
  EXPECT_EQ(listener_->describe().subject, "127.0.0.1:80, paused");
  port.resume_accepting();
  EXPECT_FALSE(port.accepting());
  port.resume_accepting();
  port.resume_accepting();
  EXPECT_TRUE(port.accepting());
  EXPECT_EQ(listener_->told, "hold ");
  clock_->settle();
  EXPECT_EQ(listener_->told, "hold again ");
  EXPECT_EQ(listener_->describe().subject, "127.0.0.1:80");
}

TEST_F(ListenerTest, DoesWhatItWasToldLastBeforeTheLoopComesRound) {
  listener_->opened(Address());
  listener_->resume_accepting();
  clock_->settle();
  EXPECT_EQ(listener_->told, "");
  listener_->pause_accepting();
  listener_->resume_accepting();
  listener_->pause_accepting();
  clock_->settle();
  EXPECT_EQ(listener_->told, "hold hold ");
  listener_->resume_accepting();
  listener_->pause_accepting();
  listener_->resume_accepting();
  clock_->settle();
  EXPECT_EQ(listener_->told, "hold hold hold again ");
}

TEST_F(ListenerTest, DoesNotEndAPauseOfTheUserWhenItHasRested) {
  const testing::LogCapture log;
  listener_->opened(Address());
  listener_->rest(std::make_error_code(std::errc::too_many_files_open));
  clock_->advance(50ms);
  listener_->pause_accepting();
  clock_->advance(1s);
  EXPECT_EQ(listener_->told, "hold ");
  listener_->rest(std::make_error_code(std::errc::too_many_files_open));
  clock_->advance(1s);
  EXPECT_EQ(listener_->told, "hold ");
  listener_->resume_accepting();
  clock_->settle();
  EXPECT_EQ(listener_->told, "hold again ");
  listener_->rest(std::make_error_code(std::errc::too_many_files_open));
  clock_->advance(100ms);
  EXPECT_EQ(listener_->told, "hold again again ");
  EXPECT_EQ(log.lines().size(), 1U);
}

TEST_F(ListenerTest, RestsOnceWhereTroubleComesAgainBehindAResume) {
  const testing::LogCapture log;
  listener_->opened(Address());
  listener_->pause_accepting();
  listener_->resume_accepting();
  listener_->rest(std::make_error_code(std::errc::too_many_files_open));
  clock_->settle();
  listener_->rest(std::make_error_code(std::errc::too_many_files_open));
  EXPECT_EQ(clock_->pending_calls(), 1U);
  listener_->stop();
  EXPECT_EQ(clock_->pending_calls(), 0U);
}

TEST_F(ListenerTest, AcceptsAgainAndRestsInNobodysContext) {
  const testing::LogCapture log;
  const ContextVar<int> number("number", 0);
  listener_->opened(Address());
  int ended = 0;
  Context().run([&] {
    number.set(1);
    Context::current().on_exit([&] { ++ended; });
    listener_->rest(std::make_error_code(std::errc::too_many_files_open));
  });
  EXPECT_EQ(ended, 1);
}

TEST_F(ListenerTest, NeitherHoldsNorAcceptsOnceItHasStopped) {
  listener_->opened(Address());
  listener_->pause_accepting();
  listener_->resume_accepting();
  listener_->stop();
  listener_->pause_accepting();
  listener_->resume_accepting();
  clock_->settle();
  EXPECT_EQ(listener_->told, "hold ");
  EXPECT_FALSE(listener_->accepting());
  EXPECT_EQ(listener_->closed, 1);
}

TEST_F(ListenerTest, StopsWhenItsLoopEndsWhileItIsPaused) {
  listener_->opened(Address());
  listener_->pause_accepting();
  clock_.reset();
  listener_->resume_accepting();
  EXPECT_EQ(listener_->told, "hold ");
  EXPECT_EQ(listener_->closed, 1);
  EXPECT_EQ(factory_->order, "start stop ");
}

TEST_F(ListenerTest, RefusesToListenForNobody) {
  EXPECT_THROW(HandListener(*clock_, nullptr), InvalidArgument);
}

TEST(ListeningPort, ThatIsEmptyIsStoppedAndDrained) {
  ListeningPort port;
  EXPECT_FALSE(port.listening());
  EXPECT_EQ(port.connections(), 0U);
  EXPECT_EQ(port.address(), Address());
  port.pause_accepting();
  port.resume_accepting();
  EXPECT_FALSE(port.accepting());
  port.stop();
  EXPECT_TRUE(port.stopped().ready());
  EXPECT_TRUE(port.drained().ready());
  EXPECT_TRUE(port.close_connections(1s).ready());
}

}  // namespace
}  // namespace weft
