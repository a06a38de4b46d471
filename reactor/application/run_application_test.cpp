#include "run_application.hpp"

#include "../../testing/accumulating_protocol.hpp"
#include "../process_test.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::AccumulatingProtocol;
using testing::child_that;
using testing::NotingProcess;

// Plays systemd: a real socket that is told.
class Listener {
 public:
  explicit Listener(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = offsetof(sockaddr_un, sun_path) + name.size();
    EXPECT_EQ(::bind(socket_, reinterpret_cast<const sockaddr*>(&address),
                     static_cast<socklen_t>(length)),
              0);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // Everything that was told so far, one datagram an element.
  const std::vector<std::string>& told() {
    char text[4096];
    for (;;) {
      const auto count = ::recv(socket_, text, sizeof text, MSG_DONTWAIT);
      if (count < 0) return told_;
      told_.emplace_back(text, static_cast<std::size_t>(count));
    }
  }
  bool heard(const std::string& beginning) {
    for (const auto& one : told()) {
      if (one.starts_with(beginning)) return true;
    }
    return false;
  }
  void forget() {
    told();
    told_.clear();
  }

 private:
  int socket_;
  std::vector<std::string> told_;
};

class Applications : public testing::Processes {
 protected:
  Applications() {
    // Who watches is always the same: what differs is the child's doing.
    reactor_ = make_reactor("epoll");
    std::string name = std::filesystem::temp_directory_path() / "weft_application_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    // A thousand connections take more than the thousand descriptors that are usual.
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~Applications() override { std::filesystem::remove_all(folder_); }

  // The child, with that reactor and those flags.
  std::shared_ptr<NotingProcess> run(std::vector<std::string> flags) {
    flags.push_back("--reactor=" + GetParam());
    auto options = child_that(std::move(flags));
    options.environment = environment_;
    return spawn(options);
  }
  // The same, and it has started.
  std::shared_ptr<NotingProcess> started(std::vector<std::string> flags) {
    auto child = run(std::move(flags));
    EXPECT_TRUE(says(child, "port ")) << child->said[2];
    return child;
  }
  static Port port_of(NotingProcess& child) {
    const auto& said = child.said[1];
    return static_cast<Port>(std::stoi(said.substr(said.find("port ") + 5)));
  }
  void send(const std::shared_ptr<NotingProcess>& child, int signal) {
    child->child().signal_process(signal);
  }
  // What it exits with once it gets that; -1 when it does not exit by itself.
  int exit_after(const std::shared_ptr<NotingProcess>& child, int signal) {
    send(child, signal);
    return exit_of(child);
  }
  int exit_of(const std::shared_ptr<NotingProcess>& child) {
    EXPECT_TRUE(ends(child));
    return child->end ? child->end->exit_code().value_or(-1) : -2;
  }
  std::vector<std::shared_ptr<AccumulatingProtocol>> connect(NotingProcess& child, int count) {
    std::vector<std::shared_ptr<AccumulatingProtocol>> peers;
    std::size_t made = 0;
    for (int i = 0; i < count; ++i) {
      auto peer = peers.emplace_back(std::make_shared<AccumulatingProtocol>());
      peer->on_made = [](auto& self) { self.way().write("hello"); };
      peer->on_data = [&made](auto& self, BytesView) {
        if (self.data.size() == 5) ++made;
      };
      static_cast<void>(reactor_->connect_tcp("127.0.0.1", port_of(child),
                                              factory_from([peer] { return peer; })));
      // Fewer at a time than wait to be accepted.
      if (i % 100 == 99) {
        EXPECT_TRUE(spin_until([&] { return made == peers.size(); }));
      }
    }
    EXPECT_TRUE(spin_until([&] { return made == peers.size(); }));
    for (const auto& peer : peers)
      peer->on_data = nullptr;
    return peers;
  }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  static std::string text_of(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::string folder_;
  std::map<std::string, std::string> environment_{{"PATH", "/usr/bin:/bin"}};
};

// What the issue asks to be shown: some read nothing of what is written to them, the rest is idle.
TEST_P(Applications, WithAThousandConnectionsEndInOrderAtASignal) {
  auto child = started({"--drain=50ms", "--stop-deadline=20", "--flood"});
  auto peers = connect(*child, 1000);
  for (std::size_t i = 0; i < 10; ++i) {
    peers[i]->way().pause_producing();
    peers[i]->way().write("flood");
  }
  EXPECT_TRUE(spin_until([&] { return peers[9]->way().write_buffer_size() == 0; }));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order) << child->said[2];
  EXPECT_TRUE(spin_until([&] {
    return std::all_of(peers.begin() + 10, peers.end(),
                       [](const auto& one) { return one->lost(); });
  }));
  for (std::size_t i = 10; i < peers.size(); ++i)
    EXPECT_TRUE(peers[i]->lost_with<ConnectionDone>()) << i;
  for (std::size_t i = 0; i < 10; ++i)
    peers[i]->way().abort_connection();
}

TEST_P(Applications, CutTheirConnectionsBeforeTheDeadlineOfTheStop) {
  auto child = started({"--drain=1h", "--stop-deadline=600ms", "--flood"});
  auto peers = connect(*child, 2);
  peers[0]->way().pause_producing();
  peers[0]->way().write("flood");
  ASSERT_TRUE(spin_until([&] { return peers[0]->way().write_buffer_size() == 0; }));
  // It has got the flood's order before it gets the signal.
  peers[1]->way().write("after");
  ASSERT_TRUE(spin_until([&] { return peers[1]->data == "helloafter"; }));
  EXPECT_EQ(exit_after(child, SIGINT), stopped_in_order);
  EXPECT_THAT(child->said[2], ::testing::HasSubstr("what is left is cut"));
  peers[0]->way().abort_connection();
}

TEST_P(Applications, EndAtOnceAtASecondSignal) {
  auto child = started({"--stubborn", "--stop-deadline=1h"});
  auto peers = connect(*child, 1);
  send(child, SIGTERM);
  ASSERT_TRUE(says(child, "stopping"));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_out_of_order);
}

TEST_P(Applications, EndAtFurtherSignalsWhateverTheLoopIsStuckIn) {
  auto child = started({"--reload=well", "--stuck"});
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading"));
  // Two that come together count as one, so it may take more than three.
  EXPECT_TRUE(spin_until([&] {
    if (!child->child().status()) send(child, SIGTERM);
    return child->end.has_value();
  }));
  EXPECT_EQ(child->end->signal(), SIGTERM);
}

TEST_P(Applications, TellByTheirStatusThatTheDeadlineOfTheStopCame) {
  auto child = started({"--stubborn", "--stop-deadline=50ms"});
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_out_of_order);
}

TEST_P(Applications, TellByTheirStatusThatTheirServicesWereNeverStopped) {
  // The deadline comes before the stop begins.
  auto hurried = started({"--stop-deadline=0"});
  EXPECT_EQ(exit_after(hurried, SIGTERM), stopped_out_of_order);
  EXPECT_THAT(hurried->said[1], ::testing::Not(::testing::HasSubstr("stopping")));
  // Both signals come while the loop does not turn.
  auto child = started({"--reload=twice"});
  EXPECT_EQ(exit_after(child, SIGHUP), stopped_out_of_order);
  EXPECT_THAT(child->said[1], ::testing::Not(::testing::HasSubstr("stopping")));
}

TEST_P(Applications, TellWhichServiceDidNotStart) {
  auto child = run({"--fail"});
  EXPECT_EQ(exit_of(child), not_started);
  EXPECT_THAT(child->said[2],
              ::testing::HasSubstr(": The service \"telling\" did not start: no paper\n"));
}

TEST_P(Applications, TellOfAPortThatIsTakenAndOfAnEndpointThatIsNone) {
  auto child = started({});
  auto second = run({"--listen=tcp:" + std::to_string(port_of(*child)) + ":interface=127.0.0.1"});
  EXPECT_EQ(exit_of(second), not_started);
  EXPECT_THAT(second->said[2], ::testing::HasSubstr("The service \"web\" did not start: "));
  auto third = run({"--listen=tpc:80"});
  EXPECT_EQ(exit_of(third), not_started);
  EXPECT_THAT(third->said[2], ::testing::HasSubstr("^"));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
}

TEST_P(Applications, StoppedWhileTheyStartEndInOrder) {
  auto child = run({"--slow-start"});
  ASSERT_TRUE(says(child, "started as "));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
  EXPECT_THAT(child->said[2], ::testing::Not(::testing::HasSubstr("did not start")));
}

TEST_P(Applications, RefuseFlagsThatTheyDoNotKnow) {
  auto child = run({"--no-such-flag"});
  EXPECT_EQ(exit_of(child), wrong_flags);
  EXPECT_THAT(child->said[2], ::testing::HasSubstr("There is no flag --no-such-flag"));
  EXPECT_EQ(exit_of(run({"--stop-deadline=soon"})), wrong_flags);
  EXPECT_EQ(exit_of(run({"--log-level=loud"})), wrong_flags);
}

TEST_P(Applications, ListTheirFlags) {
  auto child = run({"--help"});
  EXPECT_EQ(exit_of(child), 0);
  EXPECT_THAT(child->said[1], ::testing::HasSubstr("--listen=ENDPOINT"));
  EXPECT_THAT(child->said[1], ::testing::HasSubstr("--pid-file=PATH"));
}

TEST_P(Applications, RunOnTheReactorThatTheyAreTold) {
  auto child = started({});
  EXPECT_THAT(child->said[1], ::testing::HasSubstr(" on " + GetParam()));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
}

TEST_P(Applications, ReloadAtAHangUpAndRunOn) {
  auto child = started({"--reload=throw"});
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading\n"));
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading\nreloading\n"));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
  EXPECT_THAT(child->said[2], ::testing::HasSubstr("A reload failed: std::runtime_error: clumsy"));
}

TEST_P(Applications, ReloadWhatTheirServicesRegisterWhenTheyStart) {
  auto child = started({"--reload-late=well"});
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading late\n"));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
}

TEST_P(Applications, MayRegisterMoreReloadsInAReload) {
  auto child = started({"--reload-late=more"});
  send(child, SIGHUP);
  const std::string own(60, 'y');
  ASSERT_TRUE(says(child, "reloading " + own + "\nsecond " + own + "\n")) << child->said[1];
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
}

TEST_P(Applications, KeepWhatAReloadUsesUntilItHasEnded) {
  auto child = started({"--reload-late=never"});
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading\n"));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
  EXPECT_THAT(child->said[1], ::testing::HasSubstr("cut short: " + std::string(60, 'y')));
}

TEST_P(Applications, WriteTheirLogAnewThoughAReloadNeverEnds) {
  const auto log = path("log");
  auto child = started({"--reload-late=never", "--log-file", log});
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading\n"));
  std::filesystem::rename(log, log + ".1");
  send(child, SIGHUP);
  EXPECT_TRUE(spin_until([&] { return std::filesystem::exists(log); }));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
}

TEST_P(Applications, ExitWithTheStatusThatTheyChoose) {
  auto child = started({"--reload=exit"});
  EXPECT_EQ(exit_after(child, SIGHUP), 42);
}

TEST_P(Applications, WriteTheirLogAnewWhereItWasMovedAway) {
  const auto log = path("log");
  auto child = started({"--reload=well", "--log-file", log, "--log-level", "debug"});
  ASSERT_TRUE(spin_until([&] { return text_of(log).find("Started") != std::string::npos; }));
  std::filesystem::rename(log, log + ".1");
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading"));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
  EXPECT_THAT(text_of(log), ::testing::HasSubstr("[weft] [info] child: reloading\n"));
  EXPECT_THAT(text_of(log), ::testing::HasSubstr("application: Stopping\n"));
  EXPECT_EQ(child->said[2], "");
}

TEST_P(Applications, TakeTheirLogFromTheEnvironment) {
  const auto log = path("log");
  environment_["WEFT_LOG"] = "warning";
  environment_["WEFT_LOG_FILE"] = log;
  EXPECT_EQ(exit_after(started({}), SIGTERM), stopped_in_order);
  EXPECT_EQ(text_of(log), "");
  EXPECT_EQ(exit_after(started({"--log-level=info"}), SIGTERM), stopped_in_order);
  EXPECT_THAT(text_of(log), ::testing::HasSubstr("Started"));
  environment_["WEFT_LOG"] = "loud";
  EXPECT_EQ(exit_of(run({})), not_started);
}

TEST_P(Applications, KeepASecondOneOutByTheirPidFile) {
  const auto pid_file = path("pid");
  auto child = started({"--pid-file=" + pid_file});
  const auto pid = std::to_string(child->child().pid());
  EXPECT_EQ(text_of(pid_file), pid + "\n");
  auto second = run({"--pid-file=" + pid_file});
  EXPECT_EQ(exit_of(second), not_started);
  EXPECT_THAT(second->said[2], ::testing::HasSubstr("is held by process " + pid));
  send(child, SIGKILL);
  ASSERT_TRUE(ends(child));
  EXPECT_EQ(text_of(pid_file), pid + "\n");
  auto third = started({"--pid-file=" + pid_file});
  EXPECT_EQ(text_of(pid_file), std::to_string(third->child().pid()) + "\n");
  EXPECT_EQ(exit_after(third, SIGTERM), stopped_in_order);
  EXPECT_FALSE(std::filesystem::exists(pid_file));
}

TEST_P(Applications, BecomeAnotherUserOnceTheirPortsAreBound) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  const auto pid_file = path("pid");
  auto child = started(
      {"--user=65534", "--group=65533", "--pid-file=" + pid_file, "--log-file=" + path("log")});
  EXPECT_THAT(child->said[1], ::testing::HasSubstr("prepared as 0\nstarted as 65534\n"));
  const auto status = text_of("/proc/" + std::to_string(child->child().pid()) + "/status");
  EXPECT_THAT(status, ::testing::HasSubstr("Uid:\t65534\t65534\t65534\t65534\n"));
  EXPECT_THAT(status, ::testing::HasSubstr("Gid:\t65533\t65533\t65533\t65533\n"));
  EXPECT_THAT(status, ::testing::HasSubstr("CapEff:\t0000000000000000\n"));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
  // It may not remove what is root's, and empties it.
  EXPECT_EQ(text_of(pid_file), "");
}

TEST_P(Applications, RefuseAUserThatThereIsNone) {
  auto child = run({"--user=no-such-user"});
  EXPECT_EQ(exit_of(child), not_started);
  EXPECT_THAT(child->said[2], ::testing::HasSubstr("There is no user \"no-such-user\" here"));
}

TEST_P(Applications, TellSystemdThatTheyAreReadyReloadAndStop) {
  for (const auto& name : {path("notify"), "@weft/" + path("notify")}) {
    Listener systemd(name);
    environment_["NOTIFY_SOCKET"] = name;
    auto child = started({"--reload=well"});
    EXPECT_TRUE(spin_until([&] { return systemd.heard("READY=1"); }));
    EXPECT_EQ(systemd.told(), (std::vector<std::string>{"STATUS=all is well", "READY=1"}));
    EXPECT_THAT(child->said[1], ::testing::HasSubstr("keeps it to itself"));
    systemd.forget();
    send(child, SIGHUP);
    EXPECT_TRUE(spin_until([&] { return systemd.heard("READY=1"); }));
    EXPECT_THAT(systemd.told()[0], ::testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
    systemd.forget();
    EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
    EXPECT_EQ(systemd.told(), std::vector<std::string>{"STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000"});
  }
}

TEST_P(Applications, GiveSignsOfLifeUntilTheirLoopIsStuck) {
  Listener systemd("@weft/" + path("notify"));
  environment_["NOTIFY_SOCKET"] = "@weft/" + path("notify");
  environment_["WATCHDOG_USEC"] = "20000";
  auto child = started({"--reload=well", "--stuck"});
  EXPECT_TRUE(spin_until([&] {
    const auto& told = systemd.told();
    return std::count(told.begin(), told.end(), "WATCHDOG=1") >= 3;
  }));
  send(child, SIGHUP);
  ASSERT_TRUE(says(child, "reloading"));
  systemd.forget();
  bool waited = false;
  reactor_->call_later(60ms, [&] { waited = true; });
  EXPECT_TRUE(spin_until([&] { return waited; }));
  EXPECT_FALSE(systemd.heard("WATCHDOG=1"));
  child->child().write("\n");
  EXPECT_TRUE(spin_until([&] { return systemd.heard("WATCHDOG=1"); }));
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
}

TEST_P(Applications, GiveNoSignsOfLifeForAnotherProcess) {
  Listener systemd("@weft/" + path("notify"));
  environment_["NOTIFY_SOCKET"] = "@weft/" + path("notify");
  environment_["WATCHDOG_USEC"] = "1000";
  environment_["WATCHDOG_PID"] = "1";
  auto child = started({});
  EXPECT_EQ(exit_after(child, SIGTERM), stopped_in_order);
  EXPECT_FALSE(systemd.heard("WATCHDOG=1"));
}

INSTANTIATE_TEST_SUITE_P(AllReactors, Applications, ::testing::ValuesIn(reactor_names()),
                         testing::reactor_of);

}  // namespace
}  // namespace weft
