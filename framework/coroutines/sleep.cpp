#include "sleep.hpp"

#include "../defer_later.hpp"
#include "../reactor.hpp"

namespace weft {

Deferred<void> sleep(Clock& clock, Duration delay, SourceLocation where) {
  return defer_later(clock, delay, where);
}

Deferred<void> sleep(Duration delay, SourceLocation where) {
  return defer_later(Reactor::current(), delay, where);
}

}  // namespace weft
