// Run `chat_pool --threads 2`, then `nc 127.0.0.1 7779` in two terminals: each hears what the other
// types, though a thread of its own serves each.
#include "example.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace {

class Member;

// [room]
/// Those members that one reactor serves. No lock: what is said anywhere comes by the topic, and
/// each reactor's own thread tells it to its own members.
class Room {
 public:
  explicit Room(weft::Topic<weft::Bytes>& topic)
      : topic_(topic), hearing_(topic.subscribe([this](const weft::Bytes& said) { tell(said); })) {}

  void enter(Member& member) { members_.insert(&member); }
  void leave(Member& member) { members_.erase(&member); }
  void say(std::string text) { topic_.publish(weft::Bytes(std::move(text))); }

 private:
  void tell(const weft::Bytes& said);

  weft::Topic<weft::Bytes>& topic_;
  weft::Subscription hearing_;
  std::unordered_set<Member*> members_;
};
// [room]

class Member : public weft::LineReceiver {
 public:
  /// Who has so much yet to read is shown out, so that nobody need wait for them.
  static constexpr std::size_t max_unread_bytes = 1024 * 1024;

  Member(std::shared_ptr<Room> room, std::size_t reactor)
      : room_(std::move(room)), reactor_(reactor) {}

  void connection_made() override {
    transport().set_write_buffer_limits(max_unread_bytes, 0);
    name_ = "guest" + std::to_string(transport().peer().port());
    room_->enter(*this);
    transport().write("* you are " + name_ + ", served by reactor " + std::to_string(reactor_) +
                      "\n");
  }
  void line_received(std::string_view line) override {
    if (!line.empty()) room_->say(name_ + ": " + std::string(line) + "\n");
  }
  void pause_writing() override { transport().abort_connection(); }
  void connection_lost(const weft::Failure&) override { room_->leave(*this); }

  void hear(const weft::Bytes& said) { transport().write(said); }

 private:
  std::shared_ptr<Room> room_;
  std::size_t reactor_;
  std::string name_;
};

void Room::tell(const weft::Bytes& said) {
  for (Member* const member : members_)
    member->hear(said);
}

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::pool, "A chat room that spans several reactors.", 7779);
  std::size_t threads = 2;
  example.add_count("--threads", threads, "How many reactors");
  return example.run_pool(argc, argv, threads, [&](weft::ReactorPool& pool) {
    // [pool]
    weft::Topic<weft::Bytes> topic(pool);
    const auto make_factory = [&](weft::Reactor&) {
      const auto room = std::make_shared<Room>(topic);
      return weft::factory_for<Member>(room, *pool.index());
    };
    weft::ListenOptions options;
    options.interface = example.host();
    const auto port = pool.listen_tcp(example.port(), make_factory, options);
    say("listening on " + port.address().text());
    pool.run();
    // [pool]
  });
} catch (...) {
  return report_exception();
}
