#include "named_pipes.hpp"

#include "../framework/error.hpp"

#include <utility>

#ifdef _WIN32
#include "detail/handle_carrier.hpp"
#include "detail/pipe_carrier.hpp"
#include "detail/pipe_name.hpp"
#endif

namespace weft {

#ifdef _WIN32

ListeningPort listen_pipe(Reactor& reactor, std::string name, std::shared_ptr<Factory> factory,
                          const PipeListenOptions& options) {
  return detail::iocp::listen_pipe(detail::iocp_loop_of(reactor), detail::PipeName(name),
                                   std::move(factory), options);
}

Deferred<std::shared_ptr<Protocol>> connect_pipe(Reactor& reactor, std::string name,
                                                 std::shared_ptr<Factory> factory,
                                                 const ConnectOptions& options) {
  return detail::iocp::connect_pipe(detail::iocp_loop_of(reactor), detail::PipeName(name),
                                    std::move(factory), options);
}

#else

namespace {

[[noreturn]] void refuse_named_pipes() {
  throw NotSupportedOnThisPlatform(
      "Only Windows has named pipes; use a UNIX socket in their place here.");
}

}  // namespace

ListeningPort listen_pipe(Reactor&, std::string, std::shared_ptr<Factory>,
                          const PipeListenOptions&) {
  refuse_named_pipes();
}

Deferred<std::shared_ptr<Protocol>> connect_pipe(Reactor&, std::string, std::shared_ptr<Factory>,
                                                 const ConnectOptions&) {
  refuse_named_pipes();
}

#endif

}  // namespace weft
