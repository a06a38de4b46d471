// Run `chat_server`, then `nc 127.0.0.1 7778` in two terminals: each hears what the other types.
#include "self_test.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace {

class Member;

/// Everybody who is connected, in the order in which they came.
class Room {
 public:
  std::size_t enter(Member& member);
  void leave(std::size_t number) { members_.erase(number); }
  void tell_everybody(const std::string& text);

 private:
  std::size_t last_number_ = 0;
  std::map<std::size_t, Member*> members_;
};

class Member : public weft::LineReceiver {
 public:
  /// Who has so much yet to read does not read at all.
  static constexpr std::size_t max_unread_bytes = 256 * 1024;
  static constexpr std::size_t max_name_bytes = 20;

  explicit Member(Room& room) : room_(room) {}

  void connection_made() override {
    transport().set_write_buffer_limits(max_unread_bytes, 0);
    number_ = room_.enter(*this);
    name_ = "guest" + std::to_string(number_);
    transport().write("* you are " + name_ + "; say /name and another to change that\n");
  }

  void line_received(std::string_view line) override {
    if (line.empty()) return;
    if (line.substr(0, 6) == "/name ") return rename(line.substr(6));
    known_ = true;
    room_.tell_everybody(name_ + ": " + std::string(line));
  }

  void pause_writing() override { transport().abort_connection(); }

  void connection_lost(const weft::Failure&) override {
    room_.leave(number_);
    // Who never spoke leaves unnoticed.
    if (known_) room_.tell_everybody("* " + name_ + " left");
  }

  void hear(const weft::Bytes& text) { transport().write(text); }

 private:
  void rename(std::string_view name) {
    if (name.empty() || name.size() > max_name_bytes) {
      transport().write("* a name has 1 to 20 letters\n");
      return;
    }
    known_ = true;
    const std::string old = std::exchange(name_, std::string(name));
    room_.tell_everybody("* " + old + " is now " + name_);
  }

  Room& room_;
  std::size_t number_ = 0;
  std::string name_;
  bool known_ = false;
};

std::size_t Room::enter(Member& member) {
  members_[++last_number_] = &member;
  return last_number_;
}

void Room::tell_everybody(const std::string& text) {
  // One copy of the text, however many are here.
  const weft::Bytes line(text + "\n");
  for (const auto& [number, member] : members_)
    member->hear(line);
}

}  // namespace

int main(int argc, char** argv) try {
  Room room;
  Example example("Tells everybody what anybody says, line by line.", 7778);
  bool self_test = false;
  example.add_flag("--self-test", self_test, "Talk to itself for a moment, then end");
  return example.run(argc, argv, [&] {
    const auto port = example.listen(weft::factory_for<Member>(std::ref(room)));
    if (!self_test) return;
    begin_self_test(example, port.address(), 2,
                    {{"", "* you are guest"},
                     {"/name tester\n", " is now tester\n"},
                     {"hello\n", "tester: hello\n"},
                     {"bye\n", "tester: bye\n"}});
  });
} catch (...) {
  return report_exception();
}
