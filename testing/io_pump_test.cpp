#include "io_pump.hpp"

#include "../framework/error.hpp"
#include "accumulating_protocol.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

class IoPumpTest : public ::testing::Test {
 protected:
  std::vector<std::size_t> sizes_;
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();

  // How `text` is cut on its way.
  std::vector<std::size_t> cuts(const Delivery& delivery, const std::string& text) {
    sizes_.clear();
    auto server = std::make_shared<AccumulatingProtocol>();
    server->on_data = [this](AccumulatingProtocol&, BytesView data) {
      sizes_.push_back(data.size());
    };
    IoPump pump(std::make_shared<AccumulatingProtocol>(), server, delivery);
    pump.client().write(text);
    pump.flush();
    EXPECT_EQ(server->data, text);
    return sizes_;
  }
};

TEST_F(IoPumpTest, DeliversAllAtOnceOrByteByByteOrInPiecesBySeed) {
  const std::string text(200, 'x');
  EXPECT_EQ(cuts(Delivery::all_at_once(), text), std::vector<std::size_t>{200});
  EXPECT_EQ(cuts(Delivery::byte_by_byte(), text), std::vector<std::size_t>(200, 1));
  const auto pieces = cuts(Delivery::random_pieces(5), text);
  EXPECT_GT(pieces.size(), 1U);
  EXPECT_LT(pieces.size(), 200U);
  EXPECT_EQ(cuts(Delivery::random_pieces(5), text), pieces);
  EXPECT_NE(cuts(Delivery::random_pieces(6), text), pieces);
}

TEST_F(IoPumpTest, LosesBothEndsWhicheverClosesFirst) {
  for (const bool client_first : {true, false}) {
    const auto client = std::make_shared<AccumulatingProtocol>();
    const auto server = std::make_shared<AccumulatingProtocol>();
    IoPump pump(client, server);
    (client_first ? pump.client() : pump.server()).lose_connection();
    pump.flush();
    EXPECT_TRUE(client->lost_with<ConnectionDone>());
    EXPECT_TRUE(server->lost_with<ConnectionDone>());
  }
}

TEST_F(IoPumpTest, ShowsAResetAtTheOtherEnd) {
  IoPump pump(client_, server_);
  pump.client().abort_connection();
  pump.flush();
  EXPECT_TRUE(client_->lost_with<ConnectionAborted>());
  EXPECT_TRUE(server_->lost_with<ConnectionReset>());
}

TEST_F(IoPumpTest, MovesOnePieceEachWayAtATime) {
  IoPump pump(client_, server_, Delivery::byte_by_byte());
  pump.client().write("ab");
  pump.server().write("x");
  EXPECT_TRUE(pump.pump());
  EXPECT_EQ(server_->data, "a");
  EXPECT_EQ(client_->data, "x");
  EXPECT_TRUE(pump.pump());
  EXPECT_EQ(server_->data, "ab");
  EXPECT_FALSE(pump.pump());
}

TEST_F(IoPumpTest, HoldsNoMoreThanItsCapacity) {
  IoPump pump(client_, server_, Delivery::all_at_once(), 1000);
  server_->way().pause_producing();
  pump.client().write(std::string(5000, 'x'));
  pump.flush();
  EXPECT_EQ(pump.server().inbox_size(), 1000U);
  EXPECT_EQ(pump.client().write_buffer_size(), 4000U);
  server_->way().resume_producing();
  pump.flush();
  EXPECT_EQ(server_->data.size(), 5000U);
}

TEST_F(IoPumpTest, AbortsBothWhenItGoes) {
  { const IoPump pump(client_, server_); }
  EXPECT_TRUE(client_->lost());
  EXPECT_TRUE(server_->lost());
}

TEST_F(IoPumpTest, AnswersUntilNobodyHasMoreToSay) {
  server_->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
  client_->on_data = [](AccumulatingProtocol& self, BytesView data) {
    if (self.data.size() < 100) self.way().write(data);
  };
  client_->on_made = [](AccumulatingProtocol& self) { self.way().write("x"); };
  IoPump pump(client_, server_);
  pump.flush();
  EXPECT_EQ(client_->data.size(), 100U);
}

}  // namespace
}  // namespace weft::testing
