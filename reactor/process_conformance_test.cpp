#include "../testing/conformance/stream_suite.hpp"
#include "../transports/process_stream.hpp"
#include "../transports/streams.hpp"
#include "process_test.hpp"
#include "without_half_close_test.hpp"
#include "without_resets_test.hpp"

#include <array>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace weft::testing {
namespace {

// The two descriptors that somebody passes.
std::array<int, 2> receive_two(int socket) {
  std::array<int, 2> left{-1, -1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof left)] = {};
  char byte = 0;
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (::recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == nullptr) {
    throw std::runtime_error("the child left nothing");
  }
  std::memcpy(left.data(), CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof left);
  return left;
}

// The client talks to a child, which has left its standard input and output to the server.
class LeftByAChild final : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    int ends[2] = {};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::runtime_error("no pair of sockets could be made");
    }
    auto options = child_that({"lend"});
    options.descriptors.emplace(3, ChildDescriptor::descriptor(ends[1]));
    spawn_stream(reactor(), options, std::move(client));
    ::close(ends[1]);
    const auto left = receive_two(ends[0]);
    // Until the child is gone it has them too.
    char nothing = 0;
    static_cast<void>(::recv(ends[0], &nothing, 1, 0));
    ::close(ends[0]);
    adopt_pipes(reactor(), left[0], left[1], std::move(server));
  }
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 4'000'000; }
};

std::vector<StreamKind> children() {
  std::vector<StreamKind> all;
  for (const auto& name : reactor_names()) {
    all.push_back({"child_" + name,
                   [name] { return std::make_unique<LeftByAChild>(make_reactor(name)); },
                   what_needs_resets()});
  }
  return all;
}

// The two sides of a terminal that passes bytes on as they are.
class RawTerminals final : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios settings{};
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0) {
      throw std::runtime_error("no terminal could be made");
    }
    const int slave = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    ::tcgetattr(slave, &settings);
    ::cfmakeraw(&settings);
    ::tcsetattr(slave, TCSANOW, &settings);
    adopt_stream(reactor(), master, std::move(server));
    adopt_stream(reactor(), slave, std::move(client));
  }
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 1'000'000; }
};

std::vector<StreamKind> terminals() {
  auto skipped = what_needs_resets();
  skip_half_closes(skipped, "a terminal cannot end one direction alone");
  for (const char* const behaviour :
       {"DoesNotResetAwayItsLastOutputWhenInputIsUnread", "MayBeLostInConnectionMade"}) {
    skipped[behaviour] = "a terminal that is closed drops what was not read";
  }
  std::vector<StreamKind> all;
  for (const auto& name : reactor_names()) {
    all.push_back({"terminal_" + name,
                   [name] { return std::make_unique<RawTerminals>(make_reactor(name)); }, skipped});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Terminal, StreamConformance, ::testing::ValuesIn(terminals()),
                         stream_kind_name);
INSTANTIATE_TEST_SUITE_P(Child, StreamConformance, ::testing::ValuesIn(children()),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
