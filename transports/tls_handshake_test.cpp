#include "tls_test_case_test.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace weft {
namespace {

using ::testing::HasSubstr;

class TlsHandshake : public TlsCase {
 protected:
  // Connects to who shows this certificate, and says why that failed.
  std::string refusal_of(const TlsIdentity& identity,
                         const std::string& server_name = test_server_name) {
    server_options_.identities = {identity};
    connect(server_name);
    return refusal<CertificateError>();
  }
  static CertificateWish wish() { return CertificateWish(test_server_name); }
};

INSTANTIATE_TEST_SUITE_P(Each, TlsHandshake, every_delivery(), delivery_name);

// ---- what is settled

TEST_P(TlsHandshake, TellsBothSidesWhatWasSettledBeforeConnectionMade) {
  client_options_.alpn = {"echo"};
  server_options_.alpn = {"echo"};
  prepare_ = [this] {
    const auto has_info = [](Accumulating& self) { EXPECT_NE(self.way().tls(), nullptr); };
    client_->on_made = has_info;
    server_->on_made = has_info;
  };
  connect();
  ASSERT_TRUE(connected());
  const TlsInfo& info = *client_->way().tls();
  EXPECT_EQ(info.version, "TLSv1.3");
  EXPECT_THAT(info.cipher, HasSubstr("TLS_"));
  EXPECT_EQ(info.alpn, "echo");
  EXPECT_TRUE(info.verified);
  ASSERT_TRUE(info.peer_certificate);
  EXPECT_EQ(info.peer_certificate->subject, "CN=server.test");
  EXPECT_EQ(info.peer_certificate->issuer, "CN=Test authority");
  EXPECT_EQ(info.peer_certificate->names, std::vector<std::string>{"DNS:server.test"});
  EXPECT_EQ(info.peer_certificate->fingerprint.size(), 64U);
  EXPECT_LT(info.peer_certificate->not_before, std::chrono::system_clock::now());
  EXPECT_GT(info.peer_certificate->not_after, std::chrono::system_clock::now());
  EXPECT_EQ(server_->way().tls()->server_name, "server.test");
  EXPECT_FALSE(server_->way().tls()->peer_certificate);
}

TEST_P(TlsHandshake, CarriesBytesInBothVersions) {
  for (const auto version : {TlsVersion::tls_1_2, TlsVersion::tls_1_3}) {
    client_options_.max_version = version;
    server_options_.min_version = version == TlsVersion::tls_1_2 ? version : TlsVersion::tls_1_3;
    connect();
    ASSERT_TRUE(connected());
    client_->way().write("ping");
    server_->way().write("pong");
    pump_->flush();
    EXPECT_EQ(server_->data, "ping");
    EXPECT_EQ(client_->data, "pong");
    EXPECT_EQ(client_->way().tls()->version,
              version == TlsVersion::tls_1_2 ? "TLSv1.2" : "TLSv1.3");
  }
}

TEST_P(TlsHandshake, RefusesAPeerWithoutAVersionInCommon) {
  client_options_.max_version = TlsVersion::tls_1_2;
  server_options_.min_version = TlsVersion::tls_1_3;
  connect();
  EXPECT_THAT(refusal(), HasSubstr("no version of TLS in common"));
  ASSERT_TRUE(server_failure_);
  EXPECT_THAT(server_failure_->message(), HasSubstr("no version of TLS in common"));
}

// ---- certificates of servers: checklist 126, 127

TEST_P(TlsHandshake, TellsTheErrorBeforeAnyDataAndBuildsNoProtocol) {  // 126
  server_options_.identities = {TestAuthority("Somebody else").issue(test_server_name)};
  prepare_ = [this] { server_->on_made = [](Accumulating& self) { self.way().write("early"); }; };
  connect();
  EXPECT_THAT(refusal<CertificateError>(), HasSubstr("unknown issuer, CN=Somebody else"));
  EXPECT_EQ(client_->data, "");
  EXPECT_FALSE(server_->made());
  // The server was told by our alert why we close.
  ASSERT_TRUE(server_failure_);
  EXPECT_NE(server_failure_->check<CertificateError>(), nullptr) << server_failure_->message();
  EXPECT_THAT(server_failure_->message(), HasSubstr("our certificate of CN=server.test"));
  EXPECT_THAT(server_failure_->message(), HasSubstr("its issuer is unknown to the peer"));
}

TEST_P(TlsHandshake, NamesTheCertificateAndTheReasonThatItIsRefusedFor) {  // 127
  auto old = wish();
  old.ends = -std::chrono::minutes(1);
  EXPECT_THAT(refusal_of(test_authority().issue(old)),
              ::testing::AllOf(HasSubstr("CN=server.test"), HasSubstr("has expired on 2")));
  auto early = wish();
  early.begins = std::chrono::hours(1);
  EXPECT_THAT(refusal_of(test_authority().issue(early)), HasSubstr("is not yet valid before 2"));
  EXPECT_THAT(refusal_of(TestAuthority::self_signed(test_server_name)),
              HasSubstr("is self-signed"));
  auto client_only = wish();
  client_only.purpose = "clientAuth";
  EXPECT_THAT(refusal_of(test_authority().issue(client_only)),
              HasSubstr("must not be used for the purpose of a server"));
  EXPECT_THAT(refusal_of(test_authority().issue("other.test")),
              HasSubstr("is made out for DNS:other.test and not for server.test"));
}

TEST_P(TlsHandshake, VerifiesNumericAddressesByTheirOwnNames) {  // 127
  auto numeric = wish();
  numeric.names = {"IP:127.0.0.1", "IP:::1"};
  server_options_.identities = {test_authority().issue(numeric)};
  connect("127.0.0.1");
  EXPECT_TRUE(connected());
  EXPECT_EQ(server_->way().tls()->server_name, "");
  connect("::1");
  EXPECT_TRUE(connected());
  connect("127.0.0.2");
  EXPECT_THAT(refusal<CertificateError>(), HasSubstr("IP:127.0.0.1, IP:::1 and not for 127.0.0.2"));
}

TEST_P(TlsHandshake, TrustsWhatCertificatesInBetweenLeadTo) {
  const auto deputy = test_authority().deputy("Deputy");
  const auto identity = deputy->issue(test_server_name);
  server_options_.identities = {identity};
  connect();
  EXPECT_TRUE(connected());
  // Without the one in between.
  const auto& chain = identity.chain.value();
  const auto leaf = chain.substr(0, chain.find("-----BEGIN", 10));
  EXPECT_THAT(refusal_of({Pem::text(leaf), identity.key}), HasSubstr("unknown issuer, CN=Deputy"));
}

TEST_P(TlsHandshake, RefusesARevokedCertificate) {
  const auto revoked = test_authority().issue(test_server_name);
  client_options_.revoked = test_authority().revoke({revoked});
  connect();
  EXPECT_TRUE(connected());
  EXPECT_THAT(refusal_of(revoked), HasSubstr("has been revoked by CN=Test authority"));
}

TEST_P(TlsHandshake, TakesAnybodyOnlyWhereThatIsAskedForByItsName) {
  server_options_.identities = {TestAuthority::self_signed("whoever.test")};
  client_options_.trust_anybody_insecurely = true;
  connect();
  ASSERT_TRUE(connected());
  EXPECT_FALSE(client_->way().tls()->verified);
  EXPECT_EQ(client_->way().tls()->peer_certificate->subject, "CN=whoever.test");
}

// ---- certificates of clients: checklist 128

TEST_P(TlsHandshake, AsksClientsForTheirCertificatesAsItIsTold) {  // 128
  const auto identity = test_authority().issue("client.test");
  server_options_.client_trust = test_authority().certificate();
  for (const auto wanted : {ClientCertificate::optional, ClientCertificate::required}) {
    server_options_.client_certificate = wanted;
    client_options_.identity = identity;
    connect();
    ASSERT_TRUE(connected());
    ASSERT_TRUE(server_->way().tls()->peer_certificate);
    EXPECT_EQ(server_->way().tls()->peer_certificate->subject, "CN=client.test");
    EXPECT_TRUE(server_->way().tls()->verified);
  }
  server_options_.client_certificate = ClientCertificate::optional;
  client_options_.identity = {};
  connect();
  ASSERT_TRUE(connected());
  EXPECT_FALSE(server_->way().tls()->peer_certificate);
}

TEST_P(TlsHandshake, RefusesClientsWithoutTheCertificateThatIsRequired) {  // 128
  server_options_.client_trust = test_authority().certificate();
  server_options_.client_certificate = ClientCertificate::required;
  client_options_.max_version = TlsVersion::tls_1_2;
  connect();
  static_cast<void>(refusal());
  ASSERT_TRUE(server_failure_ && server_failure_->check<CertificateError>() != nullptr);
  EXPECT_THAT(server_failure_->message(), HasSubstr("showed no certificate, and one is required"));
  // In TLS 1.3 a client is done before the server has looked at what it showed.
  client_options_.max_version = TlsVersion::tls_1_3;
  connect();
  EXPECT_FALSE(server_->made());
  EXPECT_TRUE(client_->lost_with<CertificateError>());
  EXPECT_THAT(client_->reason->message(), HasSubstr("one is required"));
}

TEST_P(TlsHandshake, RefusesClientsWhoseCertificateIsNotTrusted) {  // 128
  server_options_.client_trust = test_authority().certificate();
  server_options_.client_certificate = ClientCertificate::optional;
  client_options_.identity = TestAuthority("Somebody else").issue("client.test");
  connect();
  ASSERT_TRUE(server_failure_ && server_failure_->check<CertificateError>() != nullptr);
  EXPECT_THAT(server_failure_->message(), HasSubstr("The certificate of CN=client.test"));
  EXPECT_FALSE(server_->made());
  EXPECT_TRUE(client_->lost_with<CertificateError>());
}

// ---- names and protocols: checklist 129, 130

TEST_P(TlsHandshake, ShowsTheCertificateOfTheNameThatIsAskedFor) {  // 129
  CertificateWish star;
  star.common_name = "Stars";
  star.names = {"DNS:*.star.test"};
  server_options_.identities = {test_authority().issue("first.test"),
                                test_authority().issue("second.test"),
                                test_authority().issue(star)};
  for (const auto& [name, subject] :
       std::vector<std::pair<std::string, std::string>>{{"first.test", "CN=first.test"},
                                                        {"Second.test", "CN=second.test"},
                                                        {"a.star.test", "CN=Stars"}}) {
    connect(name);
    ASSERT_TRUE(connected()) << name;
    EXPECT_EQ(client_->way().tls()->peer_certificate->subject, subject);
  }
  connect("b.a.star.test");
  EXPECT_THAT(refusal<CertificateError>(), HasSubstr("CN=first.test"));
}

TEST_P(TlsHandshake, SettlesTheServersFavouriteOfTheProtocolsInCommon) {  // 130
  client_options_.alpn = {"b", "a"};
  server_options_.alpn = {"x", "a", "b"};
  connect();
  ASSERT_TRUE(connected());
  EXPECT_EQ(client_->way().tls()->alpn, "a");
  EXPECT_EQ(server_->way().tls()->alpn, "a");
  client_options_.alpn = {};
  connect();
  ASSERT_TRUE(connected());
  EXPECT_EQ(server_->way().tls()->alpn, "");
}

TEST_P(TlsHandshake, RefusesAClientThatWantsOtherProtocolsOnly) {  // 130
  client_options_.alpn = {"c"};
  server_options_.alpn = {"a"};
  connect();
  EXPECT_THAT(refusal(), HasSubstr("no application protocol (ALPN) in common"));
  ASSERT_TRUE(server_failure_);
  EXPECT_THAT(server_failure_->message(), HasSubstr("(ALPN)"));
}

// ---- sessions

TEST_P(TlsHandshake, TakesUpSessionsAgainInBothVersions) {
  for (const auto version : {TlsVersion::tls_1_2, TlsVersion::tls_1_3}) {
    client_options_.max_version = version;
    connect();
    ASSERT_TRUE(connected());
    EXPECT_FALSE(client_->way().tls()->resumed);
    connect_again();
    ASSERT_TRUE(connected());
    EXPECT_TRUE(client_->way().tls()->resumed);
    EXPECT_TRUE(server_->way().tls()->resumed);
    EXPECT_EQ(client_->way().tls()->peer_certificate->subject, "CN=server.test");
  }
}

TEST_P(TlsHandshake, BeginsAnewWithoutTicketsOrAfterAReload) {
  server_options_.session_tickets = false;
  connect();
  ASSERT_TRUE(connected());
  connect_again();
  ASSERT_TRUE(connected());
  EXPECT_FALSE(client_->way().tls()->resumed);
  server_options_.session_tickets = true;
  connect();
  ASSERT_TRUE(connected());
  client_context_->reload();
  connect_again();
  ASSERT_TRUE(connected());
  EXPECT_FALSE(client_->way().tls()->resumed);
}

TEST_P(TlsHandshake, KeepsSessionsOfAServerThatReloads) {
  connect();
  ASSERT_TRUE(connected());
  server_context_->reload({test_authority().issue(test_server_name)});
  connect_again();
  ASSERT_TRUE(connected());
  EXPECT_TRUE(client_->way().tls()->resumed);
}

// ---- reloading: checklist 146

TEST_P(TlsHandshake, ReloadsCertificatesWhileConnectionsGoOn) {  // 146
  client_options_.resume_sessions = false;
  connect();
  ASSERT_TRUE(connected());
  const auto first = client_->way().tls()->peer_certificate->fingerprint;
  TlsPump other(GetParam().delivery);
  const auto new_client = std::make_shared<Accumulating>();
  server_context_->reload({test_authority().issue(test_server_name)});
  other.connect(factory_from([&] { return new_client; }), factory_for<Accumulating>(),
                *client_context_, *server_context_);
  other.flush();
  static_cast<void>(testing::success_result_of(std::move(other.outcome())));
  EXPECT_NE(new_client->way().tls()->peer_certificate->fingerprint, first);
  client_->way().write("still here");
  pump_->flush();
  EXPECT_EQ(server_->data, "still here");
}

TEST_P(TlsHandshake, KeepsWhatItHasWhenAReloadFails) {
  connect();
  ASSERT_TRUE(connected());
  EXPECT_THROW(server_context_->reload({{Pem::text("nothing"), Pem::text("nothing")}}),
               CertificateError);
  EXPECT_THROW(server_context_->reload(std::vector<TlsIdentity>{}), InvalidArgument);
  connect_again();
  EXPECT_TRUE(connected());
}

// ---- limits

TEST_P(TlsHandshake, EndsAHandshakeThatTakesTooLong) {  // 136
  server_options_.handshake_timeout = std::chrono::seconds(3);
  client_options_.handshake_timeout = std::chrono::seconds(2);
  client_context_.emplace(client_options_);
  server_context_.emplace(server_options_);
  begin();
  pump_->clock().settle();
  EXPECT_EQ(client_context_->handshakes(), 1U);
  pump_->clock().advance(std::chrono::seconds(2));
  EXPECT_THAT(refusal<HandshakeTimeout>(), HasSubstr("was not done in time"));
  pump_->clock().advance(std::chrono::seconds(1));
  ASSERT_TRUE(server_failure_ && server_failure_->check<HandshakeTimeout>() != nullptr);
  EXPECT_EQ(client_context_->handshakes() + server_context_->handshakes(), 0U);
}

TEST_P(TlsHandshake, RefusesOneHandshakeMoreThanAreAllowed) {
  server_options_.max_handshakes = 1;
  client_context_.emplace(client_options_);
  server_context_.emplace(server_options_);
  begin();
  pump_->clock().settle();
  ASSERT_EQ(server_context_->handshakes(), 1U);
  TlsPump other(GetParam().delivery);
  other.connect(factory_for<Accumulating>(), factory_for<Accumulating>(), *client_context_,
                *server_context_);
  other.flush();
  static_cast<void>(testing::failure_result_of(std::move(other.outcome())));
  ASSERT_TRUE(server_failure_ && server_failure_->check<TooManyHandshakes>() != nullptr);
  pump_->flush();
  EXPECT_TRUE(connected());
  EXPECT_EQ(server_context_->handshakes(), 0U);
}

TEST_P(TlsHandshake, LogsItsSecretsOnlyOnRequest) {
  std::vector<std::string> lines;
  client_options_.key_log = [&](std::string_view line) { lines.emplace_back(line); };
  const auto path = std::filesystem::temp_directory_path() /
                    ("weft-keys-" + std::to_string(reinterpret_cast<std::uintptr_t>(this)));
  server_options_.key_log_file = path.string();
  connect();
  ASSERT_TRUE(connected());
  ASSERT_FALSE(lines.empty());
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_NE(std::find(lines.begin(), lines.end(), line), lines.end());
  std::filesystem::remove(path);
}

// ---- every step: checklist 137

TEST_P(TlsHandshake, MayBeCancelledAtEachStep) {  // 137
  client_context_.emplace(client_options_);
  server_context_.emplace(server_options_);
  const int stride = GetParam().name == "bytes" ? 97 : 1;
  for (int steps = 0;; steps += stride) {
    begin();
    bool done = false;
    for (int step = 0; step < steps && !done; ++step)
      done = !pump_->pump() || pump_->outcome().ready();
    if (done) break;
    pump_->outcome().cancel();
    EXPECT_NE(
        testing::failure_result_of<ConnectingCancelled>(std::move(pump_->outcome())).message(), "");
    pump_->flush();
    EXPECT_FALSE(client_->made());
    EXPECT_EQ(server_->made(), server_->lost());
  }
  pump_->flush();
  EXPECT_EQ(client_context_->handshakes() + server_context_->handshakes(), 0U);
}

TEST_P(TlsHandshake, FailsWhenThePeerIsGoneAtEachStep) {  // 137
  client_context_.emplace(client_options_);
  server_context_.emplace(server_options_);
  const int stride = GetParam().name == "bytes" ? 97 : 1;
  for (const bool abruptly : {false, true}) {
    for (int steps = 1;; steps += stride) {
      begin();
      bool done = false;
      for (int step = 0; step < steps && !done; ++step)
        done = !pump_->pump() || pump_->outcome().ready();
      if (done) break;
      auto& gone = pump_->server_end();
      abruptly ? gone.abort_connection() : gone.lose_connection();
      pump_->flush();
      if (client_->made()) {
        // The server's last word was on its way already.
        EXPECT_FALSE(abruptly);
        static_cast<void>(pump_->outcome().take_result());
        // It finds the end without a goodbye, TlsTruncated, or that its own last word cannot be
        // sent.
        EXPECT_TRUE(client_->lost_with<ConnectionLost>()) << client_->reason->message();
      } else if (abruptly) {
        static_cast<void>(testing::failure_result_of<ConnectionLost>(std::move(pump_->outcome())));
      } else {
        EXPECT_THAT(refusal(), HasSubstr("closed the connection during the TLS handshake"));
      }
    }
    pump_->flush();
  }
  EXPECT_EQ(client_context_->handshakes() + server_context_->handshakes(), 0U);
}

// ---- options

TEST(TlsContext, RefusesWhatCannotBeUsedAndSaysWhy) {
  const auto message_of = [](const TlsIdentity& identity) {
    try {
      const TlsContext context{TlsServerOptions(identity)};
      return std::string("it was taken");
    } catch (const CertificateError& error) {
      return std::string(error.what());
    }
  };
  const auto good = test_authority().issue(test_server_name);
  const auto other = test_authority().issue(test_server_name);
  EXPECT_EQ(message_of(good), "it was taken");
  EXPECT_THAT(message_of({Pem::file("/no/such/file"), good.key}), HasSubstr("\"/no/such/file\""));
  EXPECT_THAT(message_of({good.key, good.key}), HasSubstr("No certificate in PEM"));
  EXPECT_THAT(message_of({good.chain, good.chain}), HasSubstr("No private key in PEM"));
  EXPECT_THAT(message_of({good.chain, other.key}),
              HasSubstr("does not belong to the certificate of CN=server.test"));
  EXPECT_EQ(message_of({Pem::text(good.chain.value() + good.key.value()), {}}), "it was taken");
  EXPECT_THROW(TlsContext{TlsServerOptions{}}, InvalidArgument);
  auto options = test_client_options();
  options.alpn = {""};
  EXPECT_THROW(TlsContext{options}, InvalidArgument);
  options = test_client_options();
  options.min_version = TlsVersion::tls_1_3;
  options.max_version = TlsVersion::tls_1_2;
  EXPECT_THROW(TlsContext{options}, InvalidArgument);
}

TEST(TlsContext, IsForOneRole) {
  testing::ManualClock clock;
  const TlsContext client(test_client_options());
  const TlsContext server(test_server_options());
  const auto factory = factory_for<testing::AccumulatingProtocol>();
  EXPECT_THROW(static_cast<void>(tls_server(client, factory)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(tls_connect(clock, {}, server, "x", factory)), InvalidArgument);
  EXPECT_THROW(static_cast<void>(tls_connect(clock, {}, client, "", factory)), InvalidArgument);
}

}  // namespace
}  // namespace weft
