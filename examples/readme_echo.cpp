#include <weft/weft.hpp>
struct Echo : weft::Protocol {
  void data_received(weft::BytesView data) override { transport().write(data); }
};
int main() {
  auto reactor = weft::make_reactor();
  reactor->listen_tcp(7777, weft::factory_for<Echo>());
  reactor->run();
}
