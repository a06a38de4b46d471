// The ports of a pool: each reactor's share of them, and who accepts for all.
#pragma once

#include "../../framework/address.hpp"
#include "../reactor_pool.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace weft::detail {

class PoolCore;

/// What the handles of one port share, in whatever thread they are.
struct PoolPortState {
  PoolPortState(std::weak_ptr<PoolCore> owner, std::size_t reactors, Spread how)
      : core(std::move(owner)), connections(reactors), spread(how) {}

  std::weak_ptr<PoolCore> core;
  Address address;
  std::atomic<bool> listening{true};
  // Of each reactor: those that are open, and those on the way to it.
  std::vector<std::atomic<std::size_t>> connections;
  Spread spread;
  // Who is next in turn; of the thread that accepts.
  std::size_t next = 0;
};

/// All ports of a pool. Thread: any, unless it says otherwise.
class PoolPorts {
 public:
  using State = std::shared_ptr<PoolPortState>;
  virtual ~PoolPorts();

  /// Errors: AddressInUse, ListenError, NotSupportedOnThisPlatform, and what `make_factory` throws
  /// here.
  virtual void listen_tcp(const State& state, Port port, FactoryMaker make_factory,
                          ListenOptions options) = 0;
  virtual void listen_unix(const State& state, std::string path, FactoryMaker make_factory,
                           const UnixListenOptions& options) = 0;
  virtual void stop(const State& state) noexcept = 0;
  /// Thread: that of reactor `index`.
  virtual Deferred<void> drained(const State& state, std::size_t index) = 0;
  /// Thread: that of reactor `index`.
  virtual Deferred<void> close_connections(const State& state, std::size_t index,
                                           Duration deadline) = 0;
  /// Accepts nothing any more in that reactor, which ends. Thread: its own.
  virtual void reactor_ends(std::size_t index) noexcept = 0;
};

[[nodiscard]] std::unique_ptr<PoolPorts> make_pool_ports(PoolCore& core);

}  // namespace weft::detail
