#include "pool_ports.hpp"

#include "../../framework/error.hpp"
#include "../../framework/listener.hpp"
#include "../../framework/logging.hpp"
#include "../../framework/turn.hpp"
#include "../../transports/detail/port_sharing.hpp"
#include "../../transports/detail/tcp_port.hpp"
#include "../../transports/detail/unix_socket.hpp"
#include "pool_acceptor.hpp"
#include "pool_core.hpp"

#include <optional>
#include <unordered_map>
#include <utility>

namespace weft::detail {

namespace {

// Counts a connection that is on its way to its reactor, for as long as it lives.
class OnTheWay {
 public:
  OnTheWay(PoolPorts::State state, std::size_t to) : state_(std::move(state)), to_(to) {
    ++state_->connections[to_];
  }
  OnTheWay(OnTheWay&& other) noexcept = default;
  OnTheWay& operator=(OnTheWay&&) = delete;
  ~OnTheWay() {
    if (state_ != nullptr) --state_->connections[to_];
  }

 private:
  PoolPorts::State state_;
  std::size_t to_;
};

// One reactor's part of a port.
struct Share {
  std::shared_ptr<Listener> listener;
  // The same, where it does not accept for itself.
  std::shared_ptr<TakingListener> taking;
  // In the one reactor that accepts for the others.
  std::unique_ptr<PoolAcceptor> acceptor;
};

class SharedPorts final : public PoolPorts {
 public:
  explicit SharedPorts(PoolCore& core) : core_(core), shares_(core.size()) {}

  void listen_tcp(const State& state, Port port, FactoryMaker make_factory,
                  ListenOptions options) override;
  void listen_unix(const State& state, std::string path, FactoryMaker make_factory,
                   const UnixListenOptions& options) override;
  void stop(const State& state) noexcept override;
  Deferred<void> drained(const State& state, std::size_t index) override;
  Deferred<void> close_connections(const State& state, std::size_t index,
                                   Duration deadline) override;
  void reactor_ends(std::size_t index) noexcept override;

 private:
  // The socket of the one who accepts for all, and its name.
  struct Front {
    OwnedDescriptor socket;
    std::shared_ptr<UnixBinding> binding;
  };

  [[nodiscard]] PortSharing& sharing(std::size_t index) const;
  template <class F>
  bool enter(std::size_t index, F f);
  template <class F>
  void set_up(const State& state, std::size_t index, F f);
  void listen_apart(const State& state, PassedPort first, const FactoryMaker& make_factory,
                    const ListenOptions& options);
  void listen_in_front(const State& state, Front front, const FactoryMaker& make_factory);
  void add_share(std::size_t index, const State& state, std::shared_ptr<Listener> listener,
                 std::shared_ptr<TakingListener> taking);
  [[nodiscard]] Share* share(const State& state, std::size_t index) noexcept;
  void stop_share(const State& state, std::size_t index) noexcept;
  void give(const State& state, OwnedDescriptor connection, const Address& peer);
  void take(const State& state, std::size_t index, OwnedDescriptor connection, const Address& peer);
  [[nodiscard]] std::size_t choose(const State& state) const noexcept;
  void check_usable() const;

  PoolCore& core_;
  // Of each reactor; its thread alone touches it once the pool runs.
  std::vector<std::unordered_map<const PoolPortState*, Share>> shares_;
};

PortSharing& SharedPorts::sharing(std::size_t index) const {
  auto& reactor = core_.reactor(index);
  if (auto* const able = dynamic_cast<PortSharing*>(&reactor)) return *able;
  throw NotSupportedOnThisPlatform("The reactor \"" + std::string(reactor.name()) +
                                   "\" cannot share a port; listen on a port in each of the pool's "
                                   "reactors.");
}

void SharedPorts::check_usable() const {
  if (core_.state() == PoolCore::State::ended) {
    throw NotRunningError("This pool has ended, so nobody would answer; listen before it does.");
  }
  for (std::size_t i = 0; i < core_.size(); ++i)
    static_cast<void>(sharing(i));
}

// Calls `f` in that reactor: now where none runs yet, else from its loop. False when it has ended.
template <class F>
bool SharedPorts::enter(std::size_t index, F f) {
  if (core_.state() == PoolCore::State::idle) {
    const Turn::Scope scope(core_.reactor(index).turn());
    f();
    return true;
  }
  return core_.post(index, std::move(f));
}

// The same for what begins a port in that reactor, unless it has been told to stop meanwhile. What
// fails here is thrown; what fails there ends the port.
template <class F>
void SharedPorts::set_up(const State& state, std::size_t index, F f) {
  if (core_.state() == PoolCore::State::idle) {
    enter(index, std::move(f));
    return;
  }
  enter(index, [this, state, f = std::move(f)]() mutable {
    try {
      if (state->listening) f();
    } catch (...) {
      log_failure("pool", "A reactor could not begin to listen; its port stops in all of them",
                  Failure::current());
      stop(state);
    }
  });
}

// ---- listening

void SharedPorts::listen_tcp(const State& state, Port port, FactoryMaker make_factory,
                             ListenOptions options) {
  check_usable();
  const bool apart = state->spread == Spread::by_system;
  if (apart) options.reuse_port = true;
  auto opened = open_tcp_port(port, options);
  state->address = opened.address;
  if (apart) {
    listen_apart(state, std::move(opened), make_factory, options);
  } else {
    listen_in_front(state, {std::move(opened.descriptor), nullptr}, make_factory);
  }
}

void SharedPorts::listen_unix(const State& state, std::string path, FactoryMaker make_factory,
                              const UnixListenOptions& options) {
  check_usable();
  if (state->spread == Spread::by_system) {
    throw InvalidArgument(
        "The system does not spread the connections of a UNIX socket; choose round_robin or "
        "fewest_connections.");
  }
  Front front;
  front.binding = std::make_shared<UnixBinding>();
  front.socket = open_unix_port(*front.binding, std::move(path), options);
  state->address = front.binding->address();
  listen_in_front(state, std::move(front), make_factory);
}

void SharedPorts::listen_apart(const State& state, PassedPort first,
                               const FactoryMaker& make_factory, const ListenOptions& options) {
  std::vector<PassedPort> sockets;
  sockets.push_back(std::move(first));
  // The system chose the port of the first one, perhaps.
  while (sockets.size() < core_.size())
    sockets.push_back(open_tcp_port(state->address.port(), options));
  for (std::size_t i = 0; i < core_.size(); ++i) {
    set_up(state, i, [this, state, i, make_factory, socket = std::move(sockets[i])]() mutable {
      auto factory = make_factory(core_.reactor(i));
      auto listener = sharing(i).accepting_port(std::move(socket), std::move(factory));
      add_share(i, state, std::move(listener), nullptr);
    });
  }
}

void SharedPorts::listen_in_front(const State& state, Front front,
                                  const FactoryMaker& make_factory) {
  for (std::size_t i = 0; i < core_.size(); ++i) {
    set_up(state, i, [this, state, i, make_factory] {
      auto factory = make_factory(core_.reactor(i));
      auto taking = sharing(i).taking_port(state->address, std::move(factory));
      add_share(i, state, taking, taking);
    });
  }
  // After all shares, so that what is given finds them.
  set_up(state, 0, [this, state, front = std::move(front)]() mutable {
    share(state, 0)->acceptor = std::make_unique<PoolAcceptor>(
        core_.reactor(0), std::move(front.socket), std::move(front.binding),
        [this, state](OwnedDescriptor connection, const Address& peer) {
          give(state, std::move(connection), peer);
        });
  });
}

Share* SharedPorts::share(const State& state, std::size_t index) noexcept {
  const auto found = shares_[index].find(state.get());
  return found != shares_[index].end() ? &found->second : nullptr;
}

void SharedPorts::add_share(std::size_t index, const State& state,
                            std::shared_ptr<Listener> listener,
                            std::shared_ptr<TakingListener> taking) {
  // The count is a part of the state, and keeps it.
  listener->count_in({state, &state->connections[index]});
  auto drained = listener->drained();
  shares_[index].emplace(state.get(), Share{std::move(listener), std::move(taking), nullptr});
  const auto forgotten = std::move(drained).add_callbacks(
      [this, index, port = state.get()] {
        auto node = shares_[index].extract(port);
        // Its own callback is running.
        if (node) core_.reactor(index).turn().release_later(std::move(node.mapped().listener));
      },
      [](const Failure&) {});
}

// ---- accepting

std::size_t SharedPorts::choose(const State& state) const noexcept {
  const auto size = state->connections.size();
  auto best = state->next++ % size;
  if (state->spread == Spread::round_robin) return best;
  // Among equals it is the next in turn.
  for (std::size_t i = 1; i < size; ++i) {
    const auto other = (best + i) % size;
    if (state->connections[other] < state->connections[best]) best = other;
  }
  return best;
}

void SharedPorts::give(const State& state, OwnedDescriptor connection, const Address& peer) {
  const auto to = choose(state);
  if (to == 0) return take(state, 0, std::move(connection), peer);
  // One that is ending takes no more: the connection is closed with the call.
  core_.post(to, [this, state, to, peer, connection = std::move(connection),
                  counted = OnTheWay(state, to)]() mutable {
    take(state, to, std::move(connection), peer);
  });
}

void SharedPorts::take(const State& state, std::size_t index, OwnedDescriptor connection,
                       const Address& peer) {
  auto* const own = share(state, index);
  if (own == nullptr || !own->taking->listening()) return;
  own->taking->take_connection(std::move(connection), peer);
}

// ---- stopping

void SharedPorts::stop(const State& state) noexcept {
  if (!state->listening.exchange(false)) return;
  const auto stop_all = [this, state] {
    for (std::size_t i = 0; i < core_.size(); ++i)
      enter(i, [this, state, i] { stop_share(state, i); });
  };
  try {
    // Who accepts for all goes first: what it gave until then is still taken.
    const bool in_front = state->spread != Spread::by_system;
    const bool begun = in_front && enter(0, [this, state, stop_all] {
                         if (auto* const own = share(state, 0)) own->acceptor.reset();
                         stop_all();
                       });
    if (!begun) stop_all();
  } catch (...) {
    log_failure("pool", "A port could not be stopped in all reactors", Failure::current());
  }
}

void SharedPorts::stop_share(const State& state, std::size_t index) noexcept {
  if (auto* const own = share(state, index)) own->listener->stop();
}

Deferred<void> SharedPorts::drained(const State& state, std::size_t index) {
  auto* const own = share(state, index);
  return own != nullptr ? own->listener->drained() : succeed();
}

Deferred<void> SharedPorts::close_connections(const State& state, std::size_t index,
                                              Duration deadline) {
  auto* const own = share(state, index);
  return own != nullptr ? own->listener->close_connections(deadline) : succeed();
}

void SharedPorts::reactor_ends(std::size_t index) noexcept {
  for (auto& [port, own] : shares_[index])
    own.acceptor.reset();
}

}  // namespace

std::unique_ptr<PoolPorts> make_pool_ports(PoolCore& core) {
  return std::make_unique<SharedPorts>(core);
}

}  // namespace weft::detail
