// The chat by callbacks: what happens next is in the protocol's state.
#include "room.hpp"

#include <utility>

namespace {

// [member]
class Member : public weft::LineReceiver {
 public:
  explicit Member(Room& room) : room_(room) {}

  void connection_made() override { ask(); }

  void line_received(std::string_view line) override {
    name_.empty() ? show_to_doorman(std::string(line)) : room_.say(name_, line);
  }

  void connection_lost(const weft::Failure&) override {
    asking_.cancel();
    if (!name_.empty()) room_.leave(name_, transport());
  }

 private:
  void ask() { transport().write("name?\n"); }

  void show_to_doorman(std::string name) {
    pause_producing();
    auto asking = room_.doorman.admit(name);
    asking_ = asking.canceller();
    auto told = std::move(asking).add_callbacks(
        [this, self = shared_from_this(), name](const std::string& greeting) {
          come_in(name, greeting);
        },
        [this, self = shared_from_this()](const weft::Failure& why) { stay_out(why); });
  }

  void come_in(const std::string& name, const std::string& greeting) {
    name_ = name;
    transport().write(greeting + '\n');
    room_.enter(name_, transport());
    resume_producing();
  }

  void stay_out(const weft::Failure& why) {
    transport().write("no: " + why.message() + '\n');
    ask();
    resume_producing();
  }

  Room& room_;
  std::string name_;
  weft::Canceller asking_;
};
// [member]

}  // namespace

std::shared_ptr<weft::Factory> chat_by_callbacks(Room& room) {
  return weft::factory_for<Member>(std::ref(room));
}
