// How every reactor watches descriptors of the application.
#pragma once

#include "reactor_suite.hpp"

#include <array>
#include <stdexcept>

#ifndef _WIN32
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

namespace weft::testing {

#ifndef _WIN32

/// A pipe that is closed with its object.
class TestPipe {
 public:
  TestPipe() {
    if (::pipe(ends_.data()) != 0) throw std::runtime_error("no pipe");
  }
  ~TestPipe() {
    for (const int end : ends_)
      ::close(end);
  }
  TestPipe(const TestPipe&) = delete;
  TestPipe& operator=(const TestPipe&) = delete;

  [[nodiscard]] int read_end() const { return ends_[0]; }
  [[nodiscard]] int write_end() const { return ends_[1]; }
  void put() const {
    const char byte = 'x';
    ASSERT_EQ(::write(write_end(), &byte, 1), 1);
  }
  void take() const {
    char byte = 0;
    ASSERT_EQ(::read(read_end(), &byte, 1), 1);
  }

 private:
  std::array<int, 2> ends_{};
};

TEST_P(ReactorConformance, WatchCallsEachTimeADescriptorIsReadable) {
  const TestPipe pipe;
  int calls = 0;
  const auto watch = reactor_->watch(pipe.read_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  for (int expected = 1; expected <= 3; ++expected) {
    pipe.put();
    ASSERT_TRUE(spin_until([&] { return calls == expected; }));
  }
}

TEST_P(ReactorConformance, WatchCallsAgainForWhatWasNotTaken) {
  const TestPipe pipe;
  pipe.put();
  pipe.put();
  int calls = 0;
  const auto watch = reactor_->watch(pipe.read_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  EXPECT_TRUE(spin_until([&] { return calls == 2; }));
}

TEST_P(ReactorConformance, WatchRefusesASecondForTheSameInterestAndKeepsTheFirst) {
  const TestPipe pipe;
  int calls = 0;
  const auto watch = reactor_->watch(pipe.read_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  EXPECT_THROW(
      static_cast<void>(reactor_->watch(pipe.read_end(), Interest::readable, [] { FAIL(); })),
      AlreadyWatchedError);
  pipe.put();
  EXPECT_TRUE(spin_until([&] { return calls == 1; }));
}

TEST_P(ReactorConformance, WatchTakesBothInterestsOfOneDescriptor) {  // 210
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  {
    bool readable = false;
    bool writable = false;
    Watch reading;
    Watch writing;
    reading = reactor_->watch(pair[0], Interest::readable, [&] {
      readable = true;
      reading.cancel();
    });
    // In the other direction's callback, the first is taken away.
    writing = reactor_->watch(pair[0], Interest::writable, [&] {
      writable = true;
      writing.cancel();
    });
    ASSERT_TRUE(spin_until([&] { return writable; }));
    EXPECT_FALSE(readable);
    ASSERT_EQ(::write(pair[1], "x", 1), 1);
    EXPECT_TRUE(spin_until([&] { return readable; }));
  }
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_P(ReactorConformance, WatchMayBeCancelledInTheOtherDirectionsCallback) {  // 208
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  ASSERT_EQ(::write(pair[1], "x", 1), 1);
  {
    int calls = 0;
    Watch reading;
    Watch writing;
    const auto cancel_both = [&] {
      ++calls;
      reading.cancel();
      writing.cancel();
    };
    reading = reactor_->watch(pair[0], Interest::readable, cancel_both);
    writing = reactor_->watch(pair[0], Interest::writable, cancel_both);
    ASSERT_TRUE(spin_until([&] { return calls > 0; }));
    spin();
    EXPECT_EQ(calls, 1);
  }
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_P(ReactorConformance, WatchMayBeCancelledInsideItsCallback) {
  const TestPipe pipe;
  int calls = 0;
  Watch watch;
  watch = reactor_->watch(pipe.write_end(), Interest::writable, [&] {
    ++calls;
    watch.cancel();
  });
  ASSERT_TRUE(spin_until([&] { return calls > 0; }));
  spin();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(watch.active());
}

TEST_P(ReactorConformance, WatchEndsWhenItIsDropped) {
  const TestPipe pipe;
  pipe.put();
  {
    const auto watch = reactor_->watch(pipe.read_end(), Interest::readable, [] { FAIL(); });
  }
  spin();
  int calls = 0;
  const auto again = reactor_->watch(pipe.read_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  EXPECT_TRUE(spin_until([&] { return calls == 1; }));
}

TEST_P(ReactorConformance, WatchLogsACallbackThatThrowsAndGoesOn) {
  const LogCapture log;
  const TestPipe pipe;
  int calls = 0;
  const auto watch = reactor_->watch(pipe.read_end(), Interest::readable, [&] {
    pipe.take();
    if (++calls == 1) throw std::runtime_error("in a watch");
  });
  pipe.put();
  ASSERT_TRUE(spin_until([&] { return calls == 1; }));
  EXPECT_TRUE(log.contains("in a watch"));
  pipe.put();
  EXPECT_TRUE(spin_until([&] { return calls == 2; }));
}

TEST_P(ReactorConformance, WatchLeavesItsDescriptorOpen) {
  const TestPipe pipe;
  auto watch = reactor_->watch(pipe.write_end(), Interest::writable, [] {});
  watch.cancel();
  EXPECT_NE(::fcntl(pipe.write_end(), F_GETFD), -1);
  auto kept = reactor_->watch(pipe.read_end(), Interest::readable, [] {});
  reactor_.reset();
  EXPECT_NE(::fcntl(pipe.read_end(), F_GETFD), -1);
}

TEST_P(ReactorConformance, WatchTakesANumberThatBelongsToAnotherByNow) {  // 209
  int calls = 0;
  for (int round = 1; round <= 3; ++round) {
    const TestPipe pipe;
    auto watch = reactor_->watch(pipe.read_end(), Interest::readable, [&] {
      pipe.take();
      ++calls;
    });
    pipe.put();
    ASSERT_TRUE(spin_until([&] { return calls == round; }));
    watch.cancel();
  }
}

TEST_P(ReactorConformance, WatchRefusesNoCallback) {
  const TestPipe pipe;
  EXPECT_THROW(static_cast<void>(reactor_->watch(pipe.read_end(), Interest::readable, nullptr)),
               InvalidArgument);
}

#else

TEST_P(ReactorConformance, WatchSaysThatWindowsHasNoDescriptors) {
  EXPECT_THROW(static_cast<void>(reactor_->watch(3, Interest::readable, [] {})),
               NotSupportedOnThisPlatform);
}

#endif

}  // namespace weft::testing
