#include "../framework/coroutines/task_group.hpp"
#include "../protocols/stream_listener.hpp"
#include "../testing/io_pump.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/results.hpp"
#include "../transports/tls.hpp"
#include "../transports/tls_contexts_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

using testing::Delivery;
using testing::failure_result_of;
using testing::success_result_of;

// A server that offers STARTTLS, as mail servers do.
class TlsStream : public ::testing::Test {
 protected:
  Task<std::string> serve() {
    const auto command = co_await server_->read_line();
    if (command != "STARTTLS") co_return "no command";
    // [start_tls]
    co_await server_->write("220 ready\r\n");
    co_await server_->start_tls(
        [&](Transport& transport) { return start_tls(transport, server_context_); });
    // [start_tls]
    co_return (co_await server_->read_line()).value_or("nothing");
  }
  Task<void> talk() {
    co_await client_->write("STARTTLS\r\n");
    if (co_await client_->read_line() != "220 ready") throw Error("The server is not ready.");
    co_await client_->start_tls([&](Transport& transport) {
      return start_tls(transport, client_context_, test_server_name);
    });
    co_await client_->write("secret\r\n");
  }

  const testing::LogCapture log_;
  TlsContext client_context_{test_client_options()};
  TlsContext server_context_{test_server_options()};
  std::shared_ptr<Stream> client_ = std::make_shared<Stream>();
  std::shared_ptr<Stream> server_ = std::make_shared<Stream>();
};

TEST_F(TlsStream, BeginsInTheMiddleOfAConversationHoweverItIsCut) {
  for (const auto& delivery :
       {Delivery::all_at_once(), Delivery::byte_by_byte(), Delivery::random_pieces(5)}) {
    client_ = std::make_shared<Stream>();
    server_ = std::make_shared<Stream>();
    testing::IoPump pump(client_, server_, delivery);
    auto served = ensure_deferred(serve());
    auto talked = ensure_deferred(talk());
    pump.flush();
    success_result_of(std::move(talked));
    EXPECT_EQ(success_result_of(std::move(served)), "secret");
    EXPECT_NE(server_->transport().tls(), nullptr);
  }
}

TEST_F(TlsStream, TakesPlainTextBehindTheCommandForAFailedHandshake) {
  // Held back, too, when there is more of it than the stream keeps.
  for (const std::size_t injected : {10U, 100'000U}) {
    client_ = std::make_shared<Stream>();
    server_ = std::make_shared<Stream>(1'000);
    testing::IoPump pump(client_, server_);
    auto written = client_->write("STARTTLS\r\n" + std::string(injected, 'i') + "\r\n");
    pump.flush();
    auto served = ensure_deferred(serve());
    pump.flush();
    static_cast<void>(failure_result_of<TlsError>(std::move(served)));
    EXPECT_EQ(server_->available(), 0U);
    EXPECT_NE(server_->loss(), nullptr);
  }
}

TEST_F(TlsStream, GoesOnBehindTheHandshakeWhereThePeerWasHeldBackBefore) {
  server_ = std::make_shared<Stream>(5);
  testing::IoPump pump(client_, server_);
  auto talked = ensure_deferred(talk());
  pump.flush();
  EXPECT_GT(server_->available(), 5U);
  auto served = ensure_deferred(serve());
  pump.flush();
  success_result_of(std::move(talked));
  EXPECT_EQ(success_result_of(std::move(served)), "secret");
}

TEST_F(TlsStream, IsRefusedOnlyToWhoShookHandsWhileTheBacklogBecameFull) {
  testing::MemoryReactor reactor;
  auto listener = listen_streams(
      [&](std::shared_ptr<Factory> factory) {
        return reactor.listen_tcp(443, tls_server(server_context_, std::move(factory)));
      },
      1);
  std::vector<std::shared_ptr<Stream>> clients;
  const auto connect = [&] {
    clients.push_back(std::make_shared<Stream>());
    TlsTarget target("localhost", 443);
    target.server_name = test_server_name;
    return connect_tls(reactor, target, client_context_,
                       factory_from([stream = clients.back()] { return stream; }));
  };
  std::vector<Deferred<std::shared_ptr<Protocol>>> connecting;
  for (int i = 0; i < 3; ++i)
    connecting.push_back(connect());
  reactor.settle();
  EXPECT_EQ(listener.backlog(), 1U);
  EXPECT_EQ(listener.refused(), 2U);
  EXPECT_FALSE(listener.port().accepting());
  connecting.push_back(connect());
  reactor.settle();
  EXPECT_TRUE(testing::has_no_result(connecting.back()));
  for (int i = 0; i < 2; ++i) {
    EXPECT_NE(success_result_of(listener.accept()), nullptr);
    reactor.settle();
  }
  EXPECT_TRUE(connecting.back().ready());
  EXPECT_EQ(listener.refused(), 2U);
}

}  // namespace
}  // namespace weft
