#include "tls_test_case_test.hpp"

#include <algorithm>
#include <memory>

namespace weft {
namespace {

using testing::AccumulatingProtocol;
using testing::IoPump;

class TlsCarrier : public TlsCase {};

INSTANTIATE_TEST_SUITE_P(Each, TlsCarrier, every_delivery(), delivery_name);

TEST_P(TlsCarrier, LivesAsLongAsTheTransportAndNoLonger) {
  connect();
  ASSERT_TRUE(connected());
  const auto carrier = pump_->client_end().weak_from_this();
  auto* const tcp = client_->way().tcp();
  ASSERT_NE(tcp, nullptr);
  client_->way().abort_connection();
  ASSERT_TRUE(both_lost());
  pump_->flush();
  pump_->drop_client_end();
  ASSERT_FALSE(carrier.expired());
  EXPECT_EQ(client_->way().tcp(), tcp);
  tcp->set_no_delay(false);
  EXPECT_FALSE(tcp->no_delay());
  client_ = nullptr;
  EXPECT_TRUE(carrier.expired());
}

TEST_P(TlsCarrier, IsHalfClosedBehindAHandshakeThatWasNotDone) {
  const auto client = std::make_shared<AccumulatingProtocol>();
  const auto server = std::make_shared<AccumulatingProtocol>();
  server->on_eof = [](AccumulatingProtocol& self) {
    self.way().write("the end");
    self.way().lose_connection();
  };
  IoPump pump(client, server, GetParam().delivery);
  const TlsContext client_context(test_client_options());
  const TlsContext server_context(test_server_options());
  pump.clock().turn().enter_logged("test", [&] {
    auto server_begun = start_tls(server->way(), server_context).add_errback([](const Failure&) {});
    auto client_begun =
        start_tls(client->way(), client_context, test_server_name).add_errback([](const Failure&) {
        });
    client->way().lose_write_connection();
  });
  pump.flush();
  EXPECT_EQ(std::count(server->events.begin(), server->events.end(), "eof"), 1);
  EXPECT_EQ(client->data, "the end");
  EXPECT_TRUE(client->lost_with<ConnectionDone>() && server->lost_with<ConnectionDone>());
}

}  // namespace
}  // namespace weft
