#include "../testing/conformance/reactor_suite.hpp"
#include "../testing/conformance/stream_suite.hpp"
#include "make_reactor.hpp"

#include <memory>
#include <stdexcept>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace weft::testing {
namespace {

#ifndef _WIN32

class SocketPair final : public TestDescriptors {
 public:
  SocketPair() {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_) != 0) {
      throw std::runtime_error("no socket pair could be made");
    }
  }
  ~SocketPair() override {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  [[nodiscard]] Descriptor watched_end() const override { return ends_[0]; }
  void put() const override { ASSERT_EQ(::write(ends_[1], "x", 1), 1); }
  void take() const override {
    char byte = 0;
    ASSERT_EQ(::read(ends_[0], &byte, 1), 1);
  }
  [[nodiscard]] bool watched_end_is_open() const override {
    return ::fcntl(ends_[0], F_GETFD) != -1;
  }

 private:
  int ends_[2] = {};
};

std::unique_ptr<TestDescriptors> make_descriptors() {
  return std::make_unique<SocketPair>();
}

#else

constexpr auto make_descriptors = nullptr;

#endif

std::vector<ReactorKind> our_reactors() {
  std::vector<ReactorKind> kinds;
  for (const auto& name : reactor_names()) {
    kinds.push_back({name, [name] { return make_reactor(name); }, make_descriptors, {}});
  }
  return kinds;
}

// What Wine cannot show. It shuts a socket down in order before it closes it, so that a reset may
// be seen as an end; and Windows tells only those of a reset who read.
std::map<std::string, std::string> cannot_be_shown([[maybe_unused]] const std::string& name) {
  std::map<std::string, std::string> skipped;
#ifdef _WIN32
  const std::string reset = "Wine closes in order what should be reset";
  skipped["LosesTheConnectionWhosePauseWritingThrows"] = reset;
  skipped["MayBeAbortedAfterLoseWithAFullBuffer"] = "Windows tells of a reset only who reads";
  if (name == "select") {
    for (const char* const behaviour :
         {"IsLostForTheReasonThatItWasAbortedWith", "LosesOnlyTheConnectionWhoseCallbackThrew",
          "MayBeAbortedInDataReceivedAndThePeerSeesAReset",
          "MayBeAbortedWhilePausedAndInEofReceived", "StopsItsProducerWhenThePeerResets"}) {
      skipped[behaviour] = reset;
    }
    skipped["ReportsAResetWhilePaused"] = "Windows tells of a reset only who reads";
  }
#endif
  return skipped;
}

std::vector<StreamKind> our_streams() {
  std::vector<StreamKind> kinds;
  for (const auto& name : reactor_names()) {
    const auto make = [name] { return std::make_unique<ReactorStreamFixture>(make_reactor(name)); };
    kinds.push_back({"tcp_" + name, make, cannot_be_shown(name)});
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Reactors, ReactorConformance, ::testing::ValuesIn(our_reactors()),
                         reactor_kind_name);
INSTANTIATE_TEST_SUITE_P(Tcp, StreamConformance, ::testing::ValuesIn(our_streams()),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
