#include "reactor.hpp"

#include "error.hpp"
#include "turn.hpp"

namespace weft {

namespace {

[[noreturn]] void refuse_unix_sockets(std::string_view reactor) {
  throw NotSupportedOnThisPlatform("The reactor \"" + std::string(reactor) +
                                   "\" has no UNIX sockets here; use TCP on 127.0.0.1 instead.");
}

}  // namespace

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

ListeningPort Reactor::listen_unix(std::string, std::shared_ptr<Factory>,
                                   const UnixListenOptions&) {
  refuse_unix_sockets(name());
}

Deferred<std::shared_ptr<Protocol>> Reactor::connect_unix(std::string, std::shared_ptr<Factory>,
                                                          const ConnectOptions&) {
  refuse_unix_sockets(name());
}

}  // namespace weft
