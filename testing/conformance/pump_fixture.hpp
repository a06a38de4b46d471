// The in-memory pair of IoPump, for the conformance suite.
#pragma once

#include "../io_pump.hpp"
#include "stream_fixture.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace weft::testing {

class PumpStreamFixture : public StreamFixture {
 public:
  explicit PumpStreamFixture(Delivery delivery) : delivery_(delivery) {}
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    pump_.emplace(std::move(client), std::move(server), delivery_, capacity);
  }
  bool spin_until(const std::function<bool()>& condition) override {
    while (!condition()) {
      if (!pump_->pump()) return condition();
    }
    return true;
  }
  void spin() override {
    for (int round = 0; round < 20; ++round)
      pump_->pump();
  }
  [[nodiscard]] Clock& clock() override { return pump_->clock(); }
  [[nodiscard]] bool manual_time() const override { return true; }
  void advance(Duration by) override { pump_->clock().advance(by); }

  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 320'000; }

 private:
  static constexpr std::size_t capacity = 8 * 1024;
  Delivery delivery_;
  std::optional<IoPump> pump_;
};

}  // namespace weft::testing
