#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/conformance/stream_suite.hpp"
#include "../transports/named_pipes.hpp"
#include "../transports/streams.hpp"
#include "make_reactor.hpp"
#include "pipe_ends_test.hpp"
#include "without_half_close_test.hpp"
#include "without_resets_test.hpp"

#include <map>
#include <memory>
#include <stdexcept>
#include <string>

namespace weft::testing {
namespace {

// What these carriers hold is far less than what TCP does.
class SmallBuffers : public ReactorStreamFixture {
 public:
  SmallBuffers() : ReactorStreamFixture(make_reactor("iocp")) {}
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 4'000'000; }
};

class NamedPipe final : public SmallBuffers {
 public:
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    const auto name = unused_pipe_name();
    bool accepted = false;
    auto port = listen_pipe(reactor(), name, factory_from([&] {
                              accepted = true;
                              return server;
                            }));
    auto connecting = connect_pipe(reactor(), name, factory_from([client] { return client; }));
    if (!spin_until([&] { return accepted && connecting.ready(); })) {
      throw std::runtime_error("no connection came about");
    }
    static_cast<void>(connecting.take_result());
    port.stop();
  }
};

class OneWayPipes final : public SmallBuffers {
 public:
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    OneWayPipe there;
    OneWayPipe back;
    adopt_pipes(reactor(), given(std::move(there.reader)), given(std::move(back.writer)),
                std::move(server));
    adopt_pipes(reactor(), given(std::move(back.reader)), given(std::move(there.writer)),
                std::move(client));
  }
};

std::map<std::string, std::string> what_one_pipe_cannot() {
  auto skipped = what_needs_resets();
  skip_half_closes(skipped, "a named pipe cannot end one direction alone");
  return skipped;
}

INSTANTIATE_TEST_SUITE_P(NamedPipe, StreamConformance,
                         ::testing::Values(StreamKind{"named_pipe_iocp",
                                                      [] { return std::make_unique<NamedPipe>(); },
                                                      what_one_pipe_cannot()}),
                         stream_kind_name);
INSTANTIATE_TEST_SUITE_P(Pipe, StreamConformance,
                         ::testing::Values(StreamKind{
                             "pipe_iocp", [] { return std::make_unique<OneWayPipes>(); },
                             what_needs_resets()}),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
