#include "protocol.hpp"

#include "error.hpp"
#include "transport.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace weft {
namespace {

// A transport of which only lose_connection matters.
class ClosableTransport final : public Transport {
 public:
  explicit ClosableTransport(std::string& log) : log_(log) {}
  ~ClosableTransport() override { log_ += "gone "; }
  void write(BytesView) override {}
  void write(Bytes) override {}
  void write_sequence(std::span<const BytesView>) override {}
  void lose_connection() override { log_ += "lose "; }
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
  [[nodiscard]] Address host() const override { return {}; }
  [[nodiscard]] Address peer() const override { return {}; }
  [[nodiscard]] bool connected() const override { return true; }
  [[nodiscard]] bool closing() const override { return false; }
  [[nodiscard]] Clock& clock() const override {
    throw NotSupportedOnThisPlatform("This transport has no clock.");
  }

 private:
  std::string& log_;
};

struct Plain : Protocol {
  void connection_made() override { made_with = &transport(); }
  void data_received(BytesView) override {}
  using Protocol::transport;
  Transport* made_with = nullptr;
};

TEST(Protocol, RefusesToNameATransportBeforeItHasOne) {
  const auto protocol = std::make_shared<Plain>();
  EXPECT_THROW(static_cast<void>(protocol->transport()), NotConnectedError);
}

TEST(Protocol, HasItsTransportInConnectionMade) {
  std::string log;
  const auto transport = std::make_shared<ClosableTransport>(log);
  const auto protocol = std::make_shared<Plain>();
  protocol->make_connection(transport);
  EXPECT_EQ(protocol->made_with, transport.get());
}

TEST(Protocol, KeepsItsTransportAlive) {
  std::string log;
  auto protocol = std::make_shared<Plain>();
  protocol->make_connection(std::make_shared<ClosableTransport>(log));
  EXPECT_EQ(log, "");
  protocol.reset();
  EXPECT_EQ(log, "gone ");
}

TEST(Protocol, LosesTheConnectionAtTheEndOfInputUnlessOverridden) {
  std::string log;
  const auto protocol = std::make_shared<Plain>();
  protocol->make_connection(std::make_shared<ClosableTransport>(log));
  protocol->eof_received();
  EXPECT_EQ(log, "lose ");
}

TEST(Protocol, LendsNoBuffer) {
  EXPECT_EQ(std::make_shared<Plain>()->buffered(), nullptr);
}

// Lends at most `room` bytes at a time.
struct Lender : BufferedProtocol {
  explicit Lender(std::size_t lent) : room(lent) {}
  std::span<std::byte> buffer(std::size_t size_hint) override {
    return std::span(memory).first(std::min(room, size_hint));
  }
  void buffer_updated(std::size_t size) override {
    const auto* const bytes = reinterpret_cast<const char*>(memory.data());
    heard += '<' + std::string(bytes, size) + '>';
  }
  std::size_t room;
  std::array<std::byte, 64> memory{};
  std::string heard;
};

TEST(BufferedProtocol, ReceivesDataThroughItsOwnBuffer) {
  const auto protocol = std::make_shared<Lender>(64);
  protocol->data_received("hello");
  EXPECT_EQ(protocol->heard, "<hello>");
  EXPECT_EQ(protocol->buffered(), protocol.get());
}

TEST(BufferedProtocol, ReceivesDataLargerThanItsBufferInPieces) {
  const auto protocol = std::make_shared<Lender>(2);
  protocol->data_received("hello");
  EXPECT_EQ(protocol->heard, "<he><ll><o>");
}

TEST(BufferedProtocol, MustLendAtLeastOneByte) {
  const auto protocol = std::make_shared<Lender>(0);
  EXPECT_THROW(protocol->data_received("hello"), InvalidArgument);
}

}  // namespace
}  // namespace weft
