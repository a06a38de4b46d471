#pragma once
#include <weft/weft.hpp>
struct Subscriber : weft::LineReceiver {
  explicit Subscriber(std::vector<Subscriber*>& everyone) : everyone_(everyone) {}
  void connection_made() override { everyone_.push_back(this); }
  void line_received(std::string_view line) override {
    for (Subscriber* each : everyone_)
      each->send_line(line);
  }
  void connection_lost(const weft::Failure&) override { std::erase(everyone_, this); }
  std::vector<Subscriber*>& everyone_;
};
