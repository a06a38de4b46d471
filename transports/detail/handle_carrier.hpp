// Streams over handles and sockets of Windows that are open already, for reactors on IOCP.
#pragma once

#include "../../framework/reactor.hpp"
#include "../../framework/stream_transport.hpp"
#include "native_socket.hpp"
#include "owned_handle.hpp"

#include <memory>

namespace weft::detail {

namespace iocp {
class AsioLoop;
}

/// What a reactor on IOCP is beside a Reactor.
class HandleCarrier {
 public:
  [[nodiscard]] virtual iocp::AsioLoop& iocp_loop() noexcept = 0;

 protected:
  ~HandleCarrier() = default;
};

/// Errors: NotSupportedOnThisPlatform when the reactor carries no handles; WrongThreadError.
[[nodiscard]] iocp::AsioLoop& iocp_loop_of(Reactor& reactor);

namespace iocp {

/// A stream over a handle for both directions. Errors: NotSupportedOnThisPlatform for one that is
/// not open for overlapped I/O, or that is no stream; InvalidArgument when it is none. It is closed
/// then.
[[nodiscard]] std::shared_ptr<StreamTransport> over_handle(AsioLoop& loop, OwnedHandle both);
/// A stream over two. Either may be missing; without `output` the caller ends our direction before
/// the protocol is told of the connection.
[[nodiscard]] std::shared_ptr<StreamTransport> over_handles(AsioLoop& loop, OwnedHandle input,
                                                            OwnedHandle output);
/// A stream over a connected socket. Errors: InvalidArgument for one that is none of TCP, that is
/// not connected, or that another completion port has.
[[nodiscard]] std::shared_ptr<StreamTransport> over_socket(AsioLoop& loop, OwnedSocket socket);

}  // namespace iocp
}  // namespace weft::detail
