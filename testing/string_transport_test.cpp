#include "string_transport.hpp"

#include "../framework/error.hpp"
#include "accumulating_protocol.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

using Strings = std::vector<std::string>;

class StringTransportTest : public ::testing::Test {
 protected:
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<StringTransport> transport_ = connect(protocol_);
};

TEST_F(StringTransportTest, ShowsWhatEachTurnWroteAsOnePiece) {
  protocol_->on_data = [](AccumulatingProtocol& self, BytesView) {
    self.way().write("a");
    self.way().write("b");
  };
  transport_->deliver("x");
  transport_->deliver("y");
  EXPECT_EQ(transport_->flushes(), (Strings{"ab", "ab"}));
  EXPECT_EQ(transport_->value(), "abab");
  transport_->clear();
  EXPECT_EQ(transport_->value(), "");
}

TEST_F(StringTransportTest, TakesSoMuchAsTheTestLetsIt) {
  transport_->set_blocked(true);
  transport_->write("0123456789");
  transport_->settle();
  EXPECT_EQ(transport_->value(), "");
  transport_->take(4);
  EXPECT_EQ(transport_->value(), "0123");
  EXPECT_EQ(transport_->write_buffer_size(), 6U);
  transport_->set_blocked(false);
  EXPECT_EQ(transport_->value(), "0123456789");
}

TEST_F(StringTransportTest, TellsHowItWasClosed) {
  EXPECT_FALSE(transport_->disconnecting());
  transport_->lose_write_connection();
  transport_->settle();
  EXPECT_TRUE(transport_->ended_writing());
  EXPECT_FALSE(transport_->disconnecting());
  transport_->lose_connection();
  transport_->settle();
  EXPECT_TRUE(transport_->disconnecting());
  EXPECT_FALSE(transport_->aborted());
}

TEST_F(StringTransportTest, KeepsADisconnectingConnectionUntilThePeerHasTakenAll) {
  transport_->set_blocked(true);
  transport_->write("last");
  transport_->lose_connection();
  transport_->settle();
  EXPECT_FALSE(protocol_->lost());
  transport_->set_blocked(false);
  transport_->settle();
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
  EXPECT_EQ(transport_->value(), "last");
}

TEST_F(StringTransportTest, DeliversWhatThePeerDoes) {
  transport_->deliver("data");
  transport_->break_with(Failure(ConnectionReset("gone")));
  EXPECT_EQ(protocol_->events, (Strings{"made", "data", "lost"}));
  EXPECT_TRUE(protocol_->lost_with<ConnectionReset>());
}

TEST_F(StringTransportTest, AbortsWhenTheTestDropsIt) {
  transport_.reset();
  EXPECT_TRUE(protocol_->lost_with<ConnectionAborted>());
}

TEST(StringTransport, GoesByTheClockThatItIsGiven) {
  ManualClock clock;
  const auto transport = std::make_shared<StringTransport>(clock);
  EXPECT_EQ(&transport->clock(), &clock);
  EXPECT_THROW(static_cast<void>(transport->manual_clock()), std::logic_error);
}

TEST(StringTransport, SaysThatAFactoryRefused) {
  const auto factory = factory_from([]() -> std::shared_ptr<Protocol> { return nullptr; });
  EXPECT_THROW(static_cast<void>(connect(*factory)), std::logic_error);
}

}  // namespace
}  // namespace weft::testing
