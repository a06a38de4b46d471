#include "../framework/turn.hpp"
#include "../protocols/idle_timeout.hpp"
#include "../protocols/line_receiver.hpp"
#include "../protocols/string_receiver.hpp"
#include "../protocols/throttle.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "../transports/tls.hpp"
#include "../transports/tls_contexts_test.hpp"
#include "detail/counted_calls_test.hpp"
#include "make_reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;
using ::testing::HasSubstr;

class TlsUsage : public ::testing::TestWithParam<std::string> {
 protected:
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  // Connects without TLS.
  void connect_plainly(std::shared_ptr<Factory> client, std::shared_ptr<Factory> server) {
    port_ = reactor_->listen_tcp(0, std::move(server), testing::on_loopback());
    auto connecting = reactor_->connect_tcp("127.0.0.1", port_.address().port(), std::move(client));
    ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
    static_cast<void>(connecting.take_result());
  }

  const testing::LogCapture log_;
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  TlsContext client_context_{test_client_options()};
  TlsContext server_context_{test_server_options()};
  ListeningPort port_;
};

INSTANTIATE_TEST_SUITE_P(Each, TlsUsage, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

// ---- a server and a client

class Echo final : public Protocol {
 public:
  void data_received(BytesView data) override { transport().write(data); }
};

class Greeter final : public Protocol {
 public:
  explicit Greeter(std::string& told) : told_(told) {}
  // [info]
  void connection_made() override {
    const TlsInfo& info = *transport().tls();
    told_ = info.version + ", " + info.peer_certificate->subject;
    transport().write("hello");
  }
  // [info]
  void data_received(BytesView data) override {
    told_ += ", " + std::string(data.text());
    transport().lose_connection();
  }

 private:
  std::string& told_;
};

TEST_P(TlsUsage, PutsTlsBetweenAFactoryAndItsPort) {
  const auto identity = test_authority().issue(test_server_name);
  const auto trust = test_authority().certificate();
  auto& reactor = *reactor_;
  // [server]
  const TlsContext secure(TlsServerOptions{identity});
  auto port = reactor.listen_tcp(0, tls_server(secure, factory_for<Echo>()));
  // [server]
  port_ = std::move(port);
  std::string told;
  std::optional<std::string> complaint;
  const auto factory = factory_from([&] { return std::make_shared<Greeter>(told); });
  TlsTarget target("127.0.0.1", port_.address().port());
  target.server_name = test_server_name;
  // [client]
  TlsClientOptions options;
  options.trust = trust;  // What the system trusts, when it is not set.
  const TlsContext context(options);
  auto connecting =
      connect_tls(reactor, target, context, factory)
          .add_callbacks([](const std::shared_ptr<Protocol>&) { /* connection_made has run. */ },
                         [&](const Failure& failure) { complaint = failure.message(); });
  // [client]
  ASSERT_TRUE(spin_until([&] { return told.ends_with(", hello"); })) << complaint.value_or("");
  EXPECT_EQ(told, "TLSv1.3, CN=server.test, hello");
  TlsTarget wrong("127.0.0.1", port_.address().port());
  auto refused = connect_tls(reactor, wrong, context, factory);
  ASSERT_TRUE(spin_until([&] { return refused.ready(); }));
  EXPECT_THAT(testing::failure_result_of<CertificateError>(std::move(refused)).message(),
              HasSubstr("is made out for DNS:server.test and not for 127.0.0.1"));
}

#ifdef __linux__
// The client's hello, the server's answer, the client's end with its greeting, and the server's
// tickets with the echo.
TEST_P(TlsUsage, SendsTheEndOfAHandshakeTogetherWithWhatFollowsIt) {
  port_ = reactor_->listen_tcp(0, tls_server(server_context_, factory_for<Echo>()),
                               testing::on_loopback());
  const auto client = std::make_shared<AccumulatingProtocol>();
  client->on_made = [](AccumulatingProtocol& self) { self.way().write("hello"); };
  TlsTarget target("127.0.0.1", port_.address().port());
  target.server_name = test_server_name;
  sends = 0;
  auto connecting =
      connect_tls(*reactor_, target, client_context_, factory_from([&] { return client; }));
  ASSERT_TRUE(spin_until([&] { return client->data == "hello"; }));
  EXPECT_EQ(sends, 4);
}

// The client does not read, so that the most of the answer waits in the server's system when the
// server is done.
TEST_P(TlsUsage, LosesNothingOfALongAnswerWhenThePeerSendsBehindItsGoodbye) {
  const std::string answer(1'000'000, 'x');
  const auto server = std::make_shared<AccumulatingProtocol>();
  server->on_eof = [&](AccumulatingProtocol& self) {
    self.way().write(answer);
    self.way().lose_connection();
  };
  port_ = reactor_->listen_tcp(0, tls_server(server_context_, factory_from([&] { return server; })),
                               testing::on_loopback());
  const auto client = std::make_shared<AccumulatingProtocol>();
  const auto connecting = reactor_->connect_tcp("127.0.0.1", port_.address().port(),
                                                factory_from([&] { return client; }));
  ASSERT_TRUE(spin_until([&] { return client->made(); }));
  auto& carrier = client->way();
  auto secured = start_tls(carrier, client_context_, test_server_name);
  ASSERT_TRUE(spin_until([&] { return secured.ready(); }));
  client->way().lose_write_connection();
  client->way().pause_producing();
  ASSERT_TRUE(spin_until([&] { return server->lost(); }));
  carrier.write("\n");
  client->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return client->lost(); }));
  EXPECT_EQ(client->data.size(), answer.size());
}

class TlsClosingOnTheWire : public TlsUsage {
 protected:
  void SetUp() override {
    const auto make = [this] {
      server_ = std::make_shared<AccumulatingProtocol>();
      server_->on_data = [](AccumulatingProtocol& self, BytesView data) { self.way().write(data); };
      return server_;
    };
    port_ = reactor_->listen_tcp(0, tls_server(server_context_, factory_from(make)),
                                 testing::on_loopback());
    accepts = 0;
    client_->on_made = [](AccumulatingProtocol& self) { self.way().write("hello"); };
    TlsTarget target("127.0.0.1", port_.address().port());
    target.server_name = test_server_name;
    auto connecting =
        connect_tls(*reactor_, target, client_context_, factory_from([&] { return client_; }));
    ASSERT_TRUE(spin_until([&] { return client_->data == "hello"; }));
    sends = receives = looks = shutdowns = poller_changes = 0;
  }
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_;
};

INSTANTIATE_TEST_SUITE_P(Each, TlsClosingOnTheWire, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

// Two goodbyes are sent and read, two descriptors taken out of the set: whose peer has said goodbye
// is closed at once, when a look tells that all of ours has gone out.
TEST_P(TlsClosingOnTheWire, TakesALookAtTheSocketWhenBothHaveSaidGoodbyeAndNoMore) {
  client_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return client_->lost() && server_->lost(); }));
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
  if (GetParam() != "epoll") return;
  EXPECT_EQ(shutdowns, 0);
  EXPECT_EQ(accepts, 1);
  EXPECT_EQ(sends, 2);
  EXPECT_EQ(receives, 2);
  EXPECT_LE(looks, 2);
  EXPECT_EQ(poller_changes, 2);
}

// The client ends its direction first, so the server's last bytes are still under way when the
// server closes.
TEST_P(TlsClosingOnTheWire, LosesNothingOfALongAnswerToAPeerThatHasSaidGoodbye) {
  const std::string answer(3'000'000, 'x');
  server_->on_eof = [&](AccumulatingProtocol& self) {
    self.way().write(answer);
    self.way().lose_connection();
  };
  client_->data.clear();
  client_->way().lose_write_connection();
  ASSERT_TRUE(spin_until([&] { return client_->lost() && server_->lost(); }));
  EXPECT_EQ(client_->data.size(), answer.size());
  EXPECT_TRUE(client_->lost_with<ConnectionDone>());
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}
#endif

// ---- later

// [starttls]
class MailServer : public LineReceiver {
 public:
  explicit MailServer(TlsContext context) : context_(std::move(context)) {}

  void line_received(std::string_view line) override {
    if (line != "STARTTLS") return send_line("250 you said " + std::string(line));
    if (transport().tls() != nullptr) return send_line("503 we talk TLS already");
    send_line("220 begin");
    // Goes out in clear; from here on everything is encrypted. connection_lost tells of a failure.
    auto begun = start_tls(transport(), context_).add_errback([](const Failure&) {});
  }

 private:
  TlsContext context_;
};
// [starttls]

class MailClient final : public LineReceiver {
 public:
  explicit MailClient(TlsContext context) : context_(std::move(context)) {}
  void connection_made() override { send_line("STARTTLS"); }
  void line_received(std::string_view line) override {
    heard.emplace_back(line);
    if (!line.starts_with("220")) return;
    auto begun =
        start_tls(transport(), context_, test_server_name)
            .add_callbacks([this] { send_line("a secret"); },
                           [this](const Failure& failure) { heard.push_back(failure.message()); });
  }
  void connection_lost(const Failure&) override { lost = true; }
  [[nodiscard]] Transport& way() const { return transport(); }
  std::vector<std::string> heard;
  bool lost = false;

 private:
  TlsContext context_;
};

const std::vector<std::string> conversation{"220 begin", "250 you said a secret"};

class StartTlsUnder : public TlsUsage {
 protected:
  // Both begin TLS through what `policy` puts around their factories.
  template <class Policy>
  void converse(Policy policy) {
    const auto client = std::make_shared<MailClient>(client_context_);
    std::shared_ptr<MailServer> server;
    connect_plainly(policy(factory_from([&] { return client; })), policy(factory_from([&] {
                      return server = std::make_shared<MailServer>(server_context_);
                    })));
    ASSERT_TRUE(spin_until([&] { return client->heard.size() >= 2; }));
    EXPECT_EQ(client->heard, conversation);
    ASSERT_NE(client->way().tls(), nullptr);
    EXPECT_TRUE(client->way().tls()->verified);
    client->way().lose_connection();
    EXPECT_TRUE(spin_until([&] { return client->lost; }));
  }
};

INSTANTIATE_TEST_SUITE_P(Each, StartTlsUnder, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

TEST_P(StartTlsUnder, LineReceivers) {  // 132, 133
  converse([](std::shared_ptr<Factory> factory) { return factory; });
}

TEST_P(StartTlsUnder, AnIdleTimeOut) {
  converse([](std::shared_ptr<Factory> factory) {
    return idle_timeout(std::move(factory), std::chrono::seconds(60));
  });
}

TEST_P(StartTlsUnder, AThrottle) {
  converse([](std::shared_ptr<Factory> factory) {
    return throttle(std::move(factory), ThrottleLimits(Bandwidth(10'000'000, 10'000'000)));
  });
}

TEST_P(StartTlsUnder, AnIdleTimeOutAroundAThrottle) {
  converse([](std::shared_ptr<Factory> factory) {
    return idle_timeout(
        throttle(std::move(factory), ThrottleLimits(Bandwidth(10'000'000, 10'000'000))),
        std::chrono::seconds(60));
  });
}

// Frames that say "TLS", and then one in TLS, all sent in one turn.
class Frames final : public Int16StringReceiver {
 public:
  Frames(TlsContext context, std::string server_name)
      : context_(std::move(context)), server_name_(std::move(server_name)) {}
  void begin() {
    auto begun = start_tls(transport(), context_, server_name_).add_errback([](const Failure&) {});
  }
  void string_received(BytesView string) override {
    heard.emplace_back(string.text());
    if (string == BytesView("TLS")) begin();
  }
  void connection_lost(const Failure& failure) override { reason = failure; }
  [[nodiscard]] Transport& way() const { return transport(); }
  std::vector<std::string> heard;
  std::optional<Failure> reason;

 private:
  TlsContext context_;
  std::string server_name_;
};

TEST_P(TlsUsage, TakesWhatCameBehindAFrameForTls) {  // 133
  const auto client = std::make_shared<Frames>(client_context_, test_server_name);
  const auto server = std::make_shared<Frames>(server_context_, "");
  connect_plainly(factory_from([&] { return client; }), factory_from([&] { return server; }));
  reactor_->turn().enter_logged("test", [&] {
    client->send_string("TLS");
    client->begin();
    client->send_string("secret");
  });
  ASSERT_TRUE(spin_until([&] { return server->heard.size() == 2; }));
  EXPECT_EQ(server->heard, (std::vector<std::string>{"TLS", "secret"}));
}

TEST_P(TlsUsage, TakesAFrameBehindTheOneThatAskedForTlsForAFailedHandshake) {  // 133
  const auto client = std::make_shared<Frames>(client_context_, test_server_name);
  const auto server = std::make_shared<Frames>(server_context_, "");
  connect_plainly(factory_from([&] { return client; }), factory_from([&] { return server; }));
  reactor_->turn().enter_logged("test", [&] {
    client->send_string("TLS");
    client->send_string("injected");
  });
  ASSERT_TRUE(spin_until([&] { return server->reason.has_value(); }));
  EXPECT_EQ(server->heard, std::vector<std::string>{"TLS"});
  EXPECT_NE(server->reason->check<TlsError>(), nullptr);
}

// ---- contexts

TEST_P(TlsUsage, AsksForCertificatesAndReloadsItsOwn) {
  const auto identity = test_authority().issue(test_server_name);
  const auto renewed = test_authority().issue(test_server_name);
  const auto clients = test_authority().certificate();
  const auto client_identity = test_authority().issue("ann");
  std::vector<std::string> failures;
  // [options]
  TlsServerOptions options(identity);
  options.alpn = {"h2", "http/1.1"};
  options.client_certificate = ClientCertificate::required;
  options.client_trust = clients;
  options.handshake_timeout = std::chrono::seconds(5);
  options.max_handshakes = 500;
  options.handshake_failed = [&](const Failure& reason, const Address& peer) {
    failures.push_back(peer.text() + ": " + reason.message());
  };
  TlsContext context(options);
  // [options]
  const auto server = std::make_shared<AccumulatingProtocol>();
  port_ = reactor_->listen_tcp(0, tls_server(context, factory_from([&] { return server; })),
                               testing::on_loopback());
  // [reload]
  context.reload({renewed});
  // [reload]
  const auto connect_as = [&](const TlsIdentity& who) {
    auto wanted = test_client_options();
    wanted.identity = who;
    TlsTarget target("127.0.0.1", port_.address().port());
    target.server_name = test_server_name;
    return connect_tls(*reactor_, target, TlsContext(wanted), factory_for<AccumulatingProtocol>());
  };
  auto nobody = connect_as({});
  ASSERT_TRUE(spin_until([&] { return !failures.empty() && nobody.ready(); }));
  EXPECT_THAT(failures.front(), HasSubstr("showed no certificate, and one is required"));
  static_cast<void>(nobody.take_result());
  auto ann = connect_as(client_identity);
  ASSERT_TRUE(spin_until([&] { return ann.ready() && server->made(); }));
  static_cast<void>(testing::success_result_of(std::move(ann)));
  EXPECT_EQ(server->way().tls()->peer_certificate->subject, "CN=ann");
}

TEST_P(TlsUsage, SharesAContextAmongTheLoopsOfManyThreads) {
  std::atomic<int> connected{0};
  const auto connect_often = [&] {
    const auto reactor = make_reactor(GetParam());
    const auto port = reactor->listen_tcp(0, tls_server(server_context_, factory_for<Echo>()),
                                          testing::on_loopback());
    for (int round = 0; round < 10; ++round) {
      TlsTarget target("127.0.0.1", port.address().port());
      target.server_name = test_server_name;
      const auto client = std::make_shared<AccumulatingProtocol>();
      auto connecting =
          connect_tls(*reactor, target, client_context_, factory_from([&] { return client; }));
      testing::spin_reactor_until(*reactor, [&] { return connecting.ready(); });
      if (connecting.take_result()->succeeded()) ++connected;
      client->way().lose_connection();
      testing::spin_reactor_until(*reactor, [&] { return client->lost(); });
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back(connect_often);
  for (int i = 0; i < 20; ++i) {
    server_context_.reload();
    client_context_.reload();
  }
  threads.clear();
  EXPECT_EQ(connected, 30);
  EXPECT_EQ(server_context_.handshakes() + client_context_.handshakes(), 0U);
}

}  // namespace
}  // namespace weft
