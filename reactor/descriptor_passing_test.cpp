#include "../framework/error.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "../transports/streams.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;
using testing::LogCapture;

// Closes what it took when it goes.
class Taker final : public AccumulatingProtocol, public DescriptorReceiver {
 public:
  ~Taker() override {
    for (const int descriptor : taken)
      ::close(descriptor);
  }
  std::vector<int> taken;
  // How many bytes had been received when each came.
  std::vector<std::size_t> bytes_before;
  std::function<void(Taker&)> on_descriptor;

  void descriptor_received(int descriptor) override {
    taken.push_back(descriptor);
    bytes_before.push_back(data.size());
    if (on_descriptor) on_descriptor(*this);
  }
  [[nodiscard]] DescriptorReceiver* descriptor_receiver() noexcept override { return this; }
};

// Lends its memory, and takes descriptors.
class Lender final : public BufferedProtocol, public DescriptorReceiver {
 public:
  ~Lender() override {
    for (const int descriptor : taken)
      ::close(descriptor);
  }
  std::vector<int> taken;
  std::string data;

  [[nodiscard]] Transport& way() const { return transport(); }
  std::span<std::byte> buffer(std::size_t) override { return memory_; }
  void buffer_updated(std::size_t size) override {
    data.append(reinterpret_cast<const char*>(memory_.data()), size);
  }
  void descriptor_received(int descriptor) override {
    taken.push_back(descriptor);
    transport().pause_producing();
  }
  [[nodiscard]] DescriptorReceiver* descriptor_receiver() noexcept override { return this; }

 private:
  std::array<std::byte, 3> memory_{};
};

// Both ends lead to the same file.
bool same_file(int one, int other) {
  struct stat first {};
  struct stat second {};
  return ::fstat(one, &first) == 0 && ::fstat(other, &second) == 0 &&
         first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

class PassingDescriptors : public ::testing::TestWithParam<std::string> {
 protected:
  PassingDescriptors() {
    EXPECT_EQ(::pipe2(pipe_, O_CLOEXEC), 0);
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_), 0);
  }
  ~PassingDescriptors() override {
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }
  void connect(const std::shared_ptr<Protocol>& receiver) {
    adopt_stream(*reactor_, ends_[0], sender_);
    adopt_stream(*reactor_, ends_[1], receiver);
  }
  void connect() { connect(receiver_); }
  void pass(int descriptor) { sender_->way().unix_socket()->send_descriptor(descriptor); }
  void write(const std::string& text) { sender_->way().write(text); }
  // In one turn, as in a callback.
  void in_a_turn(std::function<void()> body) {
    reactor_->call_later(Duration::zero(), std::move(body));
  }
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  // Whether the pipe's writing end is open somewhere beside here.
  bool pipe_is_written_elsewhere() {
    ::close(pipe_[1]);
    pipe_[1] = -1;
    ::fcntl(pipe_[0], F_SETFL, O_NONBLOCK);
    char byte = 0;
    return ::read(pipe_[0], &byte, 1) != 0;
  }

  int pipe_[2] = {};
  int ends_[2] = {};
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> sender_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<Taker> receiver_ = std::make_shared<Taker>();
};

TEST_P(PassingDescriptors, DeliversEachBeforeTheBytesBehindIt) {
  connect();
  pass(pipe_[0]);
  write("one");
  ASSERT_TRUE(spin_until([&] { return receiver_->data == "one"; }));
  ASSERT_EQ(receiver_->taken.size(), 1U);
  EXPECT_EQ(receiver_->bytes_before[0], 0U);
  EXPECT_TRUE(same_file(receiver_->taken[0], pipe_[0]));
}

TEST_P(PassingDescriptors, GivesACopyThatIsClosedWhenAProgramIsRun) {
  connect();
  pass(pipe_[0]);
  write("x");
  ASSERT_TRUE(spin_until([&] { return !receiver_->taken.empty(); }));
  EXPECT_NE(receiver_->taken[0], pipe_[0]);
  EXPECT_EQ(::fcntl(receiver_->taken[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_NE(::fcntl(pipe_[0], F_GETFD), -1);
}

TEST_P(PassingDescriptors, LetsTheCallerCloseItsOwnAtOnce) {
  connect();
  in_a_turn([&] {
    const int mine = ::dup(pipe_[1]);
    pass(mine);
    ::close(mine);
    write("x");
  });
  ASSERT_TRUE(spin_until([&] { return receiver_->data == "x"; }));
  ASSERT_EQ(receiver_->taken.size(), 1U);
  EXPECT_TRUE(same_file(receiver_->taken[0], pipe_[1]));
}

TEST_P(PassingDescriptors, KeepsTheOrderOfManyWithBytesBetweenThem) {
  connect();
  in_a_turn([&] {
    for (int i = 0; i < 50; ++i) {
      pass(i % 2 == 0 ? pipe_[0] : ends_[0]);
      write("word");
    }
  });
  ASSERT_TRUE(spin_until([&] { return receiver_->data.size() == 200; }));
  ASSERT_EQ(receiver_->taken.size(), 50U);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_TRUE(same_file(receiver_->taken[i], i % 2 == 0 ? pipe_[0] : ends_[0]));
    EXPECT_LE(receiver_->bytes_before[i], 4 * i);
  }
}

TEST_P(PassingDescriptors, PassesAsManyAtOnceAsTheSystemAllowsAndRefusesMore) {
  connect();
  in_a_turn([&] {
    for (int i = 0; i < 253; ++i)
      pass(pipe_[0]);
    EXPECT_THROW(pass(pipe_[0]), QueueOverflow);
    write("x");
  });
  ASSERT_TRUE(spin_until([&] { return receiver_->data == "x"; }));
  EXPECT_EQ(receiver_->taken.size(), 253U);
  pass(pipe_[0]);
  write("y");
  EXPECT_TRUE(spin_until([&] { return receiver_->taken.size() == 254U; }));
}

TEST_P(PassingDescriptors, WaitsBehindBytesThatTheSystemDoesNotTakeYet) {
  connect();
  receiver_->way().pause_producing();
  const std::string much(1'000'000, 'x');
  in_a_turn([&] {
    write(much);
    pass(pipe_[0]);
    write("end");
  });
  ASSERT_TRUE(spin_until([&] { return sender_->way().write_buffer_size() > 0; }));
  receiver_->way().resume_producing();
  ASSERT_TRUE(spin_until([&] { return receiver_->data.size() == much.size() + 3; }));
  ASSERT_EQ(receiver_->taken.size(), 1U);
  EXPECT_LE(receiver_->bytes_before[0], much.size());
}

TEST_P(PassingDescriptors, RefusesWhatIsNone) {
  connect();
  EXPECT_THROW(pass(-1), InvalidArgument);
  EXPECT_TRUE(sender_->way().connected());
}

TEST_P(PassingDescriptors, DropsWithAWordWhatNoBytesCameBehind) {
  const LogCapture log;
  connect();
  pass(pipe_[1]);
  sender_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return sender_->lost() && receiver_->lost(); }));
  EXPECT_TRUE(log.contains("nothing was written behind them"));
  EXPECT_TRUE(receiver_->taken.empty());
  EXPECT_FALSE(pipe_is_written_elsewhere());
}

TEST_P(PassingDescriptors, LeaksNoneWhenItsConnectionIsAborted) {
  connect();
  receiver_->way().pause_producing();
  in_a_turn([&] {
    write(std::string(1'000'000, 'x'));
    pass(pipe_[1]);
    write("end");
    sender_->way().abort_connection();
    pass(pipe_[1]);
  });
  ASSERT_TRUE(spin_until([&] { return sender_->lost(); }));
  EXPECT_FALSE(pipe_is_written_elsewhere());
}

TEST_P(PassingDescriptors, LeaksNoneThatNobodyReads) {
  connect();
  receiver_->way().pause_producing();
  pass(pipe_[1]);
  write("x");
  reactor_->run_once(Duration::zero());
  receiver_->way().abort_connection();
  ASSERT_TRUE(spin_until([&] { return sender_->lost(); }));
  EXPECT_FALSE(pipe_is_written_elsewhere());
}

TEST_P(PassingDescriptors, ClosesWhatNobodyTakesAndSaysSoOnce) {
  const LogCapture log;
  const auto deaf = std::make_shared<AccumulatingProtocol>();
  connect(deaf);
  for (int i = 0; i < 3; ++i) {
    pass(pipe_[1]);
    write("x");
    ASSERT_TRUE(spin_until([&] { return deaf->data.size() == i + 1U; }));
  }
  EXPECT_EQ(log.lines().size(), 1U);
  EXPECT_TRUE(log.contains("nobody takes"));
  EXPECT_FALSE(pipe_is_written_elsewhere());
  EXPECT_TRUE(deaf->way().connected());
}

TEST_P(PassingDescriptors, ClosesWhatComesWhileItCloses) {
  connect();
  receiver_->on_descriptor = [](Taker& self) { self.way().lose_connection(); };
  in_a_turn([&] {
    pass(pipe_[0]);
    pass(pipe_[1]);
    write("x");
  });
  ASSERT_TRUE(spin_until([&] { return receiver_->lost(); }));
  EXPECT_EQ(receiver_->taken.size(), 1U);
  EXPECT_EQ(receiver_->data, "");
  EXPECT_FALSE(pipe_is_written_elsewhere());
}

TEST_P(PassingDescriptors, LosesTheConnectionWhoseReceiverThrows) {
  const LogCapture log;
  connect();
  receiver_->on_descriptor = [](Taker&) { throw std::runtime_error("not that one"); };
  pass(pipe_[0]);
  write("x");
  ASSERT_TRUE(spin_until([&] { return receiver_->lost(); }));
  EXPECT_TRUE(receiver_->lost_with<std::runtime_error>());
  EXPECT_TRUE(log.contains("not that one"));
  EXPECT_EQ(receiver_->data, "");
}

TEST_P(PassingDescriptors, HoldsTheBytesBackWhenADescriptorIsAReasonToPause) {
  connect();
  receiver_->on_descriptor = [](Taker& self) { self.way().pause_producing(); };
  pass(pipe_[0]);
  write("held");
  ASSERT_TRUE(spin_until([&] { return receiver_->taken.size() == 1; }));
  EXPECT_EQ(receiver_->data, "");
  receiver_->way().resume_producing();
  EXPECT_TRUE(spin_until([&] { return receiver_->data == "held"; }));
}

TEST_P(PassingDescriptors, HoldsThemBackFromAProtocolThatLendsItsBufferToo) {
  const auto lender = std::make_shared<Lender>();
  connect(lender);
  pass(pipe_[0]);
  write("held");
  ASSERT_TRUE(spin_until([&] { return lender->taken.size() == 1; }));
  EXPECT_EQ(lender->data, "");
  lender->way().resume_producing();
  EXPECT_TRUE(spin_until([&] { return lender->data == "held"; }));
}

TEST_P(PassingDescriptors, SaysSoWhenThereIsNoRoomForWhatIsPassed) {
  const LogCapture log;
  connect();
  receiver_->way().pause_producing();
  pass(pipe_[0]);
  write("x");
  reactor_->run_once(Duration::zero());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto none = rlimit{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  receiver_->way().resume_producing();
  const bool came = spin_until([&] { return receiver_->data == "x"; });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(came);
  EXPECT_TRUE(receiver_->taken.empty());
  EXPECT_TRUE(log.contains("may have open"));
}

INSTANTIATE_TEST_SUITE_P(Each, PassingDescriptors, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
