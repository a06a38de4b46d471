// Run `echo_server`, then `port_forwarder --to 7777`, then `nc 127.0.0.1 7779`: you talk to the
// echo server through the forwarder.
#include "example.hpp"

#include <string>

int main(int argc, char** argv) try {
  Example example(Example::Role::server,
                  "Passes each connection on to another port, as fast as the slower side.", 7779);
  std::string to_host = "127.0.0.1";
  weft::Port to_port = 0;
  example.add_option("--to-host", to_host, "Whom to pass it on to");
  example.add_option("--to", to_port, "Their port");
  return example.run(argc, argv, [&] {
    if (to_port == 0) throw weft::InvalidArgument("Say with --to which port to pass it on to.");
    example.listen(
        std::make_shared<weft::PortForwarderFactory>(example.reactor(), to_host, to_port));
  });
} catch (...) {
  return report_exception();
}
