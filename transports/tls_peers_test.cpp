#include "detail/tls_handles.hpp"
#include "tls_test_case_test.hpp"

#include <gmock/gmock.h>
#include <openssl/err.h>

#include <memory>
#include <string>

namespace weft {
namespace {

using detail::SslContextHandle;
using detail::SslHandle;
using ::testing::HasSubstr;

// A client that is OpenSSL alone, and does what a client of ours never would.
class RawClient : public testing::AccumulatingProtocol {
 public:
  explicit RawClient(int version) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(context_.get(), version);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
    on_made = [this](auto&) { go_on(); };
    on_data = [this](auto&, BytesView bytes) {
      BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
      go_on();
    };
  }
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
  void send(const std::string& text) {
    SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
    hand_on();
  }
  // Has the server change its keys too, each time.
  void change_keys(int times) {
    for (int i = 0; i < times; ++i) {
      SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED);
      SSL_do_handshake(ssl_.get());
    }
    hand_on();
  }
  void go_on() {
    char room[4096];
    int count = SSL_read(ssl_.get(), room, sizeof room);
    for (; count > 0; count = SSL_read(ssl_.get(), room, sizeof room))
      heard.append(room, static_cast<std::size_t>(count));
    if (count <= 0 && SSL_get_error(ssl_.get(), count) == SSL_ERROR_SSL) {
      refused = ERR_GET_REASON(ERR_peek_error());
    }
    ERR_clear_error();
    hand_on();
  }
  std::string heard;
  int refused = 0;

 private:
  void hand_on() {
    char* written = nullptr;
    const auto size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &written);
    way().write({written, static_cast<std::size_t>(size)});
    static_cast<void>(BIO_reset(SSL_get_wbio(ssl_.get())));
  }
  SslContextHandle context_;
  SslHandle ssl_;
};

class TlsPeers : public ::testing::TestWithParam<DeliveryKind> {
 protected:
  void connect(int version, std::size_t capacity = testing::MemoryTransport::default_capacity) {
    client_ = std::make_shared<RawClient>(version);
    pump_.emplace(client_, factory_->build_protocol({}), GetParam().delivery, capacity);
    pump_->flush();
    ASSERT_TRUE(SSL_is_init_finished(client_->ssl()));
    ASSERT_TRUE(server_->made());
  }

  std::shared_ptr<testing::AccumulatingProtocol> server_ =
      std::make_shared<testing::AccumulatingProtocol>();
  TlsContext context_{test_server_options()};
  std::shared_ptr<Factory> factory_ =
      tls_server(context_, factory_from([this] { return server_; }));
  std::shared_ptr<RawClient> client_;
  std::optional<testing::IoPump> pump_;
};

INSTANTIATE_TEST_SUITE_P(Each, TlsPeers, every_delivery(), delivery_name);

TEST_P(TlsPeers, MayChangeTheirKeys) {  // 144
  connect(TLS1_3_VERSION);
  client_->send("before ");
  ASSERT_EQ(SSL_key_update(client_->ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  client_->send("after");
  pump_->flush();
  EXPECT_EQ(server_->data, "before after");
  server_->way().write("answer");
  pump_->flush();
  EXPECT_EQ(client_->heard, "answer");
  EXPECT_FALSE(server_->lost());
}

TEST_P(TlsPeers, MayNotNegotiateAgain) {  // 144
  connect(TLS1_2_VERSION);
  ASSERT_EQ(SSL_renegotiate(client_->ssl()), 1);
  SSL_do_handshake(client_->ssl());
  client_->go_on();
  pump_->flush();
  EXPECT_EQ(client_->refused, SSL_R_NO_RENEGOTIATION);
  // OpenSSL's clients then give up the connection.
  ASSERT_TRUE(server_->lost_with<TlsError>());
  EXPECT_THAT(server_->reason->message(), HasSubstr("to negotiate again, which is always refused"));
}

TEST_P(TlsPeers, MaySayGoodbyeAndGoOnReading) {
  server_->on_eof = [](auto&) {};
  connect(TLS1_3_VERSION);
  SSL_shutdown(client_->ssl());
  client_->go_on();
  pump_->flush();
  EXPECT_EQ(server_->events.back(), "eof");
  server_->way().write("the answer");
  pump_->flush();
  EXPECT_EQ(client_->heard, "the answer");
  server_->way().lose_connection();
  pump_->flush();
  EXPECT_TRUE(server_->lost_with<ConnectionDone>());
}

// What a peer sends who floods, in large pieces.
class TlsFlood : public TlsPeers {
 protected:
  void connect_closely() {
    connect(TLS1_3_VERSION, 16 * 1024);
    pump_->client().pause_producing();
  }
  void settle() {
    do {
      pump_->clock().settle();
    } while (pump_->server().deliver(64 * 1024));
  }
};

INSTANTIATE_TEST_SUITE_P(Each, TlsFlood,
                         ::testing::Values(DeliveryKind{"all", testing::Delivery::all_at_once()}),
                         delivery_name);

TEST_P(TlsFlood, PilesUpNoAnswersThatThePeerDoesNotRead) {
  connect_closely();
  // Each asks for an answer of its own size, and there are 27 bytes in each.
  for (int i = 0; i < 32; ++i) {
    client_->change_keys(400);
    settle();
  }
  EXPECT_LT(pump_->server().write_buffer_size(), 300U * 1024);
  client_->send("hello");
  settle();
  EXPECT_EQ(server_->data, "");
  // Who reads at last is heard.
  pump_->client().resume_producing();
  pump_->flush();
  EXPECT_EQ(server_->data, "hello");
  server_->way().write("answer");
  pump_->flush();
  EXPECT_EQ(client_->heard, "answer");
}

TEST_P(TlsFlood, IsNotTakenForOneByWhoWritesALotItself) {
  connect_closely();
  pump_->clock().turn().enter_logged("test", [&] {
    for (int i = 0; i < 40; ++i)
      server_->way().write(std::string(50'000, 's'));
  });
  client_->send("hello");
  settle();
  EXPECT_EQ(server_->data, "hello");
  pump_->client().resume_producing();
  pump_->flush();
  EXPECT_EQ(client_->heard.size(), 2'000'000U);
}

}  // namespace
}  // namespace weft
