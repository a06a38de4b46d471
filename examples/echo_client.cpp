// Run `echo_server`, then `echo_client --count 1000`: it says how long a round trip takes.
#include "example.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace {

struct Plan {
  std::string message = "hello, echo";
  std::size_t count = 10;
};

/// Sends the message, and again each time that it came back.
class Client : public weft::Protocol {
 public:
  Client(Example& example, const Plan& plan) : example_(example), plan_(plan) {}

  void connection_made() override { send(); }

  void data_received(weft::BytesView data) override {
    answer_ += data.text();
    if (answer_.size() < plan_.message.size()) return;
    if (answer_ != plan_.message) return example_.finish(1, "this is no echo: " + answer_);
    round_trips_.push_back(transport().clock().now() - sent_at_);
    if (round_trips_.size() < plan_.count) {
      send();
    } else {
      transport().lose_connection();
    }
  }

  void connection_lost(const weft::Failure& reason) override {
    if (round_trips_.size() < plan_.count) return example_.finish(1, reason.message());
    std::sort(round_trips_.begin(), round_trips_.end());
    const auto median = round_trips_[round_trips_.size() / 2];
    example_.finish(0, plan_.message + " came back " + std::to_string(plan_.count) +
                           " times; half of them within " + std::to_string(median.count() / 1000) +
                           " microseconds");
  }

 private:
  void send() {
    answer_.clear();
    sent_at_ = transport().clock().now();
    transport().write(plan_.message);
  }

  Example& example_;
  const Plan& plan_;
  std::string answer_;
  weft::TimePoint sent_at_;
  std::vector<weft::Duration> round_trips_;
};

}  // namespace

int main(int argc, char** argv) try {
  Plan plan;
  Example example(Example::Role::client, "Measures how long an echo takes.", 7777);
  example.add_option("--message", plan.message, "What to send");
  example.add_count("--count", plan.count, "How many times");
  return example.run(argc, argv, [&] {
    example.connect(weft::factory_for<Client>(std::ref(example), std::cref(plan)));
  });
} catch (...) {
  return report_exception();
}
