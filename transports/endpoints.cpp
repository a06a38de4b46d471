#include "endpoints.hpp"

#include "detail/endpoint_kinds.hpp"

#include <map>
#include <mutex>
#include <utility>

namespace weft {

namespace {

template <class Builder>
class Kinds {
 public:
  explicit Kinds(std::map<std::string, Builder> builders) : builders_(std::move(builders)) {}

  void add(std::string kind, Builder build) {
    const EndpointArguments checked(kind);
    if (build == nullptr || checked.kind().text != kind) {
      throw InvalidArgument("An endpoint of the kind \"" + kind +
                            "\" cannot be registered; give a name without a colon, and a builder.");
    }
    const std::lock_guard lock(mutex_);
    const auto [place, added] = builders_.emplace(kind, std::move(build));
    if (!added) {
      throw InvalidArgument("There are endpoints of the kind \"" + kind +
                            "\" already; choose another name.");
    }
  }

  // Who builds may register, or build another one.
  [[nodiscard]] Builder find(const EndpointArguments& arguments) const {
    const std::lock_guard lock(mutex_);
    const auto found = builders_.find(arguments.kind().text);
    if (found != builders_.end()) return found->second;
    std::string known;
    for (const auto& [kind, builder] : builders_)
      known += (known.empty() ? "" : ", ") + kind;
    arguments.refuse(arguments.kind(),
                     "there is no endpoint of this kind here; there are " + known + ".");
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Builder> builders_;
};

Kinds<ServerEndpointBuilder>& server_kinds() {
  static Kinds kinds(detail::built_in_servers());
  return kinds;
}

Kinds<ClientEndpointBuilder>& client_kinds() {
  static Kinds kinds(detail::built_in_clients());
  return kinds;
}

template <class Kinds>
auto build(const Kinds& kinds, Reactor& reactor, std::string_view text) {
  EndpointArguments arguments(text);
  auto endpoint = kinds.find(arguments)(reactor, arguments);
  arguments.finish();
  return endpoint;
}

}  // namespace

std::unique_ptr<ServerEndpoint> server_from_string(Reactor& reactor, std::string_view text) {
  return build(server_kinds(), reactor, text);
}

std::unique_ptr<ClientEndpoint> client_from_string(Reactor& reactor, std::string_view text) {
  return build(client_kinds(), reactor, text);
}

Deferred<ListeningPort> listen(Reactor& reactor, std::string_view endpoint,
                               std::shared_ptr<Factory> factory) {
  return maybe_deferred(
      [&] { return server_from_string(reactor, endpoint)->listen(std::move(factory)); });
}

Deferred<std::shared_ptr<Protocol>> connect(Reactor& reactor, std::string_view endpoint,
                                            std::shared_ptr<Factory> factory) {
  return maybe_deferred(
      [&] { return client_from_string(reactor, endpoint)->connect(std::move(factory)); });
}

void register_server_endpoint(std::string kind, ServerEndpointBuilder build) {
  server_kinds().add(std::move(kind), std::move(build));
}

void register_client_endpoint(std::string kind, ClientEndpointBuilder build) {
  client_kinds().add(std::move(kind), std::move(build));
}

}  // namespace weft
