#include "../framework/proxy_header.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/results.hpp"
#include "../transports/endpoints.hpp"
#include "../transports/proxy_protocol.hpp"
#include "../transports/test_certificates_test.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

class TlsEndpoints : public ::testing::TestWithParam<std::string> {
 protected:
  TlsEndpoints() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    trust_ = save("trust", authority_.certificate().value());
    good_ = save("good", authority_.issue("localhost"));
    ann_ = save("ann", authority_.issue("ann"));
  }
  ~TlsEndpoints() override { std::filesystem::remove_all(folder_); }

  std::string save(const std::string& name, const std::string& content) const {
    const auto path = (folder_ / name).string();
    std::ofstream(path) << content;
    return path;
  }
  std::string save(const std::string& name, const TlsIdentity& identity) const {
    return save(name, identity.chain.value() + identity.key.value());
  }
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  // On a free port of TCP, with a good certificate and `more`.
  void serve(const std::string& more = "",
             const std::string& around = "tls:0:interface=127.0.0.1") {
    port_ = testing::success_result_of(listen(*reactor_, around + ":cert=" + good_ + more,
                                              factory_from([this] { return server_; })));
  }
  [[nodiscard]] std::string target(const std::string& more = "") const {
    return "tls:127.0.0.1:" + std::to_string(port_.address().port()) +
           ":server_name=localhost:trust=" + trust_ + more;
  }
  Deferred<std::shared_ptr<Protocol>> begin(const std::string& text) {
    return connect(*reactor_, text, factory_from([this] { return client_; }));
  }
  void connect_to(const std::string& text) {
    auto connecting = begin(text);
    ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
    EXPECT_EQ(testing::success_result_of(std::move(connecting)), client_);
    ASSERT_TRUE(spin_until([&] { return server_->made(); }));
  }
  void converse() {
    server_->on_data = [](auto& self, BytesView data) { self.way().write(data); };
    client_->way().write("hello");
    EXPECT_TRUE(spin_until([&] { return client_->data == "hello"; }));
    client_->way().lose_connection();
    EXPECT_TRUE(spin_until([&] { return client_->lost() && server_->lost(); }));
  }
  template <class E>
  Failure connect_failure(const std::string& text) {
    auto connecting = begin(text);
    EXPECT_TRUE(spin_until([&] { return connecting.ready(); }));
    return testing::failure_result_of<E>(std::move(connecting));
  }

  TestAuthority authority_{"the authority"};
  std::filesystem::path folder_;
  std::string trust_;
  std::string good_;
  std::string ann_;
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
  ListeningPort port_;
};

// ---- what they carry

TEST_P(TlsEndpoints, CarryAConversationThatIsVerified) {
  serve();
  connect_to(target());
  ASSERT_NE(client_->way().tls(), nullptr);
  EXPECT_TRUE(client_->way().tls()->verified);
  EXPECT_EQ(client_->way().tls()->peer_certificate->subject, "CN=localhost");
  EXPECT_EQ(server_->way().tls()->server_name, "localhost");
  converse();
}

TEST_P(TlsEndpoints, CarryAConversationOverUnixSockets) {
  const auto path = (folder_ / "socket").string();
  serve("", "tls:over=[unix:" + path + ":mode=600]");
  connect_to("tls:over=[unix:" + path + ":timeout=5]:server_name=localhost:trust=" + trust_);
  converse();
}

TEST_P(TlsEndpoints, CarryTlsInTls) {
  serve("", "tls:over=[tls:0:interface=127.0.0.1:cert=" + good_ + "]");
  connect_to("tls:over=[" + target() + "]:server_name=localhost:trust=" + trust_);
  converse();
}

// ---- options

TEST_P(TlsEndpoints, SettleTheApplicationProtocolThatTheServerLikesBest) {
  serve(":alpn=h2,echo");
  connect_to(target(":alpn=chat,echo,h2"));
  EXPECT_EQ(client_->way().tls()->alpn, "h2");
  EXPECT_EQ(server_->way().tls()->alpn, "h2");
}

TEST_P(TlsEndpoints, KeepToTheVersionsThatEitherSideAllows) {
  serve(":max_version=1.2");
  connect_to(target());
  EXPECT_EQ(client_->way().tls()->version, "TLSv1.2");
  client_ = std::make_shared<AccumulatingProtocol>();
  const auto failure = connect_failure<TlsError>(target(":min_version=1.3"));
  EXPECT_NE(failure.message().find("no version of TLS in common"), std::string::npos);
}

TEST_P(TlsEndpoints, ShowWhoAsksForANameTheCertificateOfThatName) {
  serve(":sni=" + ann_);
  connect_to("tls:127.0.0.1:" + std::to_string(port_.address().port()) +
             ":server_name=ann:trust=" + trust_);
  EXPECT_EQ(client_->way().tls()->peer_certificate->subject, "CN=ann");
}

TEST_P(TlsEndpoints, ShowTheServerTheCertificateOfTheClient) {
  serve(":client_cert=required:trust=" + trust_);
  connect_to(target(":cert=" + ann_));
  ASSERT_TRUE(server_->way().tls()->peer_certificate);
  EXPECT_EQ(server_->way().tls()->peer_certificate->subject, "CN=ann");
  EXPECT_TRUE(server_->way().tls()->verified);
}

TEST_P(TlsEndpoints, LetWhoHasNoCertificateInWhereItIsOptional) {
  serve(":client_cert=optional:trust=" + trust_);
  connect_to(target());
  EXPECT_FALSE(server_->way().tls()->peer_certificate);
}

TEST_P(TlsEndpoints, RefuseWhoHasNoCertificateWhereItIsRequired) {
  serve(":client_cert=required:trust=" + trust_);
  // With TLS 1.3 a client has shaken hands before it is refused.
  const auto failure = connect_failure<TlsError>(target(":max_version=1.2"));
  EXPECT_FALSE(server_->made());
}

TEST_P(TlsEndpoints, VerifyUnlessToldNotTo) {
  good_ = save("self", TestAuthority::self_signed("localhost"));
  serve();
  EXPECT_NE(connect_failure<CertificateError>(target()).message().find("self-signed"),
            std::string::npos);
  connect_to(target(":verify=no"));
  EXPECT_FALSE(client_->way().tls()->verified);
}

TEST_P(TlsEndpoints, RefuseWhatWasRevoked) {
  const auto identity = authority_.issue("localhost");
  good_ = save("good", identity);
  const auto list = save("revoked", authority_.revoke({identity}).value());
  serve();
  EXPECT_NE(connect_failure<CertificateError>(target(":revoked=" + list)).message().find("revoked"),
            std::string::npos);
}

TEST_P(TlsEndpoints, WriteTheSecretsToAFileWhenAsked) {
  const auto path = (folder_ / "keys").string();
  serve();
  connect_to(target(":key_log=" + path));
  std::ifstream file(path);
  std::string line;
  ASSERT_TRUE(std::getline(file, line));
  EXPECT_NE(line.find("SECRET"), std::string::npos);
}

TEST_P(TlsEndpoints, GiveUpAHandshakeAfterTheTimeGiven) {
  const auto silent = testing::success_result_of(
      listen(*reactor_, "tcp:0:interface=127.0.0.1", factory_from([this] { return server_; })));
  connect_failure<HandshakeTimeout>("tls:127.0.0.1:" + std::to_string(silent.address().port()) +
                                    ":trust=" + trust_ + ":handshake_timeout=0.02");
}

// ---- together with PROXY headers

TEST_P(TlsEndpoints, TakeTheHeaderOfAProxyBeforeTls) {
  serve("", "haproxy:tls:0:interface=127.0.0.1");
  connect_to("haproxy:" + target());
  ASSERT_NE(server_->way().proxied(), nullptr);
  EXPECT_NE(server_->way().tls(), nullptr);
  converse();
}

TEST_P(TlsEndpoints, PutWhatIsNextToTheWireBelowTls) {
  serve("", "haproxy:tls:0:interface=127.0.0.1");
  const auto source = Address::parse("192.0.2.7", 4000).value();
  const auto endpoint = client_from_string(*reactor_, target());
  auto connecting = endpoint->connect(
      factory_from([this] { return client_; }), [&](std::shared_ptr<Factory> inner) {
        return announcing(std::move(inner), ProxyVersion::v2,
                          ProxyHeader{source, Address::parse("192.0.2.8", 443).value(), {}});
      });
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && server_->made(); }));
  EXPECT_EQ(testing::success_result_of(std::move(connecting)), client_);
  EXPECT_EQ(server_->way().peer(), source);
  converse();
}

// ---- cancelling

TEST_P(TlsEndpoints, CloseWhateverWasOpenedWhenTheyAreCancelledAtAnyStage) {
  // What the server made of an attempt may come about when the next one is under way.
  std::vector<std::shared_ptr<AccumulatingProtocol>> served;
  port_ = testing::success_result_of(listen(
      *reactor_, "tls:0:interface=127.0.0.1:cert=" + good_,
      factory_from([&] { return served.emplace_back(std::make_shared<AccumulatingProtocol>()); })));
  // A stage more each time, until it is too late to cancel.
  bool done = false;
  for (int rounds = 0; !done && rounds < 1000; ++rounds) {
    client_ = std::make_shared<AccumulatingProtocol>();
    auto connecting = begin(target());
    for (int round = 0; round < rounds && !connecting.ready(); ++round)
      reactor_->run_once(std::chrono::milliseconds(1));
    done = connecting.ready();
    connecting.cancel();
    if (done) {
      EXPECT_EQ(testing::success_result_of(std::move(connecting)), client_);
      client_->way().lose_connection();
    } else {
      testing::failure_result_of<ConnectingCancelled>(std::move(connecting));
      EXPECT_FALSE(client_->made());
    }
  }
  EXPECT_TRUE(done);
  EXPECT_TRUE(spin_until([&] {
    return client_->lost() &&
           std::all_of(served.begin(), served.end(), [](const auto& each) { return each->lost(); });
  }));
}

// ---- strings that make no sense

struct Mistake {
  std::string text;
  std::string part;
  std::string complaint;
};

template <class Build>
void expect_pointed_at(const Mistake& mistake, Build build) {
  try {
    EXPECT_EQ(build(mistake.text), nullptr);
    ADD_FAILURE() << mistake.text << " was taken";
  } catch (const EndpointError& error) {
    EXPECT_EQ(mistake.text.substr(error.position(), error.length()), mistake.part) << error.what();
    EXPECT_NE(std::string(error.what()).find(mistake.complaint), std::string::npos) << error.what();
  }
}

TEST_P(TlsEndpoints, PointAtWhatIsWrongWithAServersString) {
  const auto good = ":cert=" + good_;
  for (const auto& mistake : std::vector<Mistake>{
           {"tls:443", "tls", "it needs \"cert\""},
           {"tls:443:min_version=1.1" + good, "1.1", "1.2 and 1.3"},
           {"tls:443:max_version=2" + good, "2", "1.2 and 1.3"},
           {"tls:443:client_cert=maybe" + good, "maybe", "none, optional or required"},
           {"tls:443:handshake_timeout=soon" + good, "soon", ""},
           {"tls:443:interface=home" + good, "home", "numeric address"},
           {"tls:port" + good, "port", ""},
           {"tls:443:colour=red" + good, "colour=red", ""}}) {
    SCOPED_TRACE(mistake.text);
    expect_pointed_at(
        mistake, [this](const std::string& text) { return server_from_string(*reactor_, text); });
  }
}

TEST_P(TlsEndpoints, PointAtWhatIsWrongWithAClientsString) {
  for (const auto& mistake :
       std::vector<Mistake>{{"tls:localhost", "", "port"},
                            {"tls::443", "", "a host is a name or an address"},
                            {"tls:localhost:443:verify=perhaps", "perhaps", ""},
                            {"tls:localhost:443:min_version=1.1", "1.1", "1.2 and 1.3"},
                            {"tls:over=[unix:/run/x]", "[unix:/run/x]", "needs a \"server_name\""},
                            {"tls:localhost:443:colour=red", "colour=red", ""}}) {
    SCOPED_TRACE(mistake.text);
    expect_pointed_at(
        mistake, [this](const std::string& text) { return client_from_string(*reactor_, text); });
  }
}

TEST_P(TlsEndpoints, NameTheFileThatCannotBeReadOrHasNoCertificate) {
  const auto missing = (folder_ / "missing").string();
  const auto empty = save("empty", std::string("nothing"));
  for (const auto& path : {missing, empty}) {
    SCOPED_TRACE(path);
    for (const auto& text : {"tls:0:cert=" + path, "tls:0:cert=" + good_ + ":sni=" + path,
                             "tls:0:cert=" + good_ + ":key=" + path,
                             "tls:0:cert=" + good_ + ":revoked=" + path + ":client_cert=required",
                             "tls:0:cert=" + good_ + ":trust=" + path + ":client_cert=required"}) {
      SCOPED_TRACE(text);
      try {
        EXPECT_EQ(server_from_string(*reactor_, text), nullptr);
        ADD_FAILURE() << "it was taken";
      } catch (const CertificateError& error) {
        EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
      }
    }
    EXPECT_THROW(
        static_cast<void>(client_from_string(*reactor_, "tls:localhost:443:trust=" + path)),
        CertificateError);
    EXPECT_THROW(static_cast<void>(client_from_string(*reactor_, "tls:localhost:443:cert=" + path)),
                 CertificateError);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryReactor, TlsEndpoints, ::testing::ValuesIn(reactor_names()),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace weft
