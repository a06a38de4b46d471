#include "../testing/conformance/stream_suite.hpp"
#include "tls_streams_test.hpp"

#include <memory>
#include <stdexcept>
#include <utility>

namespace weft {
namespace {

using testing::Delivery;
using testing::StreamConformance;
using testing::StreamKind;

class TlsFixture final : public testing::StreamFixture {
 public:
  explicit TlsFixture(Delivery delivery) : pump_(delivery, capacity) {}

  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    static const TlsContext client_context(test_client_options());
    static const TlsContext server_context(test_server_options());
    bool accepted = false;
    pump_.connect(factory_from([client] { return client; }), factory_from([&] {
                    accepted = true;
                    return server;
                  }),
                  client_context, server_context);
    if (!pump_.pump_until([&] { return accepted && pump_.outcome().ready(); })) {
      throw std::runtime_error("no connection came about");
    }
    static_cast<void>(pump_.outcome().take_result());
  }
  bool spin_until(const std::function<bool()>& condition) override {
    return pump_.pump_until(condition);
  }
  void spin() override {
    for (int round = 0; round < 20; ++round)
      pump_.pump();
  }
  [[nodiscard]] Clock& clock() override { return pump_.clock(); }
  [[nodiscard]] bool manual_time() const override { return true; }
  void advance(Duration by) override { pump_.clock().advance(by); }
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 900'000; }

 private:
  static constexpr std::size_t capacity = 8 * 1024;
  TlsPump pump_;
};

StreamKind kind(const char* name, const Delivery& delivery) {
  return {name, [delivery] { return std::make_unique<TlsFixture>(delivery); }, {}};
}

INSTANTIATE_TEST_SUITE_P(Tls, StreamConformance,
                         ::testing::Values(kind("tls", Delivery::all_at_once()),
                                           kind("tls_bytes", Delivery::byte_by_byte()),
                                           kind("tls_pieces", Delivery::random_pieces(7))),
                         testing::stream_kind_name);

}  // namespace
}  // namespace weft
