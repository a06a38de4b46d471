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

/// Adds a watch to `pending`, unless it has no place: then it serves something that is listed.
inline void describe_watch(std::vector<PendingWork>& pending, Descriptor descriptor,
                           Interest interest, const SourceLocation& where) {
  if (*where.file_name() == '\0') return;
  const char* const what = interest == Interest::readable ? ", to be read" : ", to be written";
  pending.push_back({"watch", "descriptor " + std::to_string(descriptor) + what, where});
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
