#include "endpoint_kinds.hpp"

#include "../named_pipes.hpp"
#include "../process_stream.hpp"
#include "../proxy_protocol.hpp"
#include "../streams.hpp"
#include "../systemd.hpp"
#include "../tls.hpp"

#include <utility>

#ifdef __linux__
#include "passed_port.hpp"
#endif

namespace weft::detail {

namespace {

// ---- TCP

int backlog_in(EndpointArguments& arguments, const EndpointArgument& given) {
  const auto number = arguments.number(given);
  if (number > 1'000'000) arguments.refuse(given, "this is more than a system can hold.");
  return static_cast<int>(number);
}

ListenOptions listen_options(EndpointArguments& arguments) {
  ListenOptions options;
  if (const auto interface = arguments.named("interface")) {
    if (!Address::parse(interface->text, 0)) {
      arguments.refuse(*interface, "an interface is a numeric address such as 127.0.0.1 or [::1].");
    }
    options.interface = interface->text;
  }
  if (const auto backlog = arguments.named("backlog")) {
    options.backlog = backlog_in(arguments, *backlog);
  }
  if (const auto reuse = arguments.named("reuse_port")) {
    options.reuse_port = arguments.yes_or_no(*reuse);
  }
  if (const auto only = arguments.named("ipv6_only")) {
    options.ipv6_only = arguments.yes_or_no(*only);
  }
  return options;
}

std::unique_ptr<ServerEndpoint> tcp_server(Reactor& reactor, EndpointArguments& arguments) {
  const auto port = arguments.port(arguments.required("port"));
  const auto options = listen_options(arguments);
  return server_endpoint([&reactor, port, options](std::shared_ptr<Factory> factory) {
    return reactor.listen_tcp(port, std::move(factory), options);
  });
}

// An address with or without a port: "127.0.0.1", "[127.0.0.1:4000]", "[[::1]:4000]".
Address bind_address(EndpointArguments& arguments, const EndpointArgument& argument) {
  if (const auto address = Address::parse(argument.text, 0)) return *address;
  const std::string_view text = argument.text;
  const auto colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    const auto port =
        arguments.port({std::string(text.substr(colon + 1)), argument.position, argument.length});
    if (const auto address = Address::parse(host, port)) return *address;
  }
  arguments.refuse(argument, "what is bound to is a numeric address such as 192.0.2.1.");
}

ConnectOptions timeout_in(EndpointArguments& arguments) {
  ConnectOptions options;
  if (const auto timeout = arguments.named("timeout")) {
    options.timeout = arguments.seconds(*timeout);
  }
  return options;
}

ConnectOptions connect_options(EndpointArguments& arguments) {
  auto options = timeout_in(arguments);
  if (const auto bind = arguments.named("bind")) {
    options.bind_address = bind_address(arguments, *bind);
  }
  return options;
}

std::unique_ptr<ClientEndpoint> tcp_client_to(Reactor& reactor, EndpointArguments& arguments,
                                              const EndpointArgument& host) {
  if (host.text.empty()) arguments.refuse(host, "a host is a name or an address.");
  const auto port = arguments.port(arguments.required("port"));
  const auto options = connect_options(arguments);
  return client_endpoint(
      [&reactor, name = host.text, port, options](std::shared_ptr<Factory> factory) {
        return reactor.connect_tcp(name, port, std::move(factory), options);
      });
}

std::unique_ptr<ClientEndpoint> tcp_client(Reactor& reactor, EndpointArguments& arguments) {
  return tcp_client_to(reactor, arguments, arguments.required("host"));
}

// ---- TLS

TlsVersion tls_version(EndpointArguments& arguments, const EndpointArgument& given) {
  if (given.text == "1.2") return TlsVersion::tls_1_2;
  if (given.text == "1.3") return TlsVersion::tls_1_3;
  arguments.refuse(given, "the versions of TLS are 1.2 and 1.3.");
}

void read_tls_options(EndpointArguments& arguments, TlsOptions& options) {
  if (const auto alpn = arguments.named("alpn")) {
    for (const EndpointArgument& one : arguments.list(*alpn))
      options.alpn.push_back(one.text);
  }
  if (const auto least = arguments.named("min_version")) {
    options.min_version = tls_version(arguments, *least);
  }
  if (const auto most = arguments.named("max_version")) {
    options.max_version = tls_version(arguments, *most);
  }
  if (const auto limit = arguments.named("handshake_timeout")) {
    options.handshake_timeout = arguments.seconds(*limit);
  }
  if (const auto revoked = arguments.named("revoked")) options.revoked = Pem::file(revoked->text);
  if (const auto log = arguments.named("key_log")) options.key_log_file = log->text;
}

// A file of the whole chain, and one of the key, unless that is in the same.
TlsIdentity identity_in(EndpointArguments& arguments, const EndpointArgument& chain) {
  const auto key = arguments.named("key");
  return {Pem::file(chain.text), Pem::file(key ? key->text : chain.text)};
}

ClientCertificate client_certificate(EndpointArguments& arguments) {
  const auto given = arguments.named("client_cert");
  if (!given || given->text == "none") return ClientCertificate::none;
  if (given->text == "optional") return ClientCertificate::optional;
  if (given->text == "required") return ClientCertificate::required;
  arguments.refuse(*given, "a client's certificate is none, optional or required.");
}

// What goes around TCP, unless `over` names another endpoint.
class TlsServerEndpoint final : public ServerEndpoint {
 public:
  TlsServerEndpoint(std::unique_ptr<ServerEndpoint> carrier, TlsContext context)
      : carrier_(std::move(carrier)), context_(std::move(context)) {}

 private:
  Deferred<ListeningPort> start(std::shared_ptr<Factory> factory,
                                const FactoryWrapper& next_to_the_wire) override {
    return carrier_->listen(tls_server(context_, std::move(factory)), next_to_the_wire);
  }

  std::unique_ptr<ServerEndpoint> carrier_;
  TlsContext context_;
};

class TlsClientEndpoint final : public ClientEndpoint {
 public:
  TlsClientEndpoint(Clock& clock, std::unique_ptr<ClientEndpoint> carrier, TlsContext context,
                    std::string server_name)
      : clock_(clock),
        carrier_(std::move(carrier)),
        context_(std::move(context)),
        server_name_(std::move(server_name)) {}

 private:
  Deferred<std::shared_ptr<Protocol>> start(std::shared_ptr<Factory> factory,
                                            const FactoryWrapper& next_to_the_wire) override {
    // The endpoint may be gone before this is called.
    auto connect = [carrier = carrier_, next_to_the_wire](std::shared_ptr<Factory> lower) {
      return carrier->connect(std::move(lower), next_to_the_wire);
    };
    return tls_connect(clock_, std::move(connect), context_, server_name_, std::move(factory));
  }

  Clock& clock_;
  std::shared_ptr<ClientEndpoint> carrier_;
  TlsContext context_;
  std::string server_name_;
};

std::unique_ptr<ServerEndpoint> tls_server_endpoint(Reactor& reactor,
                                                    EndpointArguments& arguments) {
  const auto over = arguments.named("over");
  const auto cert = arguments.named("cert");
  TlsServerOptions options;
  if (cert) options.identities.push_back(identity_in(arguments, *cert));
  // One file with chain and key for each further name.
  while (const auto more = arguments.named("sni")) {
    options.identities.emplace_back(Pem::file(more->text), Pem::file(more->text));
  }
  read_tls_options(arguments, options);
  options.client_certificate = client_certificate(arguments);
  if (const auto trust = arguments.named("trust")) options.client_trust = Pem::file(trust->text);
  auto carrier = over ? server_from_string(reactor, over->text) : tcp_server(reactor, arguments);
  arguments.finish();
  if (!cert) arguments.refuse(arguments.kind(), "it needs \"cert\", a file in PEM.");
  return std::make_unique<TlsServerEndpoint>(std::move(carrier), TlsContext(options));
}

std::unique_ptr<ClientEndpoint> tls_client_endpoint(Reactor& reactor,
                                                    EndpointArguments& arguments) {
  TlsClientOptions options;
  read_tls_options(arguments, options);
  if (const auto trust = arguments.named("trust")) options.trust = Pem::file(trust->text);
  if (const auto cert = arguments.named("cert")) {
    options.identity = identity_in(arguments, *cert);
  }
  if (const auto verify = arguments.named("verify")) {
    options.trust_anybody_insecurely = !arguments.yes_or_no(*verify);
  }
  auto name = arguments.named("server_name");
  std::unique_ptr<ClientEndpoint> carrier;
  if (const auto over = arguments.named("over")) {
    carrier = client_from_string(reactor, over->text);
    if (!name) arguments.refuse(*over, "whoever is reached this way needs a \"server_name\".");
  } else {
    auto host = arguments.required("host");
    carrier = tcp_client_to(reactor, arguments, host);
    if (!name) name = std::move(host);
  }
  arguments.finish();
  return std::make_unique<TlsClientEndpoint>(reactor, std::move(carrier), TlsContext(options),
                                             name->text);
}

// ---- UNIX sockets

// A path, or an abstract name with @ in front, as systemd and socat write it.
std::string path_in(EndpointArguments& arguments) {
  auto path = arguments.required("path");
  if (path.text.empty()) arguments.refuse(path, "a path has at least one character.");
  if (path.text.front() == '@') path.text.front() = '\0';
  return std::move(path.text);
}

std::unique_ptr<ServerEndpoint> unix_server(Reactor& reactor, EndpointArguments& arguments) {
  const auto path = path_in(arguments);
  UnixListenOptions options;
  if (const auto mode = arguments.named("mode")) options.mode = arguments.octal_number(*mode);
  if (const auto backlog = arguments.named("backlog")) {
    options.backlog = backlog_in(arguments, *backlog);
  }
  return server_endpoint([&reactor, path, options](std::shared_ptr<Factory> factory) {
    return reactor.listen_unix(path, std::move(factory), options);
  });
}

std::unique_ptr<ClientEndpoint> unix_client(Reactor& reactor, EndpointArguments& arguments) {
  const auto path = path_in(arguments);
  const auto options = timeout_in(arguments);
  return client_endpoint([&reactor, path, options](std::shared_ptr<Factory> factory) {
    return reactor.connect_unix(path, std::move(factory), options);
  });
}

// ---- named pipes

std::string pipe_name_in(EndpointArguments& arguments) {
  auto name = arguments.required("name");
  if (name.text.empty()) arguments.refuse(name, "a pipe's name has at least one character.");
  return std::move(name.text);
}

std::unique_ptr<ServerEndpoint> pipe_server(Reactor& reactor, EndpointArguments& arguments) {
  const auto name = pipe_name_in(arguments);
  PipeListenOptions options;
  if (const auto security = arguments.named("security")) options.security = security->text;
  return server_endpoint([&reactor, name, options](std::shared_ptr<Factory> factory) {
    return listen_pipe(reactor, name, std::move(factory), options);
  });
}

std::unique_ptr<ClientEndpoint> pipe_client(Reactor& reactor, EndpointArguments& arguments) {
  const auto name = pipe_name_in(arguments);
  const auto options = timeout_in(arguments);
  return client_endpoint([&reactor, name, options](std::shared_ptr<Factory> factory) {
    return connect_pipe(reactor, name, std::move(factory), options);
  });
}

// ---- what is open already

std::unique_ptr<ServerEndpoint> stdio_server(Reactor& reactor, EndpointArguments&) {
  return server_endpoint([&reactor](std::shared_ptr<Factory> factory) {
    return listen_stdio(reactor, std::move(factory));
  });
}

std::unique_ptr<ServerEndpoint> systemd_server(Reactor& reactor, EndpointArguments& arguments) {
  if (const auto name = arguments.named("name")) {
    return server_endpoint([&reactor, name = name->text](std::shared_ptr<Factory> factory) {
      return listen_systemd(reactor, name, std::move(factory));
    });
  }
  const auto index = arguments.optional("index");
  const std::size_t number = index ? arguments.number(*index) : 0;
  return server_endpoint([&reactor, number](std::shared_ptr<Factory> factory) {
    return listen_systemd(reactor, number, std::move(factory));
  });
}

// A copy is listened on, so that it can be done again.
ListeningPort listen_on_copy([[maybe_unused]] Reactor& reactor, [[maybe_unused]] int descriptor,
                             [[maybe_unused]] std::shared_ptr<Factory> factory) {
#ifdef __linux__
  return reactor.adopt_port(copy_of_port(descriptor).release(), std::move(factory));
#else
  throw NotSupportedOnThisPlatform(
      "Descriptors cannot be passed to programs here; have the reactor listen itself.");
#endif
}

std::unique_ptr<ServerEndpoint> descriptor_server(Reactor& reactor, EndpointArguments& arguments) {
  const auto given = arguments.required("descriptor");
  const auto number = arguments.number(given);
  if (number > INT32_MAX) arguments.refuse(given, "there is no such descriptor.");
  const int descriptor = static_cast<int>(number);
  return server_endpoint([&reactor, descriptor](std::shared_ptr<Factory> factory) {
    return listen_on_copy(reactor, descriptor, std::move(factory));
  });
}

// ---- programs

std::unique_ptr<ClientEndpoint> process_client(Reactor& reactor, EndpointArguments& arguments) {
  ProcessOptions options;
  options.program = arguments.required("program").text;
  if (const auto directory = arguments.named("directory")) options.directory = directory->text;
  for (EndpointArgument& argument : arguments.places())
    options.arguments.push_back(std::move(argument.text));
  return client_endpoint([&reactor, options](std::shared_ptr<Factory> factory) {
    return connect_process(reactor, options, std::move(factory));
  });
}

// ---- around others

Duration header_timeout(EndpointArguments& arguments) {
  const auto given = arguments.named("header_timeout");
  return given ? arguments.seconds(*given) : BehindProxyOptions().header_timeout;
}

std::unique_ptr<ServerEndpoint> proxied_server(Reactor& reactor, EndpointArguments& arguments) {
  BehindProxyOptions options;
  options.header_timeout = header_timeout(arguments);
  if (const auto trusted = arguments.named("trusted")) {
    options.trusted.clear();
    for (const EndpointArgument& one : arguments.list(*trusted)) {
      const auto network = Network::parse(one.text);
      if (!network) {
        arguments.refuse(one, "\"" + one.text +
                                  "\" is no network; write one as 10.0.0.0/8 or [::1], with a "
                                  "comma between two.");
      }
      options.trusted.push_back(*network);
    }
  }
  const auto inner = arguments.endpoint_within();
  return behind_proxy(server_from_string(reactor, inner.text), std::move(options));
}

std::unique_ptr<ClientEndpoint> announcing_client(Reactor& reactor, EndpointArguments& arguments) {
  auto version = ProxyVersion::v2;
  if (const auto given = arguments.named("version")) {
    const auto number = arguments.number(*given);
    if (number != 1 && number != 2) arguments.refuse(*given, "the PROXY protocol has 1 and 2.");
    version = static_cast<ProxyVersion>(number);
  }
  const auto inner = arguments.endpoint_within();
  return announcing(client_from_string(reactor, inner.text), version);
}

}  // namespace

std::map<std::string, ServerEndpointBuilder> built_in_servers() {
  return {{"tcp", tcp_server},          {"unix", unix_server},     {"stdio", stdio_server},
          {"systemd", systemd_server},  {"fd", descriptor_server}, {"haproxy", proxied_server},
          {"tls", tls_server_endpoint}, {"pipe", pipe_server}};
}

std::map<std::string, ClientEndpointBuilder> built_in_clients() {
  return {{"tcp", tcp_client},          {"unix", unix_client},       {"haproxy", announcing_client},
          {"tls", tls_client_endpoint}, {"process", process_client}, {"pipe", pipe_client}};
}

}  // namespace weft::detail
