// Who turns names into addresses.
#pragma once

#include "address.hpp"
#include "deferred.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Looks names up without blocking the loop.
class Resolver {
 public:
  /// The two questions that a name is, each with an answer of its own.
  struct Families {
    Deferred<std::vector<Address>> ipv6;
    Deferred<std::vector<Address>> ipv4;
  };

  virtual ~Resolver();
  /// The addresses of `host`, best first, each with `port`; a numeric host gives itself. Cancelling
  /// it forgets the question. Errors: ResolveError, also when there is no address.
  virtual Deferred<std::vector<Address>> resolve(std::string host, Port port) = 0;
  /// The same with each family's addresses as soon as they are known, so that a connect need not
  /// wait for the slower; nothing, which is the default, where the two come together.
  virtual std::optional<Families> resolve_families(const std::string& host, Port port);
};

}  // namespace weft
