// Watches for descriptors whose numbers select has no room for.
#pragma once

#if defined(WEFT_BACKEND_SELECT) && defined(__linux__)

#include "../../framework/source_location.hpp"
#include "../../framework/unique_function.hpp"
#include "../../framework/watch.hpp"
#include "../../transports/detail/asio_loop.hpp"
#include "../../transports/detail/poller.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <map>
#include <memory>

namespace weft::detail::select {

/// Two epoll sets, one for each interest, which select watches in the place of what is in them.
/// They must be made while there are low numbers to be had.
class FarDescriptors final : public std::enable_shared_from_this<FarDescriptors> {
 public:
  explicit FarDescriptors(AsioLoop& loop);
  ~FarDescriptors();
  FarDescriptors(const FarDescriptors&) = delete;
  FarDescriptors& operator=(const FarDescriptors&) = delete;

  /// Whether select has no room for it.
  [[nodiscard]] static bool is_far(Descriptor descriptor) noexcept;
  /// Errors: AlreadyWatchedError, InvalidArgument.
  [[nodiscard]] Watch watch(Descriptor descriptor, Interest interest, Callback callback,
                            const SourceLocation& where);
  /// Calls `f(descriptor, interest, where)` for each watch.
  template <class F>
  void each(F&& f) const {
    for (const auto& [descriptor, where] : readable_.watched)
      f(descriptor, Interest::readable, *where);
    for (const auto& [descriptor, where] : writable_.watched)
      f(descriptor, Interest::writable, *where);
  }

 private:
  class Watcher;
  struct Set {
    explicit Set(AsioLoop& loop) : handle(loop.io, poller.descriptor()) {}
    Poller poller;
    net::posix::stream_descriptor handle;
    // And where each watch was begun.
    std::map<Descriptor, const SourceLocation*> watched;
    bool waiting = false;
  };

  [[nodiscard]] Set& set(Interest interest) noexcept {
    return interest == Interest::readable ? readable_ : writable_;
  }
  void wait(Set& set);

  std::shared_ptr<AsioLoop> loop_;
  Set readable_;
  Set writable_;
};

}  // namespace weft::detail::select

#endif
