// The chat by deferreds: each step gives the next one, and a loop is a step that gives itself.
#include "room.hpp"

#include <optional>
#include <utility>

namespace {

// [steps]
using Line = std::optional<std::string>;
using Connection = std::shared_ptr<weft::Stream>;

weft::Deferred<std::string> ask_for_name(Room& room, const Connection& connection);

weft::Deferred<std::string> show_to_doorman(Room& room, const Connection& connection, Line name) {
  if (!name) throw weft::ConnectionDone(connection->transport().peer());
  return room.doorman.admit(*name).add_callbacks(
      [connection, name](const std::string& greeting) -> weft::Deferred<std::string> {
        connection->transport().write(greeting + '\n');
        return weft::succeed(*name);
      },
      [&room, connection](const weft::Failure& why) {
        connection->transport().write("no: " + why.message() + '\n');
        return ask_for_name(room, connection);
      });
}

weft::Deferred<std::string> ask_for_name(Room& room, const Connection& connection) {
  connection->transport().write("name?\n");
  return connection->read_line().add_callback([&room, connection](Line line) {
    return show_to_doorman(room, connection, std::move(line));
  });
}

weft::Deferred<void> talk(Room& room, const Connection& connection, const std::string& name) {
  return connection->read_line().add_callback(
      [&room, connection, name](const Line& line) -> weft::Deferred<void> {
        if (!line) return weft::succeed();
        room.say(name, *line);
        return talk(room, connection, name);
      });
}

weft::Deferred<void> serve(Room& room, const Connection& connection) {
  return ask_for_name(room, connection).add_callback([&room, connection](const std::string& name) {
    room.enter(name, connection->transport());
    return talk(room, connection, name)
        .add_both([&room, connection, name](weft::Outcome<void> outcome) {
          room.leave(name, connection->transport());
          return outcome;
        });
  });
}
// [steps]

// A stream that serves itself.
class Member : public weft::Stream {
 public:
  explicit Member(Room& room) : room_(room) {}

  void connection_made() override {
    auto served = serve(room_, std::static_pointer_cast<Member>(shared_from_this()));
    serving_ = served.canceller();
    auto ended = std::move(served).add_both(
        [this, self = shared_from_this()](weft::Outcome<void>) { transport().lose_connection(); });
  }
  void connection_lost(const weft::Failure& reason) override {
    weft::Stream::connection_lost(reason);
    serving_.cancel();
  }

 private:
  Room& room_;
  weft::Canceller serving_;
};

}  // namespace

std::shared_ptr<weft::Factory> chat_by_deferreds(Room& room) {
  return weft::factory_for<Member>(std::ref(room));
}
