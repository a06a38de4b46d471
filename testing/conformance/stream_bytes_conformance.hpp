// How every stream transport carries bytes.
#pragma once

#include "stream_suite.hpp"

#include <algorithm>

namespace weft::testing {

// ---- bytes

TEST_P(StreamConformance, MakesBothEndsOnce) {  // 1
  connect();
  EXPECT_EQ(client_->events, std::vector<std::string>{"made"});
  EXPECT_EQ(server_->events, std::vector<std::string>{"made"});
}

TEST_P(StreamConformance, GivesEachEndTheOthersAddressAndKeepsItAfterTheClose) {  // 2
  connect();
  const auto host = client_->way().host();
  EXPECT_EQ(host, server_->way().peer());
  EXPECT_EQ(client_->way().peer(), server_->way().host());
  client_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(client_->way().host(), host);
  EXPECT_EQ(server_->way().peer(), host);
}

TEST_P(StreamConformance, CarriesAMegabyteInOrderAndWhole) {  // 3
  connect();
  std::string sent;
  for (int i = 0; sent.size() < 1'000'000; ++i)
    sent += std::to_string(i) + ",";
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return server_->data.size() >= sent.size(); }));
  EXPECT_TRUE(server_->data == sent);
}

TEST_P(StreamConformance, KeepsTheOrderOfAllKindsOfWrites) {  // 4, 6
  connect();
  const BytesView pieces[] = {"b", "", "c"};
  in_turn([&] {
    client_->way().write("a");
    client_->way().write_sequence(pieces);
    client_->way().write("");
    client_->way().write(Bytes(BytesView("d")));
  });
  ASSERT_TRUE(spin_until([&] { return server_->data.size() >= 4; }));
  EXPECT_EQ(server_->data, "abcd");
}

TEST_P(StreamConformance, TakesMorePiecesThanOneSendDoes) {  // 5
  connect();
  const std::vector<Bytes> pieces(5'000, Bytes(BytesView("xy")));
  in_turn([&] {
    for (const auto& piece : pieces)
      client_->way().write(piece);
  });
  ASSERT_TRUE(spin_until([&] { return server_->data.size() >= 10'000; }));
  EXPECT_EQ(server_->data.size(), 10'000U);
}

TEST_P(StreamConformance, NeverDeliversNothing) {
  bool empty = false;
  server_->on_data = [&](auto&, BytesView data) { empty = empty || data.empty(); };
  connect();
  client_->way().write("");
  client_->way().write("x");
  ASSERT_TRUE(spin_until([&] { return !server_->data.empty(); }));
  EXPECT_FALSE(empty);
}

TEST_P(StreamConformance, AnswersAcrossConnectionsOfOneLoop) {  // 29
  server_->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
  connect();
  client_->way().write("ping");
  ASSERT_TRUE(spin_until([&] { return client_->data == "ping"; }));
}

// ---- a protocol that lends its buffer

class Lender : public BufferedProtocol {
 public:
  std::span<std::byte> buffer(std::size_t) override { return {buffer_, sizeof buffer_}; }
  void buffer_updated(std::size_t size) override {
    data.append(reinterpret_cast<const char*>(buffer_), size);
  }
  void connection_lost(const Failure&) override { lost = true; }
  [[nodiscard]] Transport& way() const { return transport(); }
  std::string data;
  bool lost = false;

 private:
  std::byte buffer_[7];
};

TEST_P(StreamConformance, ReadsIntoTheBufferThatAProtocolLends) {
  const auto lender = std::make_shared<Lender>();
  fixture_->connect(client_, lender);
  std::string sent;
  for (int i = 0; i < 1'000; ++i)
    sent += std::to_string(i) + " ";
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return lender->data.size() >= sent.size(); }));
  EXPECT_EQ(lender->data, sent);
  client_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return lender->lost; }));
}

// ---- what is kept and told

TEST_P(StreamConformance, KeepsWhatWasWrittenThoughTheWriterForgetsIt) {
  connect();
  {
    std::string fleeting(100'000, 'a');
    client_->way().write(fleeting);
    std::fill(fleeting.begin(), fleeting.end(), 'b');
  }
  ASSERT_TRUE(spin_until([&] { return server_->data.size() == 100'000; }));
  EXPECT_EQ(server_->data.find('b'), std::string::npos);
}

TEST_P(StreamConformance, SendsOneSharedMessageWholeToBothEnds) {
  connect();
  const Bytes message(std::string(150'000, 'm'));
  in_turn([&] {
    client_->way().write(message);
    server_->way().write(message);
    client_->way().write(message);
  });
  ASSERT_TRUE(spin_until([&] {
    return server_->data.size() == 2 * message.size() && client_->data.size() == message.size();
  }));
}

TEST_P(StreamConformance, TellsWhatIsUnsent) {
  connect();
  EXPECT_EQ(client_->way().write_buffer_size(), 0U);
  server_->way().pause_producing();
  const auto sent = more_than_fits();
  client_->way().write(sent);
  fixture_->spin();
  EXPECT_GT(client_->way().write_buffer_size(), 0U);
  server_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return server_->data.size() == sent.size(); }));
  EXPECT_TRUE(spin_until([&] { return client_->way().write_buffer_size() == 0; }));
}

TEST_P(StreamConformance, KnowsTheClockOfItsLoop) {
  connect();
  EXPECT_EQ(&client_->way().clock(), &fixture_->clock());
}

TEST_P(StreamConformance, CarriesBulkBothWaysAtOnce) {  // 3
  connect();
  const auto sent = more_than_fits();
  in_turn([&] {
    client_->way().write(sent);
    server_->way().write(sent);
  });
  ASSERT_TRUE(spin_until(
      [&] { return client_->data.size() == sent.size() && server_->data.size() == sent.size(); }));
}

TEST_P(StreamConformance, CarriesEveryByteUnchanged) {
  connect();
  std::string all;
  for (int round = 0; round < 20; ++round) {
    for (int byte = 0; byte < 256; ++byte)
      all += static_cast<char>(byte);
  }
  client_->way().write(all);
  ASSERT_TRUE(spin_until([&] { return server_->data.size() == all.size(); }));
  EXPECT_TRUE(server_->data == all);
}

}  // namespace weft::testing
