#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/conformance/stream_conformance.hpp"
#include "../transports/streams.hpp"
#include "make_reactor.hpp"

#include <atomic>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace weft::testing {
namespace {

class UnixSockets final : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    static std::atomic<int> count{0};
    const auto name = std::string(1, '\0') + "weft-test-" + std::to_string(::getpid()) + "-" +
                      std::to_string(++count);
    bool accepted = false;
    auto port = reactor().listen_unix(name, factory_from([&] {
                                        accepted = true;
                                        return server;
                                      }));
    auto connecting = reactor().connect_unix(name, factory_from([client] { return client; }));
    if (!spin_until([&] { return accepted && connecting.ready(); })) {
      throw std::runtime_error("no connection came about");
    }
    static_cast<void>(connecting.take_result());
    port.stop();
  }
};

class SocketPairs final : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::runtime_error("no pair of sockets could be made");
    }
    adopt_stream(reactor(), ends[1], std::move(server));
    adopt_stream(reactor(), ends[0], std::move(client));
  }
};

class Pipes final : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    int there[2] = {};
    int back[2] = {};
    if (::pipe2(there, O_CLOEXEC) != 0 || ::pipe2(back, O_CLOEXEC) != 0) {
      throw std::runtime_error("no pipes could be made");
    }
    adopt_pipes(reactor(), there[0], back[1], std::move(server));
    adopt_pipes(reactor(), back[0], there[1], std::move(client));
  }
};

// Neither UNIX sockets nor pipes have resets: whose peer aborts sees an end.
std::map<std::string, std::string> what_needs_resets() {
  std::map<std::string, std::string> skipped;
  for (const char* const behaviour :
       {"IsLostForTheReasonThatItWasAbortedWith", "LosesOnlyTheConnectionWhoseCallbackThrew",
        "LosesTheConnectionWhosePauseWritingThrows", "MayBeAbortedAfterLoseWithAFullBuffer",
        "MayBeAbortedInDataReceivedAndThePeerSeesAReset", "MayBeAbortedWhilePausedAndInEofReceived",
        "ReportsAResetWhilePaused", "StopsItsProducerWhenThePeerResets"}) {
    skipped[behaviour] = "the system has no resets for this carrier";
  }
  return skipped;
}

template <class Fixture>
std::vector<StreamKind> kinds(const std::string& prefix) {
  std::vector<StreamKind> all;
  for (const auto& name : reactor_names()) {
    const auto make = [name] { return std::make_unique<Fixture>(make_reactor(name)); };
    all.push_back({prefix + name, make, what_needs_resets()});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Unix, StreamConformance, ::testing::ValuesIn(kinds<UnixSockets>("unix_")),
                         stream_kind_name);
INSTANTIATE_TEST_SUITE_P(SocketPair, StreamConformance,
                         ::testing::ValuesIn(kinds<SocketPairs>("socketpair_")), stream_kind_name);
INSTANTIATE_TEST_SUITE_P(Pipe, StreamConformance, ::testing::ValuesIn(kinds<Pipes>("pipe_")),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
