// TCP on loopback over any reactor, for the conformance suite.
#pragma once

#include "../../framework/error.hpp"
#include "../../framework/factory.hpp"
#include "../../framework/reactor.hpp"
#include "stream_fixture.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

namespace weft::testing {

/// Runs the reactor until `condition` holds; false after ten seconds, which no test needs unless it
/// hangs.
inline bool spin_reactor_until(Reactor& reactor, const std::function<bool()>& condition) {
  const auto limit = reactor.now() + std::chrono::seconds(10);
  while (!condition()) {
    if (reactor.now() > limit) return false;
    reactor.run_once(std::chrono::milliseconds(100));
  }
  return true;
}

inline ListenOptions on_loopback() {
  ListenOptions options;
  options.interface = "127.0.0.1";
  return options;
}

class ReactorStreamFixture : public StreamFixture {
 public:
  explicit ReactorStreamFixture(std::unique_ptr<Reactor> reactor) : reactor_(std::move(reactor)) {}

  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    bool accepted = false;
    auto port = reactor_->listen_tcp(0, factory_from([&] {
                                       accepted = true;
                                       return server;
                                     }),
                                     on_loopback());
    auto connecting = reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                            factory_from([client] { return client; }));
    if (!spin_until([&] { return accepted && connecting.ready(); })) {
      throw std::runtime_error("no connection came about");
    }
    static_cast<void>(connecting.take_result());
    port.stop();
  }
  bool spin_until(const std::function<bool()>& condition) override {
    return spin_reactor_until(*reactor_, condition);
  }
  void spin() override {
    for (int round = 0; round < 20; ++round)
      reactor_->run_once(std::chrono::milliseconds(1));
  }
  [[nodiscard]] Clock& clock() override { return *reactor_; }
  [[nodiscard]] Reactor& reactor() noexcept { return *reactor_; }

 private:
  std::unique_ptr<Reactor> reactor_;
};

}  // namespace weft::testing
