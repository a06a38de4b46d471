// Receives runs of bytes whose lengths the protocol itself knows: headers, then what they announce.
#pragma once

#include "frame_receiver.hpp"

#include <cstddef>
#include <functional>

namespace weft {

/// Waits for so many bytes, hands them to a function, and goes on with whatever that one expects
/// next. Errors: bytes that come before anything is expected abort the connection with
/// InvalidArgument.
class FixedLengthReceiver : public FrameReceiver {
 public:
  using Step = std::function<void(BytesView bytes)>;

  /// The next `size` bytes go to `step`, and so on with the next until something else is expected.
  /// Call it first before or in `connection_made`, and then from a step. Errors: InvalidArgument
  /// when `size` is zero or `step` is empty.
  void expect(std::size_t size, Step step);

 protected:
  std::size_t take_frame(BytesView data) final;

 private:
  std::size_t size_ = 0;
  Step step_;
};

}  // namespace weft
