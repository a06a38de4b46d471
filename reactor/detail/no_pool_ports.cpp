#include "../../framework/error.hpp"
#include "pool_ports.hpp"

namespace weft::detail {

namespace {

[[noreturn]] void refuse() {
  throw NotSupportedOnThisPlatform(
      "Reactors share a port on Linux only; listen on a port in each of them.");
}

class NoPoolPorts final : public PoolPorts {
 public:
  void listen_tcp(const State&, Port, FactoryMaker, ListenOptions) override { refuse(); }
  void listen_unix(const State&, std::string, FactoryMaker, const UnixListenOptions&) override {
    refuse();
  }
  void stop(const State&) noexcept override {}
  Deferred<void> drained(const State&, std::size_t) override { return succeed(); }
  Deferred<void> close_connections(const State&, std::size_t, Duration) override {
    return succeed();
  }
  void reactor_ends(std::size_t) noexcept override {}
};

}  // namespace

std::unique_ptr<PoolPorts> make_pool_ports(PoolCore&) {
  return std::make_unique<NoPoolPorts>();
}

}  // namespace weft::detail
