// UNIX sockets by path or abstract name: listening and connecting.
#pragma once

#include "../../framework/connect_attempt.hpp"
#include "../../framework/reactor.hpp"
#include "owned_descriptor.hpp"
#include "passed_port.hpp"
#include "port_sharing.hpp"
#include "unix_binding.hpp"

#include <memory>
#include <string>

namespace weft::detail {

/// A socket that listens at `path`, which `binding` has from now on. Errors: AddressInUse,
/// ListenError, InvalidArgument.
OwnedDescriptor open_unix_port(UnixBinding& binding, std::string path,
                               const UnixListenOptions& options);

/// A port at a path, or at an abstract name, which begins with NUL. The file and the lock beside it
/// are removed when the port is closed.
class UnixListener final : public TakingListener {
 public:
  UnixListener(Reactor& reactor, std::shared_ptr<Factory> factory);
  ~UnixListener() override;

  /// Errors: AddressInUse, ListenError.
  void open(std::string path, const UnixListenOptions& options);
  /// Takes a socket that listens already; the file, where there is one, stays another's.
  void adopt(PassedPort port);
  void take_connection(OwnedDescriptor connection, const Address& peer) noexcept override;

 private:
  void close_port() noexcept override;
  void hold_port() noexcept override { watch_.cancel(); }
  void accept_again() noexcept override;

  void begin(Address address);
  void ready() noexcept;

  Reactor& reactor_;
  UnixBinding binding_;
  OwnedDescriptor socket_;
  Watch watch_;
};

/// One attempt to connect: at once, or as soon as there is room in the port's queue.
class UnixConnector final : public ConnectAttempt {
 public:
  UnixConnector(Reactor& reactor, std::shared_ptr<Factory> factory, std::string path);

  Deferred<std::shared_ptr<Protocol>> start(const ConnectOptions& options);

 private:
  void end_attempt() noexcept override;
  [[nodiscard]] std::string target() const override;

  void try_in(Duration pause);
  void attempt();
  void timed_out();
  std::shared_ptr<UnixConnector> self() {
    return std::static_pointer_cast<UnixConnector>(shared_from_this());
  }

  Reactor& reactor_;
  Address address_;
  DelayedCall timeout_;
  DelayedCall next_attempt_;
};

}  // namespace weft::detail
