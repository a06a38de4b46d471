// Endpoints by strings, as operators write them: "tcp:8080", "unix:/run/echo",
// "tls:example.org:443".
#pragma once

#include "../framework/endpoint.hpp"
#include "../framework/endpoint_arguments.hpp"
#include "../framework/reactor.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace weft {

/// The endpoint that `text` means; docs/endpoints.md has the kinds and what they take.
/// Errors: EndpointError, which points at what is wrong; NotSupportedOnThisPlatform and
/// CertificateError where what it names cannot be used.
[[nodiscard]] std::unique_ptr<ServerEndpoint> server_from_string(Reactor& reactor,
                                                                 std::string_view text);
[[nodiscard]] std::unique_ptr<ClientEndpoint> client_from_string(Reactor& reactor,
                                                                 std::string_view text);

/// Listens on what `endpoint` means. Errors, of the deferred alone: as above, and those of
/// `ServerEndpoint::listen`.
Deferred<ListeningPort> listen(Reactor& reactor, std::string_view endpoint,
                               std::shared_ptr<Factory> factory);
/// Connects to what `endpoint` means. Errors, of the deferred alone: as above, and those of
/// `ClientEndpoint::connect`.
Deferred<std::shared_ptr<Protocol>> connect(Reactor& reactor, std::string_view endpoint,
                                            std::shared_ptr<Factory> factory);

using ServerEndpointBuilder =
    std::function<std::unique_ptr<ServerEndpoint>(Reactor&, EndpointArguments&)>;
using ClientEndpointBuilder =
    std::function<std::unique_ptr<ClientEndpoint>(Reactor&, EndpointArguments&)>;

/// Has strings that begin with `kind` and a colon mean what `build` builds; it takes its arguments,
/// and what it leaves is an error. Thread: any. Errors: InvalidArgument when the kind is taken, or
/// is no name of a-z, 0-9, - and _.
void register_server_endpoint(std::string kind, ServerEndpointBuilder build);
void register_client_endpoint(std::string kind, ClientEndpointBuilder build);

}  // namespace weft
