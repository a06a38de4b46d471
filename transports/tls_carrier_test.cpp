#include "../framework/context.hpp"
#include "../framework/protocol_wrapper.hpp"
#include "tls_test_case_test.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;
using testing::IoPump;

class TlsCarrier : public TlsCase {
 protected:
  template <class F>
  static void in_turn_of(IoPump& pump, F&& callback) {
    pump.clock().turn().enter_logged("test", std::forward<F>(callback));
  }
};

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

const ContextVar<int> session("session", 0);
const ContextVar<int> upper("upper", 0);

// Sets a variable below TLS.
class Marking final : public ProtocolWrapper {
 public:
  Marking(std::shared_ptr<Protocol> protocol, std::vector<int>& seen)
      : ProtocolWrapper(std::move(protocol)), seen_(seen) {}
  void connection_made() override {
    session.set(7);
    ProtocolWrapper::connection_made();
  }
  void connection_lost(const Failure& reason) override {
    seen_.push_back(session.get());
    ProtocolWrapper::connection_lost(reason);
    seen_.push_back(session.get());
  }

 private:
  std::vector<int>& seen_;
};

TEST_P(TlsCarrier, HasOneContextWithTheLayersAboveAndBelowTlsUntilAllHaveHeardOfTheLoss) {
  for (const bool garbage : {false, true}) {
    SCOPED_TRACE(garbage);
    const auto client = std::make_shared<AccumulatingProtocol>();
    const auto server = std::make_shared<AccumulatingProtocol>();
    std::vector<int> above;
    const auto note = [&] {
      above.push_back(session.get());
      above.push_back(upper.get());
      upper.set(upper.get() + 1);
    };
    server->on_made = [&](auto&) { note(); };
    server->on_data = [&](AccumulatingProtocol& self, BytesView) {
      if (self.data == "whole") note();
    };
    server->on_lost = [&](auto&) { note(); };
    const TlsContext client_context(test_client_options());
    const TlsContext server_context(test_server_options());
    const auto secured = tls_server(server_context, factory_from([&] { return server; }));
    std::vector<int> below;
    IoPump pump(client, std::make_shared<Marking>(secured->build_protocol(Address()), below),
                GetParam().delivery);
    std::optional<Deferred<void>> begun;
    in_turn_of(pump, [&] {
      begun = start_tls(client->way(), client_context, test_server_name).add_both([](auto&&) {});
    });
    pump.flush();
    client->way().write("whole");
    pump.flush();
    if (garbage) {
      // What cannot be read is answered by an alert, and the carrier closed in order after that.
      in_turn_of(pump, [&] { pump.client().write(std::string(100, 'x')); });
    } else {
      client->way().abort_connection();
    }
    pump.flush();
    EXPECT_TRUE(server->lost());
    EXPECT_EQ(above, (std::vector{7, 0, 7, 1, 7, 2}));
    EXPECT_EQ(below, (std::vector{7, 7}));
    EXPECT_TRUE(Context::current().empty());
  }
}

}  // namespace
}  // namespace weft
