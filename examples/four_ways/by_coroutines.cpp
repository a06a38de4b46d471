// The chat by coroutines: it reads as the conversation goes.
#include "room.hpp"

namespace {

// [serve]
weft::Task<std::string> ask_for_name(Room& room, weft::Stream& stream) {
  for (;;) {
    stream.transport().write("name?\n");
    const auto name = co_await stream.read_line();
    if (!name) throw weft::ConnectionDone(stream.transport().peer());
    const auto greeting = co_await weft::as_result(room.doorman.admit(*name));
    if (greeting) {
      stream.transport().write(greeting.value() + '\n');
      co_return *name;
    }
    stream.transport().write("no: " + greeting.failure().message() + '\n');
  }
}

// Somebody's place in the room, for as long as it lives.
struct Seat {
  Seat(Room& in, std::string of, weft::Transport& member)
      : room(in), name(std::move(of)), transport(member) {
    room.enter(name, transport);
  }
  ~Seat() { room.leave(name, transport); }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;

  Room& room;
  const std::string name;
  weft::Transport& transport;
};

weft::Task<void> serve(Room& room, weft::Stream& stream) {
  const Seat seat(room, co_await ask_for_name(room, stream), stream.transport());
  while (const auto line = co_await stream.read_line())
    room.say(seat.name, *line);
}
// [serve]

}  // namespace

std::shared_ptr<weft::Factory> chat_by_coroutines(Room& room) {
  return weft::stream_server([&room](weft::Stream& stream) { return serve(room, stream); });
}
