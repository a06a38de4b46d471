// The life of a byte stream as a table: in each state, what each event does and where it leads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weft {

enum class StreamState : std::uint8_t {
  open,
  read_closed,   // the peer has ended its direction
  write_closed,  // we have ended ours, or shall when what was written has gone out
  flushing,      // lose_connection: sends what was written, discards what comes
  closing_tls,   // all is sent; the carrier says goodbye to its peer
  aborted,       // broken or given up; connection_lost is on its way or has been called
  closed,        // ended in order; likewise
};
inline constexpr std::size_t stream_state_count = 7;

enum class StreamEvent : std::uint8_t {
  write,
  lose,
  abort,
  lose_write,
  pause,
  resume,
  register_producer,
  unregister_producer,
  start_tls,
  data,
  end_of_stream,
  error,
  timer,    // the linger time has passed
  drained,  // everything written has gone out and no producer is registered; or the carrier's
            // goodbye is done
};
inline constexpr std::size_t stream_event_count = 14;

enum class StreamAction : std::uint8_t {
  ignore,
  send,                   // keep the bytes until they have gone out
  send_for_producer,      // the same, only while a producer is registered
  begin_close,            // flush within the linger time, then close
  shorten_linger,         // a second lose_connection: its linger time counts if it ends earlier
  give_up,                // abort_connection
  begin_half_close,       // send FIN when drained
  hold,                   // count a pause
  release,                // count a resume
  adopt_producer,         //
  stop_producer,          // refuse it: tell it that there is nothing to produce for
  drop_producer,          //
  upgrade,                // TLS may start here
  refuse_upgrade,         // a caller's bug
  deliver,                // to the protocol, or keep while paused
  discard,                //
  deliver_end,            // eof_received
  deliver_end_and_close,  // eof_received, and then both directions are done
  fail,                   // the carrier broke
  expire,                 // the linger time is over
  send_end,               // FIN
  finish,                 // close the carrier, after its goodbye where it has one
  complete,               // the goodbye is done: close the carrier
};

struct StreamCell {
  StreamAction action;
  StreamState next;
};

/// One row a state, one column an event, in the order of the enumerations.
extern const std::array<std::array<StreamCell, stream_event_count>, stream_state_count>
    stream_table;

/// What `event` does in `state`. Every stream transport and every fake goes by this.
[[nodiscard]] inline const StreamCell& stream_cell(StreamState state, StreamEvent event) noexcept {
  return stream_table[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
}

[[nodiscard]] std::string_view to_string(StreamState state) noexcept;
[[nodiscard]] std::string_view to_string(StreamEvent event) noexcept;
[[nodiscard]] std::string_view to_string(StreamAction action) noexcept;

}  // namespace weft
