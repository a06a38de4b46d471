// The room of a chat that is written four ways, and the doorman whom all four ask.
#pragma once

#include <weft/weft.hpp>

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>

/// Knows who may come in, and takes a while to say so: a database, say.
class Doorman {
 public:
  virtual ~Doorman() = default;
  /// What `name` is greeted with; fails with the reason when it may not come in.
  virtual weft::Deferred<std::string> admit(std::string name) = 0;
};

/// Those who are in.
class Room {
 public:
  /// Who has so much yet to read does not read at all.
  static constexpr std::size_t max_unread_bytes = 1024 * 1024;

  explicit Room(Doorman& at_the_door) : doorman(at_the_door) {}

  void enter(const std::string& name, weft::Transport& member) {
    tell("* " + name + " is here");
    members_.insert(&member);
  }
  void leave(const std::string& name, weft::Transport& member) {
    members_.erase(&member);
    tell("* " + name + " left");
  }
  void say(const std::string& name, std::string_view text) {
    tell(name + ": " + std::string(text));
  }

  Doorman& doorman;

 private:
  void tell(const std::string& text) {
    const weft::Bytes line(text + '\n');
    for (weft::Transport* const member : members_) {
      member->write_buffer_size() < max_unread_bytes ? member->write(line)
                                                     : member->abort_connection();
    }
  }

  std::set<weft::Transport*> members_;
};

// The same server each time: it asks for a name until the doorman likes one, greets its owner, and
// tells everybody what anybody says. Lines that come while the doorman thinks are kept.
std::shared_ptr<weft::Factory> chat_by_callbacks(Room& room);
std::shared_ptr<weft::Factory> chat_by_deferreds(Room& room);
std::shared_ptr<weft::Factory> chat_by_coroutines(Room& room);
std::shared_ptr<weft::Factory> chat_half_converted(Room& room);
