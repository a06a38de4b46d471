#include "line_receiver.hpp"

#include "../framework/logging.hpp"
#include "../framework/transport.hpp"
#include "../framework/turn.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft {

LineReceiver::LineReceiver(std::size_t max_line_bytes, std::string delimiter)
    : delimiter_(std::move(delimiter)),
      max_line_bytes_(max_line_bytes),
      end_length_(std::max<std::size_t>(delimiter_.size(), 1)),
      one_byte_(delimiter_.empty() ? '\n' : delimiter_.front()) {}

void LineReceiver::raw_data_received(BytesView) {}

void LineReceiver::line_length_exceeded(BytesView) {
  throw LineTooLong("The peer " + transport().peer().text() + " sent a line of more than " +
                        std::to_string(max_line_bytes_) + " bytes.",
                    transport().peer());
}

void LineReceiver::send_line(std::string_view line) {
  const BytesView pieces[] = {line, delimiter_.empty() ? BytesView("\r\n") : delimiter_};
  transport().write_sequence(pieces);
}

bool LineReceiver::delivering() const {
  return stopped_ == 0 && !transport().closing();
}

void LineReceiver::data_received(BytesView data) {
  if (!unfinished_.empty()) {
    unfinished_ += data.text();
    deliver_rest();
    return;
  }
  // The usual case: whole lines lie in the chunk, and are not copied.
  busy_ = true;
  try {
    const auto used = deliver_from(data.text());
    // Behind what `set_line_mode` may have given back.
    unfinished_ += data.from(used).text();
  } catch (...) {
    busy_ = false;
    throw;
  }
  busy_ = false;
  if (searched_ < unfinished_.size()) deliver_rest();
}

void LineReceiver::deliver_rest() {
  if (busy_) return;
  busy_ = true;
  try {
    while (delivering() && !unfinished_.empty()) {
      // Taken out, since callbacks may add to it.
      auto data = std::exchange(unfinished_, {});
      const auto used = deliver_from(data);
      if (used == 0 && unfinished_.empty()) {
        // Given back as it is: a copy for each chunk of a long line would cost its square.
        unfinished_ = std::move(data);
        break;
      }
      unfinished_.insert(0, data, used, std::string::npos);
    }
  } catch (...) {
    busy_ = false;
    throw;
  }
  busy_ = false;
}

// Says how much it has used up.
std::size_t LineReceiver::deliver_from(std::string_view data) {
  std::size_t used = 0;
  while (used < data.size() && delivering()) {
    if (raw_) {
      const auto rest = data.substr(used);
      searched_ = 0;
      raw_data_received(rest);
      return data.size();
    }
    const auto line = deliver_line(data.substr(used));
    if (line == 0) break;
    used += line;
  }
  return transport().closing() ? data.size() : used;
}

std::size_t LineReceiver::find_long_end(std::string_view data) const noexcept {
  const auto overlap = end_length_ - 1;
  return data.find(delimiter_, searched_ > overlap ? searched_ - overlap : 0);
}

// Where the first line of `data` ends.
inline std::size_t LineReceiver::find_end(std::string_view data) const noexcept {
  if (end_length_ > 1) return find_long_end(data);
  const auto from = std::min(searched_, data.size());
  const auto* const found =
      static_cast<const char*>(std::memchr(data.data() + from, one_byte_, data.size() - from));
  return found != nullptr ? static_cast<std::size_t>(found - data.data()) : std::string_view::npos;
}

// Delivers the first line of `data`, and says how long it was with its end; zero when there is
// none.
std::size_t LineReceiver::deliver_line(std::string_view data) {
  const auto length = end_length_;
  const auto end = find_end(data);
  if (end == std::string_view::npos) return keep_beginning(data);
  searched_ = 0;
  if (std::exchange(skipping_, false)) return end + length;
  auto line = data.substr(0, end);
  if (delimiter_.empty() && line.ends_with('\r')) line.remove_suffix(1);
  line.size() > max_line_bytes_ ? line_length_exceeded(line) : line_received(line);
  return end + length;
}

// No end is in `data`; says how much is used up.
std::size_t LineReceiver::keep_beginning(std::string_view data) {
  searched_ = data.size();
  if (skipping_) return skip(data);
  // A CR may still turn out to be the beginning of the line's end.
  const auto slack = delimiter_.empty() ? std::size_t{data.ends_with('\r')} : end_length_ - 1;
  return data.size() > max_line_bytes_ + slack ? refuse_line(data) : 0;
}

// A line of which `data` has come is too long already; says how much is used up.
std::size_t LineReceiver::refuse_line(std::string_view data) {
  skipping_ = true;
  // Also for when it throws.
  searched_ = 0;
  line_length_exceeded(data);
  return skipping_ && !raw_ ? skip(data) : data.size();
}

// All but what may be the beginning of the line's end is used up.
std::size_t LineReceiver::skip(std::string_view data) {
  const auto kept = delimiter_.empty() ? 0 : std::min(delimiter_.size() - 1, data.size());
  searched_ = kept;
  return data.size() - kept;
}

void LineReceiver::set_raw_mode() {
  raw_ = true;
  deliver_soon();
}

void LineReceiver::set_line_mode(BytesView extra) {
  raw_ = false;
  skipping_ = false;
  unfinished_.insert(0, extra.text());
  searched_ = 0;
  deliver_soon();
}

// What is held must not come inside this call, nor what the transport has before it.
void LineReceiver::deliver_soon() {
  if (busy_ || stopped_ != 0 || unfinished_.empty()) return;
  pause_producing();
  resume_producing();
}

void LineReceiver::pause_producing() {
  stopped_ |= paused;
  if (std::exchange(holding_, true)) return;
  transport().pause_producing();
}

void LineReceiver::resume_producing() {
  if ((stopped_ & paused) == 0) return;
  stopped_ &= static_cast<unsigned char>(~paused);
  // Not inside this call, as for what the transport holds.
  transport().clock().call_later(Duration::zero(), [weak = weak_from_this()] {
    const auto self = std::static_pointer_cast<LineReceiver>(weak.lock());
    if (self == nullptr) return;
    // In the connection's context, not in that of whoever resumed.
    detail::HeldContext none;
    auto* const connection = self->transport().context();
    self->transport().clock().turn().enter_in(
        connection != nullptr ? *connection : none, [&] { self->deliver_held(); },
        [&](const Failure& failure) {
          log_failure("lines", "line_received threw; the connection is aborted", failure);
          self->transport().abort_connection(failure);
        });
  });
}

void LineReceiver::deliver_held() {
  deliver_rest();
  // Only now: an end of the stream that the transport holds must not overtake our lines.
  if ((stopped_ & paused) != 0 || !std::exchange(holding_, false)) return;
  transport().resume_producing();
}

// ---- another transport

void LineReceiver::change_transport(std::shared_ptr<Transport> transport) {
  stopped_ |= giving_up;
  Protocol::change_transport(std::move(transport));
}

// What came behind the line that asked for TLS is TLS, or somebody else's plain text: no line of
// ours.
std::string LineReceiver::take_undelivered() {
  stopped_ &= static_cast<unsigned char>(~giving_up);
  searched_ = 0;
  skipping_ = false;
  return std::exchange(unfinished_, {});
}

}  // namespace weft
