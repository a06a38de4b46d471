// Pairs that talk TLS in memory, for the conformance suite and for tests of TLS itself.
#pragma once

#include "../testing/conformance/stream_fixture.hpp"
#include "../testing/io_pump.hpp"
#include "tls.hpp"
#include "tls_contexts_test.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace weft {

/// Two protocols that talk TLS over a pump.
class TlsPump {
 public:
  static constexpr std::size_t default_capacity = 64 * 1024;

  explicit TlsPump(testing::Delivery delivery, std::size_t capacity = default_capacity)
      : delivery_(delivery), capacity_(capacity) {}

  /// Begins; the outcome is the client's.
  void connect(std::shared_ptr<Factory> client, std::shared_ptr<Factory> server,
               const TlsContext& client_context, const TlsContext& server_context,
               const std::string& server_name = test_server_name) {
    auto secured = tls_server(server_context, std::move(server));
    outcome_.emplace(tls_connect(
        clock_,
        [this, secured](std::shared_ptr<Factory> factory) {
          std::tie(client_end_, server_end_) =
              testing::MemoryTransport::make_pair(clock_, capacity_);
          server_end_->establish(secured->build_protocol(server_end_->peer()));
          auto lower = factory->build_protocol(client_end_->peer());
          client_end_->establish(lower);
          return Deferred<std::shared_ptr<Protocol>>(Outcome<std::shared_ptr<Protocol>>(lower));
        },
        client_context, server_name, std::move(client)));
  }
  /// Moves one piece each way; false when nothing moved.
  bool pump() {
    clock_.settle();
    if (client_end_ == nullptr) {
      clock_.settle();
      return client_end_ != nullptr;
    }
    const bool to_server = server_end_->deliver(delivery_.next_size());
    const bool to_client = client_end_->deliver(delivery_.next_size());
    clock_.settle();
    return to_server || to_client;
  }
  /// Pumps until nothing moves.
  void flush() {
    while (pump()) {
    }
  }
  bool pump_until(const std::function<bool()>& condition) {
    while (!condition()) {
      if (!pump()) return condition();
    }
    return true;
  }

  [[nodiscard]] testing::ManualClock& clock() noexcept { return clock_; }
  [[nodiscard]] testing::MemoryTransport& client_end() { return *client_end_; }
  /// As an owner of transports does when a connection is over.
  void drop_client_end() noexcept { client_end_ = nullptr; }
  [[nodiscard]] testing::MemoryTransport& server_end() { return *server_end_; }
  [[nodiscard]] Deferred<std::shared_ptr<Protocol>>& outcome() { return *outcome_; }

 private:
  testing::ManualClock clock_;
  testing::Delivery delivery_;
  std::size_t capacity_;
  std::shared_ptr<testing::MemoryTransport> client_end_;
  std::shared_ptr<testing::MemoryTransport> server_end_;
  std::optional<Deferred<std::shared_ptr<Protocol>>> outcome_;
};

}  // namespace weft
