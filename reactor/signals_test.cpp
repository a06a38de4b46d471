#include "signals.hpp"

#include "../framework/error.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace weft {
namespace {

using testing::spin_reactor_until;

class Signals : public ::testing::TestWithParam<std::string> {
 protected:
  bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
};

TEST_P(Signals, CallBackInTheLoopOnceForEachThatComes) {
  int heard = 0;
  // [on_signal]
  const auto watch = on_signal(*reactor_, SIGUSR1, [&] {
    EXPECT_EQ(&Reactor::current(), reactor_.get());
    ++heard;
  });
  // [on_signal]
  std::raise(SIGUSR1);
  std::raise(SIGUSR1);
  EXPECT_EQ(heard, 0);
  EXPECT_TRUE(spin_until([&] { return heard == 2; }));
  EXPECT_TRUE(watch.active());
}

TEST_P(Signals, OfTwoKindsAreToldApart) {
  std::string heard;
  const auto hang_up = on_signal(*reactor_, SIGHUP, [&] { heard += "hup "; });
  const auto user = on_signal(*reactor_, SIGUSR1, [&] { heard += "usr1 "; });
  std::raise(SIGUSR1);
  EXPECT_TRUE(spin_until([&] { return heard == "usr1 "; }));
  std::raise(SIGHUP);
  EXPECT_TRUE(spin_until([&] { return heard == "usr1 hup "; }));
}

volatile std::sig_atomic_t heard_by_the_former = 0;

TEST_P(Signals, GoBackToWhoHadThemWhenTheWatchEnds) {
  heard_by_the_former = 0;
  std::signal(SIGUSR1, [](int) { heard_by_the_former = heard_by_the_former + 1; });
  int heard = 0;
  auto watch = on_signal(*reactor_, SIGUSR1, [&] { ++heard; });
  std::raise(SIGUSR1);
  EXPECT_TRUE(spin_until([&] { return heard == 1; }));
  watch.cancel();
  EXPECT_FALSE(watch.active());
  std::raise(SIGUSR1);
  std::signal(SIGUSR1, SIG_DFL);
  EXPECT_EQ(heard_by_the_former, 1);
  EXPECT_EQ(heard, 1);
}

TEST_P(Signals, StayWithWhoTookThemFromAWatch) {
  auto watch = on_signal(*reactor_, SIGUSR1, [] {});
  std::signal(SIGUSR1, SIG_IGN);
  watch.cancel();
  EXPECT_EQ(std::signal(SIGUSR1, SIG_DFL), SIG_IGN);
}

TEST_P(Signals, AreWatchedByOneAtATime) {
  auto watch = on_signal(*reactor_, SIGUSR1, [] {});
  EXPECT_THROW(static_cast<void>(on_signal(*reactor_, SIGUSR1, [] {})), AlreadyWatchedError);
  watch.cancel();
  const auto next = on_signal(*reactor_, SIGUSR1, [] {});
  EXPECT_TRUE(next.active());
}

TEST_P(Signals, ThatCannotBeCaughtAreRefused) {
  for (const int signal : {SIGKILL, SIGSTOP, SIGSEGV, 0, -1, 100'000})
    EXPECT_THROW(static_cast<void>(on_signal(*reactor_, signal, [] {})), InvalidArgument);
  EXPECT_THROW(static_cast<void>(on_signal(*reactor_, SIGUSR1, Callback())), InvalidArgument);
}

TEST_P(Signals, AreStillHeardAfterACallbackThrew) {
  const testing::LogCapture log;
  int heard = 0;
  const auto watch = on_signal(*reactor_, SIGUSR1, [&] {
    ++heard;
    throw std::runtime_error("clumsy");
  });
  std::raise(SIGUSR1);
  std::raise(SIGUSR1);
  EXPECT_TRUE(spin_until([&] { return heard == 2; }));
  EXPECT_TRUE(log.contains("A signal's callback threw: clumsy"));
}

TEST_P(Signals, MayCancelTheirWatchAndAreHeardNoMore) {
  int heard = 0;
  Watch watch;
  watch = on_signal(*reactor_, SIGUSR1, [&] {
    ++heard;
    watch.cancel();
  });
  std::raise(SIGUSR1);
  std::raise(SIGUSR1);
  EXPECT_TRUE(spin_until([&] { return heard > 0; }));
  for (int round = 0; round < 5; ++round)
    reactor_->run_once(Duration::zero());
  EXPECT_EQ(heard, 1);
}

TEST_P(Signals, OfTheReactorAreItsOwnWhileItRuns) {
  bool refused = false;
  reactor_->call_when_running([&] {
    try {
      static_cast<void>(on_signal(*reactor_, SIGTERM, [] {}));
    } catch (const AlreadyWatchedError&) {
      refused = true;
    }
    reactor_->stop();
  });
  reactor_->run();
  EXPECT_TRUE(refused);
}

TEST_P(Signals, WatchedBeforeTheReactorRunsDoNotStopIt) {
  bool stopped = false;
  const auto watch = on_signal(*reactor_, SIGTERM, [&] {
    stopped = true;
    reactor_->stop();
  });
  reactor_->call_when_running([] { std::raise(SIGTERM); });
  reactor_->run();
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(watch.active());
}

TEST_P(Signals, OutliveTheirReactorWithoutHarm) {
  int heard = 0;
  auto watch = on_signal(*reactor_, SIGUSR1, [&] { ++heard; });
  reactor_.reset();
  std::raise(SIGUSR1);
  watch.cancel();
  EXPECT_EQ(heard, 0);
}

INSTANTIATE_TEST_SUITE_P(AllReactors, Signals, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft
