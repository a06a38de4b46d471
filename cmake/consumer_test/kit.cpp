// A protocol of somebody else's, tested with the installed kit and no test framework.
#include <weft/testing/string_transport.hpp>
#include <weft/weft.hpp>

#include <iostream>
#include <memory>

class Echo : public weft::Protocol {
 public:
  void data_received(weft::BytesView data) override { transport().write(data); }
};

int main() {
  const auto transport = std::make_shared<weft::testing::StringTransport>();
  const auto protocol = std::make_shared<Echo>();
  protocol->make_connection(transport);
  protocol->data_received("hello");
  std::cout << "the transport holds " << transport->value() << '\n';
  return transport->value() == "hello" ? 0 : 1;
}
