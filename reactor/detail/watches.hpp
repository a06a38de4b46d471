// The application's descriptors on an Asio loop.
#pragma once

#include "../../framework/diagnostics/pending_work.hpp"
#include "../../framework/turn.hpp"
#include "../../framework/watch.hpp"
#include "../../transports/detail/asio_loop.hpp"
#include "far_descriptors.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft::detail::WEFT_BACKEND {

class WatchedDescriptor;

[[nodiscard]] inline PendingWork describe_watch(Descriptor descriptor, Interest interest,
                                                const SourceLocation& where) {
  const char* const what = interest == Interest::readable ? ", to be read" : ", to be written";
  return {"watch", "descriptor " + std::to_string(descriptor) + what, where};
}

class Watches {
 public:
  explicit Watches(AsioLoop& loop) : loop_(loop) {}
  [[nodiscard]] Watch watch(Descriptor descriptor, Interest interest, Callback callback,
                            const SourceLocation& where);
  void describe(std::vector<PendingWork>& pending) const;

 private:
  AsioLoop& loop_;
#if defined(WEFT_BACKEND_SELECT) && defined(__linux__)
  std::shared_ptr<FarDescriptors> far_ = std::make_shared<FarDescriptors>(loop_);
#endif
  std::unordered_map<Descriptor, std::weak_ptr<WatchedDescriptor>> watched_;
};

}  // namespace weft::detail::WEFT_BACKEND
