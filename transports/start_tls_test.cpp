#include "../framework/context.hpp"
#include "tls_test_case_test.hpp"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;
using testing::CheckedProducer;
using ::testing::HasSubstr;
using testing::IoPump;

class StartTls : public ::testing::TestWithParam<DeliveryKind> {
 protected:
  void TearDown() override { pump_.flush(); }

  // What became of start_tls at one end.
  struct Upgrade {
    bool done = false;
    std::optional<Failure> failure;
    void follow(Deferred<void> deferred) {
      auto followed = std::move(deferred).add_callbacks(
          [this] { done = true; }, [this](const Failure& reason) { failure = reason; });
    }
  };
  void upgrade_client() {
    client_upgrade_.follow(start_tls(client_->way(), client_context_, test_server_name));
  }
  void upgrade_server() { server_upgrade_.follow(start_tls(server_->way(), server_context_)); }
  void upgrade_both() {
    upgrade_server();
    upgrade_client();
    pump_.flush();
  }

  const testing::LogCapture log_;
  TlsContext client_context_{test_client_options()};
  TlsContext server_context_{test_server_options()};
  Upgrade client_upgrade_;
  Upgrade server_upgrade_;
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
  IoPump pump_{client_, server_, GetParam().delivery, 32 * 1024};
};

INSTANTIATE_TEST_SUITE_P(Each, StartTls, every_delivery(), delivery_name);

TEST_P(StartTls, PutsTlsUnderAnOpenConnectionWithoutASecondConnectionMade) {  // 132
  client_->way().write("plain");
  pump_.flush();
  upgrade_server();
  upgrade_client();
  EXPECT_EQ(client_->way().tls(), nullptr);
  pump_.flush();
  EXPECT_TRUE(client_upgrade_.done && server_upgrade_.done);
  ASSERT_NE(client_->way().tls(), nullptr);
  EXPECT_TRUE(client_->way().tls()->verified);
  client_->way().write(" secret");
  server_->way().write("answer");
  pump_.flush();
  EXPECT_EQ(server_->data, "plain secret");
  EXPECT_EQ(client_->data, "answer");
  EXPECT_EQ(client_->events, (std::vector<std::string>{"made", "data"}));
  client_->way().lose_connection();
  pump_.flush();
  EXPECT_TRUE(client_->lost_with<ConnectionDone>() && server_->lost_with<ConnectionDone>());
}

TEST_P(StartTls, SendsWhatWasWrittenBeforeInClearAndTheRestEncrypted) {  // 131, 132
  const auto size = GetParam().name == "all" ? 2'000'000U : 40'000U;
  pump_.clock().turn().enter_logged("test", [&] {
    server_->way().write("220 ready\r\n");
    upgrade_server();
    server_->way().write(std::string(size, 's'));
  });
  client_->on_data = [&](AccumulatingProtocol& self, BytesView) {
    if (self.data == "220 ready\r\n" && !client_upgrade_.done) {
      upgrade_client();
      self.way().write(std::string(size, 'c'));
    }
  };
  pump_.flush();
  EXPECT_TRUE(client_upgrade_.done && server_upgrade_.done);
  EXPECT_EQ(server_->data.size(), size);
  EXPECT_EQ(client_->data.size(), size + 11);
}

TEST_P(StartTls, MovesProducersPausesAndMarksAlong) {
  server_->way().pause_producing();
  client_->way().set_write_buffer_limits(1'000, 100);
  int asked = 0;
  const auto producer = std::make_shared<CheckedProducer>(Streaming::pull, [&] {
    client_->way().write("x");
    if (++asked == 5) client_->way().unregister_producer();
  });
  client_->way().register_producer(producer, Streaming::pull);
  upgrade_both();
  EXPECT_TRUE(client_upgrade_.done && server_upgrade_.done);
  EXPECT_EQ(server_->data, "");
  EXPECT_EQ(asked, 5);
  EXPECT_TRUE(producer->faults().empty());
  client_->way().write(std::string(150'000, 'y'));
  pump_.flush();
  EXPECT_EQ(client_->events.back(), "pause");
  server_->way().resume_producing();
  pump_.flush();
  EXPECT_THAT(server_->data, HasSubstr("y"));
  EXPECT_EQ(client_->events.back(), "resume");
}

TEST_P(StartTls, KeepsTheContextOfTheConnection) {
  const ContextVar<int> number("number", 0);
  std::vector<int> seen;
  client_->on_data = [&](AccumulatingProtocol& self, BytesView) {
    if (self.data == "go" && !client_upgrade_.done) {
      upgrade_client();
      number.set(2);
    } else if (self.data.size() > 2) {
      seen.push_back(number.get());
      number.set(number.get() + 1);
    }
  };
  pump_.clock().turn().enter_logged("test", [&] {
    server_->way().write("go");
    upgrade_server();
    server_->way().write("ab");
  });
  pump_.flush();
  server_->way().write("cd");
  pump_.flush();
  ASSERT_GE(seen.size(), 2U);
  EXPECT_EQ(seen.front(), 2);
  EXPECT_EQ(seen.back(), static_cast<int>(seen.size()) + 1);
  EXPECT_EQ(number.get(), 0);
}

TEST_P(StartTls, StartsAgainInsideOfTls) {  // 140
  upgrade_both();
  client_upgrade_.done = server_upgrade_.done = false;
  const auto* const outer = client_->way().tls();
  upgrade_both();
  EXPECT_TRUE(client_upgrade_.done && server_upgrade_.done);
  EXPECT_NE(client_->way().tls(), outer);
  client_->way().write(std::string(50'000, 'x'));
  server_->way().write(std::string(50'000, 'y'));
  pump_.flush();
  EXPECT_EQ(server_->data.size(), 50'000U);
  EXPECT_EQ(client_->data.size(), 50'000U);
  client_->way().lose_connection();
  pump_.flush();
  EXPECT_TRUE(client_->lost_with<ConnectionDone>()) << client_->reason->message();
  EXPECT_TRUE(server_->lost_with<ConnectionDone>()) << server_->reason->message();
}

TEST_P(StartTls, StartsTwiceInOneCallback) {  // 140
  const auto twice = [&](Upgrade& upgrade, AccumulatingProtocol& self, const TlsContext& context,
                         const std::string& name) {
    upgrade.follow(start_tls(self.way(), context, name));
    upgrade.follow(start_tls(self.way(), context, name));
  };
  twice(server_upgrade_, *server_, server_context_, "");
  twice(client_upgrade_, *client_, client_context_, test_server_name);
  pump_.flush();
  client_->way().write("deep");
  pump_.flush();
  EXPECT_EQ(server_->data, "deep");
}

TEST_P(StartTls, FailsTheDeferredAndTheConnectionAlike) {
  client_context_ = TlsContext([] {
    auto options = test_client_options();
    options.trust = TestAuthority("Another authority").certificate();
    return options;
  }());
  upgrade_both();
  ASSERT_TRUE(client_upgrade_.failure && client_upgrade_.failure->check<CertificateError>());
  EXPECT_TRUE(client_->lost_with<CertificateError>());
  ASSERT_TRUE(server_upgrade_.failure && server_upgrade_.failure->check<CertificateError>());
  EXPECT_TRUE(server_->lost_with<CertificateError>());
}

TEST_P(StartTls, IsRefusedByAConnectionThatClosesOrHasClosed) {
  client_->on_eof = [](auto&) {};
  server_->way().lose_write_connection();
  pump_.flush();
  upgrade_client();
  ASSERT_TRUE(client_upgrade_.failure && client_upgrade_.failure->check<StartTlsRefused>());
  upgrade_server();
  ASSERT_TRUE(server_upgrade_.failure && server_upgrade_.failure->check<StartTlsRefused>());
  client_->way().lose_connection();
  client_upgrade_.failure.reset();
  upgrade_client();
  ASSERT_TRUE(client_upgrade_.failure);
  pump_.flush();
  client_upgrade_.failure.reset();
  upgrade_client();
  ASSERT_TRUE(client_upgrade_.failure && client_upgrade_.failure->check<StartTlsRefused>());
}

TEST_P(StartTls, MayBeLostAndAbortedBeforeTheHandshakeIsDone) {  // 137
  upgrade_client();
  client_->way().lose_connection();
  pump_.flush();
  EXPECT_TRUE(client_->lost());
  EXPECT_TRUE(client_upgrade_.failure);
  EXPECT_TRUE(server_->lost());
}

TEST_P(StartTls, AbortsTheConnectionWhenItIsCancelled) {  // 137
  auto upgrade = start_tls(client_->way(), client_context_, test_server_name);
  upgrade.cancel();
  static_cast<void>(testing::failure_result_of<CancelledError>(std::move(upgrade)));
  pump_.flush();
  EXPECT_TRUE(client_->lost_with<ConnectionAborted>());
}

TEST_P(StartTls, GivesOutputBackWithTheConnectionWhenNobodyAnswers) {
  upgrade_client();
  client_->way().write("secret");
  pump_.flush();
  EXPECT_EQ(server_->data.find("secret"), std::string::npos);
  pump_.clock().advance(std::chrono::seconds(10));
  ASSERT_TRUE(client_upgrade_.failure && client_upgrade_.failure->check<HandshakeTimeout>());
  EXPECT_TRUE(client_->lost_with<HandshakeTimeout>());
}

TEST_P(StartTls, RefusesATransportThatCannotHandItsProtocolOver) {
  class Stubborn final : public Transport {
   public:
    explicit Stubborn(Transport& real) : real_(real) {}
    void write(BytesView) override {}
    void write(Bytes) override {}
    void write_sequence(std::span<const BytesView>) override {}
    void lose_connection() override {}
    void lose_connection(Duration) override {}
    void abort_connection() override {}
    void abort_connection(Failure) override {}
    void lose_write_connection() override {}
    void pause_producing() override {}
    void resume_producing() override {}
    void register_producer(std::shared_ptr<Producer>, Streaming) override {}
    void unregister_producer() override {}
    void set_write_buffer_limits(std::size_t, std::size_t) override {}
    [[nodiscard]] std::size_t write_buffer_size() const override { return 0; }
    [[nodiscard]] Address host() const override { return real_.host(); }
    [[nodiscard]] Address peer() const override { return real_.peer(); }
    [[nodiscard]] bool connected() const override { return true; }
    [[nodiscard]] bool closing() const override { return false; }
    [[nodiscard]] Clock& clock() const override { return real_.clock(); }

   private:
    Transport& real_;
  };
  Stubborn stubborn(client_->way());
  EXPECT_THROW(static_cast<void>(start_tls(stubborn, server_context_)), InvalidArgument);
}

// ---- behind a receiver that keeps what it has not delivered: checklist 133

// Keeps whatever comes behind a line, as a receiver of lines does.
class Keeper final : public AccumulatingProtocol {
 public:
  void change_transport(std::shared_ptr<Transport> transport) override {
    giving_up_ = true;
    AccumulatingProtocol::change_transport(std::move(transport));
  }
  [[nodiscard]] std::string take_undelivered() override {
    giving_up_ = false;
    return std::exchange(kept_, {});
  }
  void data_received(BytesView bytes) override {
    kept_ += bytes.text();
    for (auto end = kept_.find('\n'); end != std::string::npos && !giving_up_;
         end = kept_.find('\n')) {
      const auto line = kept_.substr(0, end);
      kept_.erase(0, end + 1);
      AccumulatingProtocol::data_received(line);
    }
  }

 private:
  std::string kept_;
  bool giving_up_ = false;
};

class StartTlsBehindLines : public StartTls {
 protected:
  StartTlsBehindLines() {
    keeper_->on_data = [this](AccumulatingProtocol& self, BytesView line) {
      if (line == BytesView("STARTTLS")) upgrade_.follow(start_tls(self.way(), server_context_));
    };
  }
  Upgrade upgrade_;
  std::shared_ptr<Keeper> keeper_ = std::make_shared<Keeper>();
  std::shared_ptr<AccumulatingProtocol> sender_ = std::make_shared<AccumulatingProtocol>();
  IoPump lines_{sender_, keeper_, GetParam().delivery};
};

INSTANTIATE_TEST_SUITE_P(Each, StartTlsBehindLines, every_delivery(), delivery_name);

TEST_P(StartTlsBehindLines, TakesPlainTextBehindTheCommandForAFailedHandshake) {  // 133
  sender_->way().write("STARTTLS\nRCPT TO:<injected>\n");
  lines_.flush();
  EXPECT_EQ(keeper_->data, "STARTTLS");
  ASSERT_TRUE(upgrade_.failure && upgrade_.failure->check<TlsError>());
  EXPECT_THAT(upgrade_.failure->message(), HasSubstr("is no TLS"));
  EXPECT_TRUE(keeper_->lost_with<TlsError>());
}

TEST_P(StartTlsBehindLines, TakesAClientHelloThatCameWithTheCommand) {  // 133
  Upgrade client;
  lines_.clock().turn().enter_logged("test", [&] {
    sender_->way().write("STARTTLS\n");
    client.follow(start_tls(sender_->way(), client_context_, test_server_name));
    sender_->way().write("secret\n");
  });
  lines_.flush();
  EXPECT_TRUE(client.done && upgrade_.done);
  EXPECT_EQ(keeper_->data, "STARTTLSsecret");
}

}  // namespace
}  // namespace weft
