// The servers of the race on weft:
// weft_server REACTOR echo | stream | lines | publish | forward PORT | tls FILE. Prints its port.
#include <weft/framework/bytes.hpp>
#include <weft/framework/factory.hpp>
#include <weft/framework/transport.hpp>
#include <weft/protocols/line_receiver.hpp>
#include <weft/protocols/port_forwarder.hpp>
#include <weft/protocols/stream_server.hpp>
#include <weft/reactor/make_reactor.hpp>
#include <weft/transports/tls.hpp>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <unordered_set>

namespace {

// Holds back a peer that sends faster than it reads.
class Echo final : public weft::Protocol {
  void data_received(weft::BytesView data) override { transport().write(data); }
  void pause_writing() override { transport().pause_producing(); }
  void resume_writing() override { transport().resume_producing(); }
};

// The same as a coroutine.
weft::Task<void> echo(weft::Stream& stream) {
  while (const auto data = co_await stream.read_some())
    co_await stream.write(*data);
}

class Lines final : public weft::LineReceiver {
  void line_received(std::string_view line) override { send_line(line); }
};

// What one sends goes to all others.
class Subscriber final : public weft::Protocol {
 public:
  using Everyone = std::unordered_set<Subscriber*>;
  explicit Subscriber(Everyone& everyone) : everyone_(everyone) {}
  void connection_made() override { everyone_.insert(this); }
  void data_received(weft::BytesView data) override {
    const weft::Bytes message(data);
    for (Subscriber* const each : everyone_) {
      if (each != this) each->transport().write(message);
    }
  }
  void connection_lost(const weft::Failure&) override { everyone_.erase(this); }

 private:
  Everyone& everyone_;
};

}  // namespace

int main(int argc, char** argv) {
  const auto reactor = weft::make_reactor(argc > 1 ? argv[1] : "");
  const std::string_view mode = argc > 2 ? argv[2] : "echo";
  Subscriber::Everyone everyone;
  std::shared_ptr<weft::Factory> factory;
  if (mode == "lines") {
    factory = weft::factory_for<Lines>();
  } else if (mode == "stream") {
    factory = weft::stream_server(echo);
  } else if (mode == "publish") {
    factory = weft::factory_for<Subscriber>(std::ref(everyone));
  } else if (mode == "forward") {
    const auto port = static_cast<weft::Port>(std::atoi(argv[3]));
    factory = std::make_shared<weft::PortForwarderFactory>(*reactor, "127.0.0.1", port);
  } else if (mode == "tls") {
    const auto file = weft::Pem::file(argv[3]);
    const weft::TlsServerOptions options(weft::TlsIdentity(file, file));
    factory = weft::tls_server(weft::TlsContext(options), weft::factory_for<Echo>());
  } else {
    factory = weft::factory_for<Echo>();
  }
  weft::ListenOptions options;
  options.interface = "127.0.0.1";
  const auto port = reactor->listen_tcp(0, factory, options);
  std::printf("%d\n", port.address().port());
  std::fflush(stdout);
  reactor->run();
}
