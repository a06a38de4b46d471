#include "handle_carrier.hpp"

#include "../../framework/error.hpp"

#include <string>

namespace weft::detail {

iocp::AsioLoop& iocp_loop_of(Reactor& reactor) {
  reactor.turn().check_thread();
  if (auto* const carrier = dynamic_cast<HandleCarrier*>(&reactor)) return carrier->iocp_loop();
  throw NotSupportedOnThisPlatform("The reactor \"" + std::string(reactor.name()) +
                                   "\" cannot wait for handles of Windows; use the reactor "
                                   "\"iocp\".");
}

}  // namespace weft::detail
