// An echo server and its client in one process, on the best reactor that there is.
#include <weft/weft.hpp>

#include <iostream>
#include <memory>
#include <string>

class Echo : public weft::Protocol {
 public:
  void data_received(weft::BytesView data) override { transport().write(data); }
};

class Greeter : public weft::Protocol {
 public:
  explicit Greeter(std::string* answer) : answer_(answer) {}
  void connection_made() override { transport().write("hello"); }
  void data_received(weft::BytesView data) override {
    *answer_ += data.text();
    if (*answer_ == "hello") transport().lose_connection();
  }
  void connection_lost(const weft::Failure&) override { weft::Reactor::current().stop(); }

 private:
  std::string* answer_;
};

int main() {
  const std::unique_ptr<weft::Reactor> reactor = weft::make_reactor();
  std::string answer;
  weft::ListenOptions loopback;
  loopback.interface = "127.0.0.1";
  const auto port = reactor->listen_tcp(0, weft::factory_for<Echo>(), loopback);
  const auto client =
      reactor->connect_tcp("127.0.0.1", port.address().port(), weft::factory_for<Greeter>(&answer));
  reactor->run();
  std::cout << reactor->name() << " answered " << answer << '\n';
  return answer == "hello" ? 0 : 1;
}
