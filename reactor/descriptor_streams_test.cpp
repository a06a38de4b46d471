#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/conformance/stream_suite.hpp"
#include "../transports/streams.hpp"
#include "make_reactor.hpp"
#include "without_resets_test.hpp"

#include <atomic>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weft::testing {
namespace {

// What these carriers hold is far less than what TCP does.
class SmallBuffers : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 4'000'000; }
};

class UnixSockets final : public SmallBuffers {
 public:
  using SmallBuffers::SmallBuffers;
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

class SocketPairs final : public SmallBuffers {
 public:
  using SmallBuffers::SmallBuffers;
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::runtime_error("no pair of sockets could be made");
    }
    adopt_stream(reactor(), ends[1], std::move(server));
    adopt_stream(reactor(), ends[0], std::move(client));
  }
};

class Pipes final : public SmallBuffers {
 public:
  using SmallBuffers::SmallBuffers;
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

template <class Fixture>
std::vector<StreamKind> kinds(const std::string& prefix) {
  std::vector<StreamKind> all;
  for (const auto& name : reactor_names()) {
    const auto make = [name] { return std::make_unique<Fixture>(make_reactor(name)); };
    all.push_back({prefix + name, make, what_needs_resets()});
  }
  return all;
}

class DescriptorStreams : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
};

TEST_P(DescriptorStreams, RefuseWhatIsNoDescriptorAndNoProtocol) {
  EXPECT_THROW(adopt_stream(*reactor_, -1, protocol_), InvalidArgument);
  int ends[2] = {};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_THROW(adopt_pipes(*reactor_, ends[0], ends[1], nullptr), InvalidArgument);
  EXPECT_EQ(::fcntl(ends[0], F_GETFD), -1);
  EXPECT_EQ(::fcntl(ends[1], F_GETFD), -1);
}

TEST_P(DescriptorStreams, RefuseSocketsThatAreNoStreams) {
  for (const int kind : {SOCK_DGRAM, SOCK_SEQPACKET}) {
    int ends[2] = {};
    ASSERT_EQ(::socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, ends), 0);
    EXPECT_THROW(adopt_stream(*reactor_, ends[0], protocol_), InvalidArgument);
    EXPECT_EQ(::fcntl(ends[0], F_GETFD), -1) << "it is closed";
    EXPECT_THROW(adopt_reader(*reactor_, ends[1], protocol_), InvalidArgument);
    EXPECT_EQ(::fcntl(ends[1], F_GETFD), -1) << "it is closed";
  }
  EXPECT_FALSE(protocol_->made());
}

TEST_P(DescriptorStreams, TellTheAddressesOfASocket) {
  int ends[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  adopt_stream(*reactor_, ends[0], protocol_);
  EXPECT_EQ(protocol_->way().host(), Address::unix_socket(""));
  ASSERT_NE(protocol_->way().unix_socket(), nullptr);
  EXPECT_EQ(protocol_->way().unix_socket()->peer_credentials()->process, ::getpid());
  ::close(ends[1]);
  EXPECT_TRUE(spin_reactor_until(*reactor_, [&] { return protocol_->lost(); }));
}

TEST_P(DescriptorStreams, FindAPipeBrokenThatNobodyReads) {
  int there[2] = {};
  int back[2] = {};
  ASSERT_EQ(::pipe2(there, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(back, O_CLOEXEC), 0);
  adopt_pipes(*reactor_, back[0], there[1], protocol_);
  ::close(there[0]);
  // It would end the program by SIGPIPE.
  protocol_->way().write("into the void");
  EXPECT_TRUE(
      spin_reactor_until(*reactor_, [&] { return protocol_->lost_with<ConnectionLost>(); }));
  ::close(back[1]);
}

TEST_P(DescriptorStreams, LeaveAFileThatBothDirectionsShareAsItWas) {
  int ends[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto blocks = [&] { return (::fcntl(ends[0], F_GETFL) & O_NONBLOCK) == 0; };
  adopt_pipes(*reactor_, ::dup(ends[0]), ::dup(ends[0]), protocol_);
  EXPECT_FALSE(blocks());
  protocol_->way().lose_write_connection();
  reactor_->run_once(Duration::zero());
  EXPECT_FALSE(blocks()) << "it is read yet";
  protocol_->way().abort_connection();
  EXPECT_TRUE(spin_reactor_until(*reactor_, [&] { return protocol_->lost(); }));
  EXPECT_TRUE(blocks());
  ::close(ends[0]);
  ::close(ends[1]);
}

class StdioEcho final : public Protocol {
 public:
  explicit StdioEcho(Reactor& reactor) : reactor_(reactor) {}
  void data_received(BytesView data) override { transport().write(data); }
  void connection_lost(const Failure&) override { reactor_.stop(); }

 private:
  Reactor& reactor_;
};

// In a child, whose standard input and output are pipes.
[[noreturn]] void echo_by_stdio(const std::string& reactor_name, int input, int output) {
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::close(input);
  ::close(output);
  {
    const auto reactor = make_reactor(reactor_name);
    reactor->call_when_running(
        [&] { open_stdio(*reactor, std::make_shared<StdioEcho>(*reactor)); });
    reactor->run();
  }
  const bool blocks = (::fcntl(STDIN_FILENO, F_GETFL) & O_NONBLOCK) == 0;
  ::_exit(blocks ? 0 : 1);
}

TEST_P(DescriptorStreams, CarryStandardInputAndOutputAndLeaveThemAsTheyWere) {
  int there[2] = {};
  int back[2] = {};
  ASSERT_EQ(::pipe2(there, O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(back, O_CLOEXEC), 0);
  const auto child = ::fork();
  if (child == 0) {
    ::close(there[1]);
    ::close(back[0]);
    echo_by_stdio(GetParam(), there[0], back[1]);
  }
  ::close(there[0]);
  ::close(back[1]);
  ASSERT_EQ(::write(there[1], "hello", 5), 5);
  ::close(there[1]);
  std::string heard(5, '\0');
  ASSERT_EQ(::read(back[0], heard.data(), heard.size()), 5);
  EXPECT_EQ(heard, "hello");
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  ::close(back[0]);
}

INSTANTIATE_TEST_SUITE_P(Each, DescriptorStreams, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });
INSTANTIATE_TEST_SUITE_P(Unix, StreamConformance, ::testing::ValuesIn(kinds<UnixSockets>("unix_")),
                         stream_kind_name);
INSTANTIATE_TEST_SUITE_P(SocketPair, StreamConformance,
                         ::testing::ValuesIn(kinds<SocketPairs>("socketpair_")), stream_kind_name);
INSTANTIATE_TEST_SUITE_P(Pipe, StreamConformance, ::testing::ValuesIn(kinds<Pipes>("pipe_")),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
