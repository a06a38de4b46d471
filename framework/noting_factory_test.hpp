// A factory that writes down in which order it was asked.
#pragma once

#include "factory.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {

class NotingFactory final : public Factory {
 public:
  explicit NotingFactory(std::shared_ptr<Protocol> protocol = nullptr)
      : next(std::move(protocol)) {}
  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    if (throws) throw std::runtime_error("in build_protocol");
    return next;
  }
  void start_factory() override { order += "start "; }
  void stop_factory() override { order += "stop "; }
  std::shared_ptr<Protocol> next;
  std::string order;
  bool throws = false;
};

}  // namespace weft
