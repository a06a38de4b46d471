// The application's descriptors on an Asio loop.
#pragma once

#include "../../framework/turn.hpp"
#include "../../framework/watch.hpp"
#include "../../transports/detail/asio_loop.hpp"
#include "far_descriptors.hpp"

#include <memory>
#include <unordered_map>

namespace weft::detail::WEFT_BACKEND {

class WatchedDescriptor;

class Watches {
 public:
  explicit Watches(AsioLoop& loop) : loop_(loop) {}
  [[nodiscard]] Watch watch(Descriptor descriptor, Interest interest, Callback callback);

 private:
  AsioLoop& loop_;
#if defined(WEFT_BACKEND_SELECT) && defined(__linux__)
  std::shared_ptr<FarDescriptors> far_ = std::make_shared<FarDescriptors>(loop_);
#endif
  std::unordered_map<Descriptor, std::weak_ptr<WatchedDescriptor>> watched_;
};

}  // namespace weft::detail::WEFT_BACKEND
