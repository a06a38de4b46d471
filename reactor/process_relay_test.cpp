#include "../testing/conformance/stream_suite.hpp"
#include "../transports/detail/pipe_pair.hpp"
#include "../transports/process_stream.hpp"
#include "../transports/streams.hpp"
#include "pipe_ends_test.hpp"
#include "process_test.hpp"
#include "without_resets_test.hpp"

#include <cstddef>
#include <cstdint>
#include <io.h>
#include <memory>
#include <utility>
#include <vector>

namespace weft::testing {
namespace {

using weft::detail::overlapped_pipe_pair;
using weft::detail::OwnedHandle;
using weft::detail::PipeFlow;

// A number of ours for a handle, as a child is given what it shall have.
class NumberFor {
 public:
  explicit NumberFor(OwnedHandle handle)
      : number_(::_open_osfhandle(reinterpret_cast<std::intptr_t>(handle.release()), 0)) {}
  ~NumberFor() { ::_close(number_); }
  NumberFor(const NumberFor&) = delete;
  NumberFor& operator=(const NumberFor&) = delete;
  [[nodiscard]] ChildDescriptor passed() const { return ChildDescriptor::descriptor(number_); }

 private:
  int number_;
};

// The client talks to a child, which passes on to the server what it reads, and back what that
// says. What a child has of its pipes waits where it reads, so that no loop could have it instead.
//
// All of it goes through pipes, since Wine (8.0, and later ones by their source) forgets a socket
// of a program that is killed between the two steps in which it sends: it stays open for ever, and
// so does the connection. `send_socket` in its server/sock.c holds the socket until a callback
// tells that the send is over; `async_destroy` in server/async.c does not make that call. Half of
// all programs that are killed while they send leave such a socket.
class RelayedByAChild final : public ReactorStreamFixture {
 public:
  using ReactorStreamFixture::ReactorStreamFixture;
  void connect(std::shared_ptr<Protocol> client, std::shared_ptr<Protocol> server) override {
    auto there = overlapped_pipe_pair(PipeFlow::to_us);
    auto back = overlapped_pipe_pair(PipeFlow::from_us);
    {
      const NumberFor childs_input(std::move(back.theirs));
      const NumberFor childs_output(std::move(there.theirs));
      auto options = child_that({"relay"});
      options.descriptors.insert_or_assign(2, ChildDescriptor::null());
      options.descriptors.insert_or_assign(3, childs_input.passed());
      options.descriptors.insert_or_assign(4, childs_output.passed());
      spawn_stream(reactor(), options, std::move(client));
    }
    adopt_pipes(reactor(), given(std::move(there.ours)), given(std::move(back.ours)),
                std::move(server));
  }
  [[nodiscard]] std::size_t more_than_buffers_take() const override { return 4'000'000; }
};

std::vector<StreamKind> relays() {
  auto skipped = what_needs_resets();
  skipped["GivesEachEndTheOthersAddressAndKeepsItAfterTheClose"] = "the child is in between";
  skipped["SurvivesWritesToAPeerThatIsGone"] = "a pipe tells the child of an end, not of an abort";
  skipped["MayBeLostAfterAHalfClose"] = "the child stays as long as the server, or its grace";
  std::vector<StreamKind> all;
  for (const auto& name : reactors_with_processes()) {
    all.push_back({"child_" + name,
                   [name] { return std::make_unique<RelayedByAChild>(make_reactor(name)); },
                   skipped});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Child, StreamConformance, ::testing::ValuesIn(relays()), stream_kind_name);

}  // namespace
}  // namespace weft::testing
