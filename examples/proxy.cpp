// Run `echo_server --listen haproxy:tcp:7777`, then `proxy --to tcp:127.0.0.1:7777 --announce 2`,
// then `nc 127.0.0.1 7781`: the echo server knows your address, not the proxy's.
#include "example.hpp"

#include <memory>
#include <string>
#include <utility>

namespace {

// [header]
/// What the backend is told of a connection.
weft::ProxyHeader header_for(const weft::Transport& incoming) {
  weft::ProxyHeader header{incoming.peer(), incoming.host(), {}};
  if (const auto* const tls = incoming.tls(); tls != nullptr && !tls->alpn.empty()) {
    header.fields.push_back({weft::ProxyField::alpn, tls->alpn});
  }
  return header;
}
// [header]

}  // namespace

int main(int argc, char** argv) try {
  Example example(Example::Role::server, "Carries each connection on to a backend.", 7781);
  std::string backend;
  weft::Port version = 0;
  example.add_option("--to", backend, "The backend, such as tcp:127.0.0.1:7777 or unix:/run/x");
  example.add_option("--announce", version,
                     "The version of the PROXY protocol that the backend is told clients by; 0 "
                     "tells it nothing");
  return example.run(argc, argv, [&] {
    const std::shared_ptr endpoint = weft::client_from_string(example.reactor(), backend);
    example.listen(std::make_shared<weft::PortForwarderFactory>(
        [endpoint, version](weft::Transport& incoming, std::shared_ptr<weft::Factory> factory) {
          if (version == 0) return endpoint->connect(std::move(factory));
          const auto header = header_for(incoming);
          const auto announce = [version, header](std::shared_ptr<weft::Factory> inner) {
            return weft::announcing(std::move(inner), weft::ProxyVersion(version), header);
          };
          return endpoint->connect(std::move(factory), announce);
        }));
  });
} catch (...) {
  return report_exception();
}
