#include "self_test.hpp"

#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;

class Client;

class SelfTest {
 public:
  SelfTest(Example& example, std::size_t clients, std::vector<Exchange> script)
      : example_(example), script_(std::move(script)), awaited_(clients) {}

  void joined(Client& client) {
    clients_.push_back(&client);
    if (clients_.size() == awaited_) begin_exchange();
  }
  void heard();
  void left(Client& client, const weft::Failure& reason);
  void fail(std::string_view why) { example_.finish(1, why); }
  const std::string& answer() const { return script_[step_].answer; }

 private:
  void begin_exchange();

  Example& example_;
  std::vector<Exchange> script_;
  std::size_t awaited_;
  std::size_t step_ = 0;
  /// How many clients have yet to hear the answer.
  std::size_t missing_ = 0;
  std::vector<Client*> clients_;
};

class Client : public weft::Protocol {
 public:
  explicit Client(std::shared_ptr<SelfTest> test) : test_(std::move(test)) {}

  void connection_made() override { test_->joined(*this); }
  void data_received(weft::BytesView data) override {
    unheard_ += data.text();
    listen();
  }
  void connection_lost(const weft::Failure& reason) override { test_->left(*this, reason); }

  void begin_exchange(const std::string& line) {
    listening_ = true;
    transport().write(line);
    listen();
  }
  void leave() { transport().lose_connection(); }

 private:
  void listen() {
    if (!listening_) return;
    const auto found = unheard_.find(test_->answer());
    if (found == std::string::npos) return;
    unheard_.erase(0, found + test_->answer().size());
    listening_ = false;
    test_->heard();
  }

  std::shared_ptr<SelfTest> test_;
  std::string unheard_;
  bool listening_ = false;
};

void SelfTest::begin_exchange() {
  missing_ = clients_.size();
  // The next exchange may begin within the last of these calls, with the same clients.
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    clients_[i]->begin_exchange(i == 0 ? script_[step_].say : "");
  }
}

void SelfTest::heard() {
  if (--missing_ != 0) return;
  if (++step_ < script_.size()) {
    begin_exchange();
  } else {
    for (Client* client : clients_)
      client->leave();
  }
}

void SelfTest::left(Client& client, const weft::Failure& reason) {
  std::erase(clients_, &client);
  if (step_ < script_.size()) {
    fail(reason.message());
  } else if (clients_.empty()) {
    example_.finish(0, "self-test passed");
  }
}

}  // namespace

void begin_self_test(Example& example, const weft::Address& server, std::size_t clients,
                     std::vector<Exchange> script) {
  auto test = std::make_shared<SelfTest>(example, clients, std::move(script));
  example.reactor().set_shutdown_deadline(1s);
  example.reactor().call_later(4s, [test] { test->fail("the self-test took more than 4 s"); });
  const auto endpoint =
      "tcp:" + weft::escape_endpoint_value(server.host()) + ":" + std::to_string(server.port());
  for (std::size_t i = 0; i < clients; ++i) {
    example.connect(endpoint, weft::factory_for<Client>(test));
  }
}
