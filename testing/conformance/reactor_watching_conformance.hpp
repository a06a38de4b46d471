// How every reactor watches descriptors of the application.
#pragma once

#include "reactor_suite.hpp"

#include <stdexcept>

namespace weft::testing {

TEST_P(ReactorConformance, WatchCallsEachTimeADescriptorIsReadable) {
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  int calls = 0;
  const auto watch = reactor_->watch(pipe.watched_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  for (int expected = 1; expected <= 3; ++expected) {
    pipe.put();
    ASSERT_TRUE(spin_until([&] { return calls == expected; }));
  }
}

TEST_P(ReactorConformance, WatchCallsAgainForWhatWasNotTaken) {
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  pipe.put();
  pipe.put();
  int calls = 0;
  const auto watch = reactor_->watch(pipe.watched_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  EXPECT_TRUE(spin_until([&] { return calls == 2; }));
}

TEST_P(ReactorConformance, WatchRefusesASecondForTheSameInterestAndKeepsTheFirst) {
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  int calls = 0;
  const auto watch = reactor_->watch(pipe.watched_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  EXPECT_THROW(
      static_cast<void>(reactor_->watch(pipe.watched_end(), Interest::readable, [] { FAIL(); })),
      AlreadyWatchedError);
  pipe.put();
  EXPECT_TRUE(spin_until([&] { return calls == 1; }));
}

TEST_P(ReactorConformance, WatchTakesBothInterestsOfOneDescriptor) {  // 210
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  bool readable = false;
  bool writable = false;
  Watch reading;
  Watch writing;
  reading = reactor_->watch(pipe.watched_end(), Interest::readable, [&] {
    readable = true;
    reading.cancel();
  });
  writing = reactor_->watch(pipe.watched_end(), Interest::writable, [&] {
    writable = true;
    writing.cancel();
  });
  ASSERT_TRUE(spin_until([&] { return writable; }));
  EXPECT_FALSE(readable);
  pipe.put();
  EXPECT_TRUE(spin_until([&] { return readable; }));
}

TEST_P(ReactorConformance, WatchMayBeCancelledInTheOtherDirectionsCallback) {  // 208
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  pipe.put();
  int calls = 0;
  Watch reading;
  Watch writing;
  const auto cancel_both = [&] {
    ++calls;
    reading.cancel();
    writing.cancel();
  };
  reading = reactor_->watch(pipe.watched_end(), Interest::readable, cancel_both);
  writing = reactor_->watch(pipe.watched_end(), Interest::writable, cancel_both);
  ASSERT_TRUE(spin_until([&] { return calls > 0; }));
  spin();
  EXPECT_EQ(calls, 1);
}

TEST_P(ReactorConformance, WatchMayBeCancelledInsideItsCallback) {
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  int calls = 0;
  Watch watch;
  watch = reactor_->watch(pipe.watched_end(), Interest::writable, [&] {
    ++calls;
    watch.cancel();
  });
  ASSERT_TRUE(spin_until([&] { return calls > 0; }));
  spin();
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(watch.active());
}

TEST_P(ReactorConformance, WatchEndsWhenItIsDropped) {
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  pipe.put();
  {
    const auto watch = reactor_->watch(pipe.watched_end(), Interest::readable, [] { FAIL(); });
  }
  spin();
  int calls = 0;
  const auto again = reactor_->watch(pipe.watched_end(), Interest::readable, [&] {
    pipe.take();
    ++calls;
  });
  EXPECT_TRUE(spin_until([&] { return calls == 1; }));
}

TEST_P(ReactorConformance, WatchLogsACallbackThatThrowsAndGoesOn) {
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  const LogCapture log;
  int calls = 0;
  const auto watch = reactor_->watch(pipe.watched_end(), Interest::readable, [&] {
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
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  auto watch = reactor_->watch(pipe.watched_end(), Interest::writable, [] {});
  watch.cancel();
  EXPECT_TRUE(pipe.watched_end_is_open());
  auto kept = reactor_->watch(pipe.watched_end(), Interest::readable, [] {});
  reactor_.reset();
  EXPECT_TRUE(pipe.watched_end_is_open());
}

TEST_P(ReactorConformance, WatchTakesANumberThatBelongsToAnotherByNow) {  // 209
  int calls = 0;
  for (int round = 1; round <= 3; ++round) {
    const auto made = make_descriptors();
    if (made == nullptr) GTEST_SKIP() << no_descriptors;
    const auto& pipe = *made;
    auto watch = reactor_->watch(pipe.watched_end(), Interest::readable, [&] {
      pipe.take();
      ++calls;
    });
    pipe.put();
    ASSERT_TRUE(spin_until([&] { return calls == round; }));
    watch.cancel();
  }
}

TEST_P(ReactorConformance, WatchLeavesItsNumberToAConnectionOnceItHasEnded) {  // 209
  const auto port = listen(server_);
  auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  auto watch = reactor_->watch(made->watched_end(), Interest::readable, [] {});
  spin();
  std::optional<Deferred<std::shared_ptr<Protocol>>> connecting;
  // Before the loop has come round, the next sockets get the numbers of those that close here.
  reactor_->call_later(Duration::zero(), [&] {
    reactor_->call_later(Duration::zero(), [&] {
      watch.cancel();
      made.reset();
    });
    connecting = connect(port, client_);
  });
  ASSERT_TRUE(spin_until([&] { return connecting && connecting->ready(); }));
  EXPECT_EQ(success_result_of(std::move(*connecting)), client_);
  EXPECT_TRUE(spin_until([&] { return server_->made(); }));
}

TEST_P(ReactorConformance, WatchRefusesNoCallback) {
  const auto made = make_descriptors();
  if (made == nullptr) GTEST_SKIP() << no_descriptors;
  const auto& pipe = *made;
  EXPECT_THROW(static_cast<void>(reactor_->watch(pipe.watched_end(), Interest::readable, nullptr)),
               InvalidArgument);
}

}  // namespace weft::testing
