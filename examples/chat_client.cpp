// Run `chat_server`, then `chat_client --name ann --say hello --until bye`: it prints what it hears
// until somebody says bye.
#include "example.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace {

struct Plan {
  std::string name;
  std::vector<std::string> lines;
  std::string until;
};

class Client : public weft::LineReceiver {
 public:
  Client(Example& example, const Plan& plan) : example_(example), plan_(plan) {}

  void connection_made() override {
    if (!plan_.name.empty()) send_line("/name " + plan_.name);
    for (const auto& line : plan_.lines)
      send_line(line);
    if (plan_.until.empty()) transport().lose_write_connection();
  }

  void line_received(std::string_view line) override {
    say(line);
    if (plan_.until.empty() || line.find(": " + plan_.until) == std::string_view::npos) return;
    satisfied_ = true;
    transport().lose_connection();
  }

  void connection_lost(const weft::Failure& reason) override {
    if (satisfied_ || plan_.until.empty()) return example_.finish(0);
    example_.finish(1, reason.message());
  }

 private:
  Example& example_;
  const Plan& plan_;
  bool satisfied_ = false;
};

}  // namespace

int main(int argc, char** argv) try {
  Plan plan;
  Example example(Example::Role::client, "Talks to a chat server.", 7778);
  example.add_option("--name", plan.name, "Who to be");
  example.add_option("--say", plan.lines, "A line to say; may be repeated");
  example.add_option("--until", plan.until, "Stay until somebody says this");
  return example.run(argc, argv, [&] {
    example.connect(weft::factory_for<Client>(std::ref(example), std::cref(plan)));
  });
} catch (...) {
  return report_exception();
}
