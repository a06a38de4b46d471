#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/conformance/stream_suite.hpp"
#include "../transports/tls_contexts_test.hpp"
#include "make_reactor.hpp"
#include "without_resets_test.hpp"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using Connected = Deferred<std::shared_ptr<Protocol>>;

// TLS over whatever a derived class listens on and connects to.
class TlsFixture : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;

  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    bool accepted = false;
    const auto secured = tls_server(server_context(), factory_from([&] {
                                      accepted = true;
                                      return server;
                                    }));
    auto port = listen(above_carrier(secured));
    auto connecting = tls_connect(
        reactor(), [this, &port](std::shared_ptr<Factory> lower) { return dial(port, lower); },
        client_context(), test_server_name, factory_from([client] { return client; }));
    if (!spin_until([&] { return accepted && connecting.ready(); })) {
      throw std::runtime_error("no connection came about");
    }
    static_cast<void>(connecting.take_result());
    port.stop();
  }

 protected:
  static const TlsContext& server_context() {
    static const TlsContext context(test_server_options());
    return context;
  }
  static const TlsContext& client_context() {
    static const TlsContext context(test_client_options());
    return context;
  }
  virtual std::shared_ptr<Factory> above_carrier(std::shared_ptr<Factory> factory) {
    return factory;
  }
  virtual ListeningPort listen(std::shared_ptr<Factory> factory) {
    return reactor().listen_tcp(0, std::move(factory), on_loopback());
  }
  virtual Connected dial(const ListeningPort& port, std::shared_ptr<Factory> factory) {
    return reactor().connect_tcp("127.0.0.1", port.address().port(), std::move(factory));
  }
};

class TlsInTls final : public TlsFixture {
 public:
  using TlsFixture::TlsFixture;
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 12'000'000; }

 private:
  std::shared_ptr<Factory> above_carrier(std::shared_ptr<Factory> factory) override {
    return tls_server(server_context(), std::move(factory));
  }
  Connected dial(const ListeningPort& port, std::shared_ptr<Factory> factory) override {
    return tls_connect(
        reactor(),
        [this, &port](std::shared_ptr<Factory> lower) {
          return TlsFixture::dial(port, std::move(lower));
        },
        client_context(), test_server_name, std::move(factory));
  }
};

#ifdef __linux__
class TlsOnUnixSockets final : public TlsFixture {
 public:
  using TlsFixture::TlsFixture;
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 4'000'000; }

 private:
  ListeningPort listen(std::shared_ptr<Factory> factory) override {
    static std::atomic<int> count{0};
    path_ = std::string(1, '\0') + "weft-tls-" + std::to_string(::getpid()) + "-" +
            std::to_string(++count);
    return reactor().listen_unix(path_, std::move(factory));
  }
  Connected dial(const ListeningPort&, std::shared_ptr<Factory> factory) override {
    return reactor().connect_unix(path_, std::move(factory));
  }
  std::string path_;
};

// A producer is stopped when TLS is cut off, too.
std::map<std::string, std::string> what_tls_needs_resets_for() {
  auto skipped = what_needs_resets();
  skipped.erase("StopsItsProducerWhenThePeerResets");
  return skipped;
}
#endif

template <class Fixture>
std::vector<StreamKind> kinds(const std::string& prefix,
                              std::map<std::string, std::string> skipped = {}) {
  std::vector<StreamKind> all;
  for (const auto& name : reactor_names()) {
    const auto make = [name] { return std::make_unique<Fixture>(make_reactor(name)); };
    all.push_back({prefix + name, make, skipped});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Tls, StreamConformance, ::testing::ValuesIn(kinds<TlsFixture>("tls_")),
                         stream_kind_name);
INSTANTIATE_TEST_SUITE_P(TlsInTls, StreamConformance,
                         ::testing::ValuesIn(kinds<TlsInTls>("tls_in_tls_")), stream_kind_name);
#ifdef __linux__
INSTANTIATE_TEST_SUITE_P(TlsOnUnix, StreamConformance,
                         ::testing::ValuesIn(kinds<TlsOnUnixSockets>("tls_on_unix_",
                                                                     what_tls_needs_resets_for())),
                         stream_kind_name);
#endif

}  // namespace
}  // namespace weft::testing
