// Two protocols that talk TLS in memory, at each delivery: what the tests of TLS share.
#pragma once

#include "../testing/accumulating_protocol.hpp"
#include "../testing/checked_producer.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "tls_streams_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

namespace weft {

struct DeliveryKind {
  std::string name;
  testing::Delivery delivery;
};

inline void PrintTo(const DeliveryKind& kind, std::ostream* out) {
  *out << kind.name;
}

inline auto every_delivery() {
  return ::testing::Values(DeliveryKind{"all", testing::Delivery::all_at_once()},
                           DeliveryKind{"bytes", testing::Delivery::byte_by_byte()},
                           DeliveryKind{"pieces", testing::Delivery::random_pieces(11)});
}

inline std::string delivery_name(const ::testing::TestParamInfo<DeliveryKind>& kind) {
  return kind.param.name;
}

class TlsCase : public ::testing::TestWithParam<DeliveryKind> {
 protected:
  using Accumulating = testing::AccumulatingProtocol;

  TlsCase() {
    server_options_.handshake_failed = [this](const Failure& failure, const Address&) {
      server_failure_ = failure;
    };
  }

  /// As the options are now; done when nothing moves any more.
  void connect(const std::string& server_name = test_server_name) {
    client_context_.emplace(client_options_);
    server_context_.emplace(server_options_);
    connect_again(server_name);
  }
  /// With the contexts of before.
  void connect_again(const std::string& server_name = test_server_name) {
    begin(server_name);
    pump_->flush();
  }
  void begin(const std::string& server_name = test_server_name) {
    client_ = std::make_shared<Accumulating>();
    server_ = std::make_shared<Accumulating>();
    if (prepare_) prepare_();
    pump_.emplace(GetParam().delivery);
    pump_->connect(factory_from([this] { return client_; }),
                   factory_from([this] { return server_; }), *client_context_, *server_context_,
                   server_name);
  }
  [[nodiscard]] bool connected() {
    if (!pump_->outcome().ready()) return false;
    const auto result = pump_->outcome().take_result();
    return result->succeeded() && client_->made() && server_->made();
  }
  /// What the connect failed with.
  template <class E = TlsError>
  [[nodiscard]] std::string refusal() {
    EXPECT_FALSE(client_->made());
    return testing::failure_result_of<E>(std::move(pump_->outcome())).message();
  }
  [[nodiscard]] bool both_lost() {
    return pump_->pump_until([this] { return client_->lost() && server_->lost(); });
  }
  template <class F>
  void in_turn(F&& callback) {
    pump_->clock().turn().enter_logged("test", std::forward<F>(callback));
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  const testing::LogCapture log_;
  TlsServerOptions server_options_ = test_server_options();
  TlsClientOptions client_options_ = test_client_options();
  std::optional<TlsContext> client_context_;
  std::optional<TlsContext> server_context_;
  std::optional<Failure> server_failure_;
  std::shared_ptr<Accumulating> client_;
  std::shared_ptr<Accumulating> server_;
  // Called with the new protocols, before they are connected.
  std::function<void()> prepare_;
  std::optional<TlsPump> pump_;
};

}  // namespace weft
