// Names looked up by the system's own resolver, in threads, since it blocks.
#pragma once

#include "../framework/resolver.hpp"

namespace weft {

class Reactor;

/// Asks getaddrinfo in the reactor's thread pool: hosts file, DNS and whatever else the system is
/// set to use. Lifetime: the reactor must live longer.
class SystemResolver final : public Resolver {
 public:
  explicit SystemResolver(Reactor& reactor) noexcept : reactor_(reactor) {}
  Deferred<std::vector<Address>> resolve(std::string host, Port port) override;

 private:
  Reactor& reactor_;
};

}  // namespace weft
