#include "tls_test_case_test.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <string>

namespace weft {
namespace {

using ::testing::HasSubstr;
using Events = std::vector<std::string>;

class TlsClosing : public TlsCase {
 protected:
  void SetUp() override {
    connect();
    ASSERT_TRUE(connected());
  }
};

INSTANTIATE_TEST_SUITE_P(Each, TlsClosing, every_delivery(), delivery_name);

TEST_P(TlsClosing, TellsACutFromAnEnd) {  // 134
  client_->way().write("half a mess");
  pump_->flush();
  // The carrier ends, and TLS did not say goodbye.
  pump_->client_end().lose_write_connection();
  pump_->flush();
  EXPECT_EQ(server_->data, "half a mess");
  EXPECT_TRUE(server_->lost_with<TlsTruncated>());
  EXPECT_THAT(server_->reason->message(), HasSubstr("close_notify"));
  EXPECT_EQ(server_->events, (Events{"made", "data", "lost"}));
}

TEST_P(TlsClosing, SaysGoodbyeBothWays) {  // 135
  in_turn([&] {
    client_->way().write("the end");
    client_->way().lose_connection();
  });
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->data, "the end");
  EXPECT_EQ(server_->events, (Events{"made", "data", "eof", "lost"}));
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

TEST_P(TlsClosing, WaitsForThePeersGoodbye) {  // 135
  server_->on_eof = [](auto&) {};
  client_->way().lose_connection();
  pump_->flush();
  EXPECT_EQ(server_->events, (Events{"made", "eof"}));
  EXPECT_FALSE(client_->lost());
  server_->way().lose_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
}

TEST_P(TlsClosing, DoesNotWaitForTheGoodbyeOfASilentPeerForEver) {  // 136
  server_->way().pause_producing();
  client_->way().lose_connection(std::chrono::seconds(5));
  pump_->flush();
  EXPECT_FALSE(client_->lost());
  pump_->clock().advance(std::chrono::seconds(5));
  EXPECT_TRUE(client_->lost_with<LingerTimeout>());
}

TEST_P(TlsClosing, HalfClosesOneDirectionAndThenTheOther) {
  server_->on_eof = [](auto&) {};
  client_->on_eof = [](auto&) {};
  client_->way().lose_write_connection();
  pump_->flush();
  EXPECT_EQ(server_->events, (Events{"made", "eof"}));
  server_->way().write(std::string(100'000, 'x'));
  pump_->flush();
  EXPECT_EQ(client_->data.size(), 100'000U);
  server_->way().lose_write_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

TEST_P(TlsClosing, IsLostWhenItIsResetWhileItCloses) {  // 145
  server_->way().pause_producing();
  pump_->flush();
  client_->way().lose_connection();
  pump_->flush();
  pump_->server_end().abort_connection();
  pump_->flush();
  EXPECT_TRUE(client_->lost());
  EXPECT_TRUE(server_->lost_with<ConnectionAborted>());
}

TEST_P(TlsClosing, SendsOnToAPeerThatIsCutOffWhileItFlushes) {  // 145
  client_->way().pause_producing();
  in_turn([&] {
    server_->way().write(std::string(200'000, 'x'));
    server_->way().lose_connection();
  });
  pump_->flush();
  EXPECT_FALSE(server_->lost());
  pump_->client_end().lose_write_connection();
  client_->way().resume_producing();
  pump_->flush();
  EXPECT_EQ(client_->data.size(), 200'000U);
}

TEST_P(TlsClosing, HasThePeerOfWhomItAbortsSeeAReset) {
  client_->way().abort_connection();
  ASSERT_TRUE(both_lost());
  EXPECT_TRUE(client_->lost_with<ConnectionAborted>());
  EXPECT_TRUE(server_->lost_with<ConnectionReset>());
}

// ---- many records at once: checklist 139

TEST_P(TlsClosing, DeliversNothingMoreOfASegmentOnceItIsPaused) {  // 139
  bool paused = false;
  server_->on_data = [&](Accumulating& self, BytesView) {
    EXPECT_FALSE(paused);
    paused = true;
    self.way().pause_producing();
  };
  for (int record = 0; record < 12; ++record) {
    client_->way().write(std::string(10'000, 'x'));
    pump_->clock().settle();
  }
  pump_->flush();
  EXPECT_TRUE(paused);
  const auto before = server_->data.size();
  EXPECT_LT(before, 120'000U);
  server_->on_data = nullptr;
  server_->way().resume_producing();
  EXPECT_EQ(server_->data.size(), before);
  pump_->flush();
  EXPECT_EQ(server_->data.size(), 120'000U);
}

TEST_P(TlsClosing, DeliversNothingMoreOfASegmentOnceItIsLost) {  // 139
  server_->on_data = [](Accumulating& self, BytesView) { self.way().lose_connection(); };
  for (int record = 0; record < 12; ++record) {
    client_->way().write(std::string(10'000, 'x'));
    pump_->clock().settle();
  }
  ASSERT_TRUE(both_lost());
  EXPECT_EQ(server_->events, (Events{"made", "data", "lost"}));
  EXPECT_LT(server_->data.size(), 120'000U);
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

TEST_P(TlsClosing, MakesOneRecordOfTheSmallWritesOfOneTurn) {
  in_turn([&] {
    for (int i = 0; i < 100; ++i)
      client_->way().write("0123456789");
  });
  pump_->clock().settle();
  // The header, and the tag with the type.
  EXPECT_EQ(pump_->server_end().inbox_size(), 1000U + 5 + 17);
  pump_->flush();
  EXPECT_EQ(server_->data.size(), 1000U);
}

TEST_P(TlsClosing, BreaksWhenARecordWasChangedOnTheWayAndTellsThePeer) {
  // Both speak TLS, and yet it is not what was agreed upon.
  pump_->client_end().write("\x17\x03\x03\x00\x20" + std::string(32, 'x'));
  pump_->flush();
  EXPECT_TRUE(server_->lost_with<TlsError>());
  EXPECT_THAT(server_->reason->message(), HasSubstr("TLS with "));
  EXPECT_EQ(server_->data, "");
  EXPECT_TRUE(client_->lost_with<TlsError>()) << client_->reason->message();
}

// ---- who does not talk TLS: checklist 142

class TlsToOthers : public TlsCase {
 protected:
  // What a server that talks TLS makes of a client that sends this.
  std::string answer_to(BytesView greeting) {
    const TlsContext context(server_options_);
    testing::IoPump pump(peer_,
                         tls_server(context, factory_for<Accumulating>())->build_protocol({}),
                         GetParam().delivery);
    peer_->way().write(greeting);
    pump.flush();
    EXPECT_TRUE(peer_->lost());
    return server_failure_ ? server_failure_->message() : "nothing";
  }
  std::shared_ptr<Accumulating> peer_ = std::make_shared<Accumulating>();
};

INSTANTIATE_TEST_SUITE_P(Each, TlsToOthers, every_delivery(), delivery_name);

TEST_P(TlsToOthers, SaysThatAPeerSpeaksPlainHttp) {  // 142
  EXPECT_THAT(answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
              ::testing::AllOf(HasSubstr("plain HTTP"), HasSubstr("must use https")));
}

TEST_P(TlsToOthers, SaysThatGarbageIsNoTls) {  // 142
  EXPECT_THAT(answer_to(std::string(200, 'z')), HasSubstr("is no TLS"));
}

TEST_P(TlsToOthers, SaysThatAPlainServerTalksNoTls) {  // 142
  testing::ManualClock clock;
  auto [ours, theirs] = testing::MemoryTransport::make_pair(clock);
  theirs->establish(peer_);
  peer_->on_data = [](Accumulating& self, BytesView) {
    self.way().write("220 mail.test ESMTP\r\n500 what?\r\n");
  };
  auto outcome = tls_connect(
      clock,
      [&ours = ours](std::shared_ptr<Factory> factory) {
        auto lower = factory->build_protocol({});
        ours->establish(lower);
        return Deferred<std::shared_ptr<Protocol>>(Outcome<std::shared_ptr<Protocol>>(lower));
      },
      TlsContext(client_options_), test_server_name, factory_for<Accumulating>());
  clock.settle();
  auto delivery = GetParam().delivery;
  for (bool moved = true; moved;) {
    moved = theirs->deliver(delivery.next_size());
    moved = ours->deliver(delivery.next_size()) || moved;
    clock.settle();
  }
  EXPECT_THAT(testing::failure_result_of<TlsError>(std::move(outcome)).message(),
              HasSubstr("is no TLS"));
}

}  // namespace
}  // namespace weft
