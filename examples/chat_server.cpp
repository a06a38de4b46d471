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
  static constexpr std::size_t max_unsaid_bytes = 64 * 1024;
  std::size_t enter(Member& member) {
    members_[++last_number_] = &member;
    return last_number_;
  }
  void leave(std::size_t number) { members_.erase(number); }
  /// Tells it when the loop comes round, together with what others say by then.
  void tell_everybody(std::string_view text, weft::Clock& clock);

 private:
  void say_it();

  std::string unsaid_;
  weft::DelayedCall saying_;
  std::size_t last_number_ = 0;
  std::map<std::size_t, Member*> members_;
};

class Member : public weft::LineReceiver {
 public:
  static constexpr std::size_t max_name_bytes = 20;
  /// Who has so much yet to read does not read at all.
  static constexpr std::size_t max_unread_bytes = 1024 * 1024;

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
    tell(name_ + ": " + std::string(line));
  }

  void pause_writing() override { transport().abort_connection(); }

  void connection_lost(const weft::Failure&) override {
    room_.leave(number_);
    // Who never spoke leaves unnoticed.
    if (known_) tell("* " + name_ + " left");
  }

  void hear(const weft::Bytes& text) { transport().write(text); }

 private:
  void tell(const std::string& text) { room_.tell_everybody(text, transport().clock()); }

  void rename(std::string_view name) {
    if (name.empty() || name.size() > max_name_bytes) {
      return transport().write("* a name has 1 to 20 letters\n");
    }
    known_ = true;
    const auto old = std::exchange(name_, std::string(name));
    tell("* " + old + " is now " + name_);
  }

  Room& room_;
  std::size_t number_ = 0;
  std::string name_;
  bool known_ = false;
};

void Room::tell_everybody(std::string_view text, weft::Clock& clock) {
  unsaid_ += text;
  unsaid_ += '\n';
  if (unsaid_.size() > max_unsaid_bytes) {
    say_it();
  } else if (!saying_.active()) {
    saying_ = clock.call_later(weft::Duration::zero(), [this] { say_it(); });
  }
}

void Room::say_it() {
  saying_.cancel_if_active();
  // One copy of the bytes, however many are here.
  const weft::Bytes said(std::exchange(unsaid_, std::string()));
  for (const auto& [number, member] : members_)
    member->hear(said);
}

}  // namespace

int main(int argc, char** argv) try {
  Room room;
  Example example(Example::Role::server, "Tells everybody what anybody says, line by line.", 7778);
  bool self_test = false;
  example.add_flag("--self-test", self_test, "Talk to itself for a moment, then end");
  return example.run(argc, argv, [&] {
    const auto port = example.listen(weft::factory_for<Member>(std::ref(room)));
    if (!self_test) return;
    begin_self_test(example, port.address(), 2,
                    {{"", "* you are guest"},
                     {"/name tester\n", " is now tester\n"},
                     {"hello\n", "tester: hello\n"}});
  });
} catch (...) {
  return report_exception();
}
