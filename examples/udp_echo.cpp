// Run `udp_echo`, then `udp_echo --to 127.0.0.1 --count 1000` beside it: it says how many came
// back.
#include "example.hpp"

#include <set>
#include <string>

namespace {

// [server]
class Echo : public weft::DatagramProtocol {
 public:
  void datagram_received(weft::BytesView data, const weft::Address& sender) override {
    transport().send(data, sender);
  }
};
// [server]

// [client]
/// Numbers its questions, and asks again for what did not come back: datagrams get lost.
class Client : public weft::DatagramProtocol {
 public:
  Client(Example& example, const weft::Address& server, std::size_t count)
      : example_(example), server_(server), count_(count) {}

  void start_protocol() override {
    transport().connect(server_);
    for (std::size_t i = 0; i < count_; ++i)
      unanswered_.insert(std::to_string(i));
    ask();
  }

  void datagram_received(weft::BytesView data, const weft::Address&) override {
    if (unanswered_.erase(std::string(data.text())) == 0) return;
    if (unanswered_.empty()) {
      done(0, std::to_string(count_) + " datagrams came back");
    } else if (--under_way_ == 0) {
      ask();
    }
  }

  void connection_refused() override { done(1, "nobody listens at " + server_.text()); }

 private:
  // So many that they fit into anybody's buffers, and again after a while.
  void ask() {
    again_.cancel_if_active();
    under_way_ = 0;
    for (const auto& question : unanswered_) {
      if (under_way_ == 64) break;
      transport().send(question);
      ++under_way_;
    }
    again_ = transport().clock().call_later(std::chrono::milliseconds(200), [this] { ask(); });
  }

  void done(int status, const std::string& why) {
    again_.cancel_if_active();
    example_.finish(status, why);
  }

  Example& example_;
  weft::Address server_;
  std::size_t count_;
  std::size_t under_way_ = 0;
  std::set<std::string> unanswered_;
  weft::DelayedCall again_;
};
// [client]

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::datagrams,
                  "Sends back every datagram, or asks a server that does.", 7777);
  std::string to;
  std::size_t count = 10;
  example.add_option("--to", to, "Numeric address of the server to ask, instead of being one");
  example.add_count("--count", count, "How many datagrams to have sent back");
  return example.run(argc, argv, [&] {
    auto& reactor = example.reactor();
    if (to.empty()) {
      weft::DatagramOptions options;
      options.interface = example.host();
      const auto port = reactor.listen_udp(example.port(), std::make_shared<Echo>(), options);
      return say("listening on " + port->host().text());
    }
    const auto server = weft::Address::parse(to, example.port());
    if (!server) return example.finish(1, to + " is no numeric address");
    reactor.call_when_running([&example, &reactor, server, count] {
      reactor.listen_udp(0, std::make_shared<Client>(example, *server, count));
    });
  });
} catch (...) {
  return report_exception();
}
