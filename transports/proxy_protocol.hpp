// Policies for the PROXY protocol: behind a proxy that says who its client is, and as such a proxy.
#pragma once

#include "../framework/clock.hpp"
#include "../framework/endpoint.hpp"
#include "../framework/factory.hpp"
#include "../framework/network.hpp"
#include "../framework/proxy_header.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace weft {

/// Whom to believe, and for how long to wait.
struct BehindProxyOptions {
  BehindProxyOptions() {}
  /// The proxies: who they say their client is, is believed. This machine unless set.
  std::vector<Network> trusted{Network::parse("127.0.0.0/8").value(),
                               Network::parse("::1").value()};
  /// Whoever may use our UNIX sockets is a proxy.
  bool trust_unix_sockets = true;
  /// Takes others without a header, as they are; unless set they are refused.
  bool admit_others = false;
  /// From the connection to the whole header.
  Duration header_timeout = std::chrono::seconds(5);
  std::size_t max_header_bytes = ProxyHeaderParser::default_max_bytes;
};

/// Has `factory` build its protocols for the clients of the proxies in front of us:
/// `build_protocol` and the transport's `peer()` tell the client's address, `host()` where it
/// connected, and `proxied()` the whole header. The addresses are the connection's own where the
/// proxy talks for itself. A connection whose header is bad or late is aborted with ProxyError
/// before its protocol is built. Next to the wire: what TLS carries comes behind the header.
[[nodiscard]] std::shared_ptr<Factory> behind_proxy(std::shared_ptr<Factory> factory,
                                                    BehindProxyOptions options = {});

enum class ProxyVersion : std::uint8_t { v1 = 1, v2 = 2 };

/// Sends `header` before anything else on each connection of `factory`.
[[nodiscard]] std::shared_ptr<Factory> announcing(std::shared_ptr<Factory> factory,
                                                  ProxyVersion version, ProxyHeader header);
/// The same with the ends of the connection itself, as a program does that is nobody's proxy.
[[nodiscard]] std::shared_ptr<Factory> announcing(std::shared_ptr<Factory> factory,
                                                  ProxyVersion version);

/// `endpoint` behind proxies that say who their client is, before all else on a connection.
[[nodiscard]] std::unique_ptr<ServerEndpoint> behind_proxy(std::unique_ptr<ServerEndpoint> endpoint,
                                                           BehindProxyOptions options = {});
/// `endpoint`, with our own ends told by a PROXY header before all else on a connection.
[[nodiscard]] std::unique_ptr<ClientEndpoint> announcing(std::unique_ptr<ClientEndpoint> endpoint,
                                                         ProxyVersion version);

}  // namespace weft
