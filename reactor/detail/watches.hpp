// The application's descriptors on an Asio loop.
#pragma once

#include "../../framework/turn.hpp"
#include "../../framework/watch.hpp"
#include "../../transports/detail/asio_loop.hpp"

#include <memory>
#include <unordered_map>

namespace weft::detail::WEFT_BACKEND {

class WatchedDescriptor;

class Watches {
 public:
  explicit Watches(AsioLoop& loop) noexcept : loop_(loop) {}
  [[nodiscard]] Watch watch(Descriptor descriptor, Interest interest, Callback callback);

 private:
  AsioLoop& loop_;
  std::unordered_map<Descriptor, std::weak_ptr<WatchedDescriptor>> watched_;
};

}  // namespace weft::detail::WEFT_BACKEND
