#include "reactor.hpp"

#include "error.hpp"
#include "turn.hpp"

namespace weft {

Reactor::Reactor() = default;
Reactor::~Reactor() = default;

Reactor* Reactor::current_or_null() noexcept {
  const Turn* const turn = Turn::current();
  return turn != nullptr ? turn->reactor() : nullptr;
}

Reactor& Reactor::current() {
  if (Reactor* const reactor = current_or_null()) return *reactor;
  throw NoReactorError(
      "No reactor runs this code; call it from a reactor's callback, or pass the reactor along.");
}

}  // namespace weft
