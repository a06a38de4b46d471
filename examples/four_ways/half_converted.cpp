// The chat half converted: a protocol of callbacks, one of whose methods has become a coroutine.
#include "room.hpp"

#include <utility>

namespace {

// [member]
class Member : public weft::LineReceiver {
 public:
  explicit Member(Room& room) : room_(room) {}

  void connection_made() override { transport().write("name?\n"); }

  void line_received(std::string_view line) override {
    name_.empty() ? tasks_.start(show_to_doorman(std::string(line))) : room_.say(name_, line);
  }

  void connection_lost(const weft::Failure&) override {
    tasks_.cancel();
    if (!name_.empty()) room_.leave(name_, transport());
  }

 private:
  weft::Task<void> show_to_doorman(std::string name) {
    pause_producing();
    const auto greeting = co_await weft::as_result(room_.doorman.admit(name));
    if (greeting) {
      name_ = name;
      transport().write(greeting.value() + '\n');
      room_.enter(name_, transport());
    } else {
      transport().write("no: " + greeting.failure().message() + "\nname?\n");
    }
    resume_producing();
  }

  Room& room_;
  std::string name_;
  // The last member: what its tasks use of this outlives them.
  weft::TaskGroup tasks_;
};
// [member]

}  // namespace

std::shared_ptr<weft::Factory> chat_half_converted(Room& room) {
  return weft::factory_for<Member>(std::ref(room));
}
