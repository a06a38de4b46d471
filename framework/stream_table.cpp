#include "stream_table.hpp"

namespace weft {

namespace {

using A = StreamAction;
using S = StreamState;

constexpr std::array<std::string_view, stream_state_count> state_names{
    "open", "read_closed", "write_closed", "flushing", "closing_tls", "aborted", "closed"};

constexpr std::array<std::string_view, stream_event_count> event_names{"write",
                                                                       "lose",
                                                                       "abort",
                                                                       "lose_write",
                                                                       "pause",
                                                                       "resume",
                                                                       "register_producer",
                                                                       "unregister_producer",
                                                                       "start_tls",
                                                                       "data",
                                                                       "end_of_stream",
                                                                       "error",
                                                                       "timer",
                                                                       "drained"};

constexpr std::array<std::string_view, 23> action_names{"ignore",
                                                        "send",
                                                        "send_for_producer",
                                                        "begin_close",
                                                        "shorten_linger",
                                                        "give_up",
                                                        "begin_half_close",
                                                        "hold",
                                                        "release",
                                                        "adopt_producer",
                                                        "stop_producer",
                                                        "drop_producer",
                                                        "upgrade",
                                                        "refuse_upgrade",
                                                        "deliver",
                                                        "discard",
                                                        "deliver_end",
                                                        "deliver_end_and_close",
                                                        "fail",
                                                        "expire",
                                                        "send_end",
                                                        "finish",
                                                        "complete"};

template <class Enum>
constexpr std::size_t index(Enum value) noexcept {
  return static_cast<std::size_t>(value);
}

}  // namespace

// clang-format off
const std::array<std::array<StreamCell, stream_event_count>, stream_state_count> stream_table{{
    // open
    {{{A::send, S::open}, {A::begin_close, S::flushing}, {A::give_up, S::aborted}, {A::begin_half_close, S::write_closed},
      {A::hold, S::open}, {A::release, S::open}, {A::adopt_producer, S::open}, {A::drop_producer, S::open}, {A::upgrade, S::open},
      {A::deliver, S::open}, {A::deliver_end, S::read_closed}, {A::fail, S::aborted}, {A::ignore, S::open}, {A::ignore, S::open}}},
    // read_closed: half-closing as well closes
    {{{A::send, S::read_closed}, {A::begin_close, S::flushing}, {A::give_up, S::aborted}, {A::begin_close, S::flushing},
      {A::hold, S::read_closed}, {A::release, S::read_closed}, {A::adopt_producer, S::read_closed},
      {A::drop_producer, S::read_closed}, {A::refuse_upgrade, S::read_closed},
      {A::discard, S::read_closed}, {A::ignore, S::read_closed}, {A::fail, S::aborted}, {A::ignore, S::read_closed}, {A::ignore, S::read_closed}}},
    // write_closed: a producer may finish what it began
    {{{A::send_for_producer, S::write_closed}, {A::begin_close, S::flushing}, {A::give_up, S::aborted}, {A::ignore, S::write_closed},
      {A::hold, S::write_closed}, {A::release, S::write_closed}, {A::stop_producer, S::write_closed},
      {A::drop_producer, S::write_closed}, {A::refuse_upgrade, S::write_closed},
      {A::deliver, S::write_closed}, {A::deliver_end_and_close, S::flushing}, {A::fail, S::aborted}, {A::ignore, S::write_closed}, {A::send_end, S::write_closed}}},
    // flushing
    {{{A::send_for_producer, S::flushing}, {A::shorten_linger, S::flushing}, {A::give_up, S::aborted}, {A::ignore, S::flushing},
      {A::hold, S::flushing}, {A::release, S::flushing}, {A::stop_producer, S::flushing},
      {A::drop_producer, S::flushing}, {A::refuse_upgrade, S::flushing},
      {A::discard, S::flushing}, {A::ignore, S::flushing}, {A::fail, S::aborted}, {A::expire, S::aborted}, {A::finish, S::closing_tls}}},
    // closing_tls: all of ours is out, so what breaks now breaks nothing
    {{{A::ignore, S::closing_tls}, {A::shorten_linger, S::closing_tls}, {A::give_up, S::aborted}, {A::ignore, S::closing_tls},
      {A::hold, S::closing_tls}, {A::release, S::closing_tls}, {A::stop_producer, S::closing_tls},
      {A::drop_producer, S::closing_tls}, {A::refuse_upgrade, S::closing_tls},
      {A::discard, S::closing_tls}, {A::complete, S::closed}, {A::complete, S::closed}, {A::expire, S::aborted}, {A::complete, S::closed}}},
    // aborted
    {{{A::ignore, S::aborted}, {A::ignore, S::aborted}, {A::ignore, S::aborted}, {A::ignore, S::aborted},
      {A::ignore, S::aborted}, {A::ignore, S::aborted}, {A::stop_producer, S::aborted}, {A::drop_producer, S::aborted}, {A::refuse_upgrade, S::aborted},
      {A::discard, S::aborted}, {A::ignore, S::aborted}, {A::ignore, S::aborted}, {A::ignore, S::aborted}, {A::ignore, S::aborted}}},
    // closed
    {{{A::ignore, S::closed}, {A::ignore, S::closed}, {A::ignore, S::closed}, {A::ignore, S::closed},
      {A::ignore, S::closed}, {A::ignore, S::closed}, {A::stop_producer, S::closed}, {A::drop_producer, S::closed}, {A::refuse_upgrade, S::closed},
      {A::discard, S::closed}, {A::ignore, S::closed}, {A::ignore, S::closed}, {A::ignore, S::closed}, {A::ignore, S::closed}}},
}};
// clang-format on

std::string_view to_string(StreamState state) noexcept {
  return state_names[index(state)];
}
std::string_view to_string(StreamEvent event) noexcept {
  return event_names[index(event)];
}
std::string_view to_string(StreamAction action) noexcept {
  return action_names[index(action)];
}

}  // namespace weft
