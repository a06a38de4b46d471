#include "frame_receiver.hpp"

#include "../framework/logging.hpp"
#include "../framework/transport.hpp"
#include "../framework/turn.hpp"

#include <utility>

namespace weft {

void FrameReceiver::data_received(BytesView data) {
  if (unfinished_.empty()) {
    // The usual case: whole frames lie in the chunk, and are not copied.
    unfinished_ = data.from(deliver_from(data)).text();
    return;
  }
  unfinished_ += data.text();
  unfinished_.erase(0, deliver_from(unfinished_));
}

// Says how much it has used up.
std::size_t FrameReceiver::deliver_from(BytesView data) {
  std::size_t used = 0;
  while (used < data.size() && !paused_ && !giving_up_ && !transport().closing()) {
    const auto taken = take_frame(data.from(used));
    if (taken == 0) break;
    used += taken;
  }
  return transport().closing() ? data.size() : used;
}

void FrameReceiver::pause_producing() {
  paused_ = true;
  if (std::exchange(holding_, true)) return;
  transport().pause_producing();
}

void FrameReceiver::resume_producing() {
  if (!std::exchange(paused_, false)) return;
  // Not inside this call, as for what the transport holds.
  transport().clock().call_later(Duration::zero(), [weak = weak_from_this()] {
    const auto self = std::static_pointer_cast<FrameReceiver>(weak.lock());
    if (self == nullptr) return;
    // In the connection's context, not in that of whoever resumed.
    detail::HeldContext none;
    auto* const connection = self->transport().context();
    self->transport().clock().turn().enter_in(
        connection != nullptr ? *connection : none, [&] { self->deliver_held(); },
        [&](const Failure& failure) {
          log_failure("frames", "a frame's callback threw; the connection is aborted", failure);
          self->transport().abort_connection(failure);
        });
  });
}

void FrameReceiver::deliver_held() {
  unfinished_.erase(0, deliver_from(unfinished_));
  // Only now: an end of the stream that the transport holds must not overtake our frames.
  if (paused_ || !std::exchange(holding_, false)) return;
  transport().resume_producing();
}

void FrameReceiver::change_transport(std::shared_ptr<Transport> transport) {
  giving_up_ = true;
  Protocol::change_transport(std::move(transport));
}

std::string FrameReceiver::take_undelivered() {
  giving_up_ = false;
  return std::exchange(unfinished_, {});
}

}  // namespace weft
