#include "../framework/transport.hpp"
#include "../transports/streams.hpp"
#include "../transports/tls.hpp"
#include "make_reactor.hpp"

#include <cstdio>
#include <exception>
#include <memory>
#include <string>

namespace weft {
namespace {

// Sends back what it receives, and ends the program with its connection.
class Echo final : public Protocol {
 public:
  explicit Echo(Reactor& reactor) : reactor_(reactor) {}
  void data_received(BytesView data) override { transport().write(data); }
  void connection_lost(const Failure&) override { reactor_.stop(); }

 private:
  Reactor& reactor_;
};

// A server that talks TLS over its standard input and output. Its one argument is its certificate
// and its key, as PEM.
void serve(const std::string& identity) {
  const auto reactor = make_reactor();
  TlsServerOptions options(TlsIdentity(Pem::text(identity), Pem::text(identity)));
  options.handshake_failed = [&](const Failure& reason, const Address&) {
    std::fprintf(stderr, "%s\n", reason.message().c_str());
    reactor->stop();
  };
  const auto port = listen_stdio(*reactor, tls_server(TlsContext(options), factory_from([&] {
                                                        return std::make_shared<Echo>(*reactor);
                                                      })));
  reactor->run();
}

}  // namespace
}  // namespace weft

int main(int, char** argv) try {
  weft::serve(argv[1]);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
