// Who turns names into addresses.
#pragma once

#include "address.hpp"
#include "deferred.hpp"

#include <string>
#include <vector>

namespace weft {

/// Looks names up without blocking the loop.
class Resolver {
 public:
  virtual ~Resolver();
  /// The addresses of `host`, best first, each with `port`; a numeric host gives itself. Cancelling
  /// it forgets the question. Errors: ResolveError, also when there is no address.
  virtual Deferred<std::vector<Address>> resolve(std::string host, Port port) = 0;
};

}  // namespace weft
