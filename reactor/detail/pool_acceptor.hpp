// Accepts for all reactors of a pool, in one of them.
#pragma once

#include "../../framework/reactor.hpp"
#include "../../transports/detail/owned_descriptor.hpp"
#include "../../transports/detail/unix_binding.hpp"

#include <functional>
#include <memory>
#include <system_error>

namespace weft::detail {

/// Accepts until it is destroyed.
class PoolAcceptor {
 public:
  /// Takes a connection and the address of its peer.
  using Give = std::function<void(OwnedDescriptor, const Address&)>;

  /// `binding` is the name of a UNIX socket, which ends with it. Errors: std::system_error.
  PoolAcceptor(Reactor& reactor, OwnedDescriptor listening, std::shared_ptr<UnixBinding> binding,
               Give give);
  ~PoolAcceptor();
  PoolAcceptor(const PoolAcceptor&) = delete;
  PoolAcceptor& operator=(const PoolAcceptor&) = delete;

 private:
  void wait();
  void ready();
  void rest(std::error_code reason);

  Reactor& reactor_;
  std::shared_ptr<UnixBinding> binding_;
  OwnedDescriptor listening_;
  Give give_;
  Watch watch_;
  DelayedCall rest_call_;
  bool short_of_resources_ = false;
};

}  // namespace weft::detail
