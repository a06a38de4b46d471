// The echo server of the race, on the reactor named by its argument. Prints its port.
#include <weft/framework/factory.hpp>
#include <weft/framework/transport.hpp>
#include <weft/reactor/make_reactor.hpp>

#include <cstdio>

namespace {

class Echo : public weft::Protocol {
  void data_received(weft::BytesView data) override { transport().write(data); }
};

}  // namespace

int main(int argc, char** argv) {
  const auto reactor = weft::make_reactor(argc > 1 ? argv[1] : "");
  weft::ListenOptions options;
  options.interface = "127.0.0.1";
  const auto port = reactor->listen_tcp(0, weft::factory_for<Echo>(), options);
  std::printf("%d\n", port.address().port());
  std::fflush(stdout);
  reactor->run();
}
