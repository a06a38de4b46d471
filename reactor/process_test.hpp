// What the tests of processes share: a protocol that remembers, a child to run, and a look for what
// is left.
#pragma once

#include "../framework/error.hpp"
#include "../framework/process.hpp"
#include "../framework/transport.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "make_reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#ifdef _WIN32
#include <windows.h>
#else
#include <filesystem>
#include <iterator>
#include <sys/wait.h>
#endif

namespace weft::testing {

/// Remembers everything that happened to it.
class NotingProcess : public ProcessProtocol {
 public:
  /// What came from each descriptor, all together.
  std::map<int, std::string> said;
  /// "made", "data 1", "lost 1", "pause 0", "resume 0", "exited", "ended"; runs count once.
  std::vector<std::string> events;
  std::optional<ProcessStatus> exit;
  std::optional<ProcessStatus> end;
  std::function<void(NotingProcess&)> on_made;
  std::function<void(NotingProcess&)> on_data;
  std::function<void(NotingProcess&)> on_exit;
  std::function<void(NotingProcess&)> on_end;

  [[nodiscard]] Process& child() const { return process(); }

  void connection_made() override {
    note("made");
    if (on_made) on_made(*this);
  }
  void child_data_received(int descriptor, BytesView data) override {
    note("data " + std::to_string(descriptor));
    said[descriptor] += data.text();
    if (on_data) on_data(*this);
  }
  void child_connection_lost(int descriptor) override {
    note("lost " + std::to_string(descriptor));
  }
  void process_exited(const ProcessStatus& status) override {
    note("exited");
    exit = status;
    if (on_exit) on_exit(*this);
  }
  void process_ended(const ProcessStatus& status) override {
    note("ended");
    end = status;
    if (on_end) on_end(*this);
  }
  void pause_writing(int descriptor) override { note("pause " + std::to_string(descriptor)); }
  void resume_writing(int descriptor) override { note("resume " + std::to_string(descriptor)); }

  [[nodiscard]] bool noted(const std::string& event) const {
    for (const auto& one : events) {
      if (one == event) return true;
    }
    return false;
  }

 private:
  void note(std::string event) {
    if (events.empty() || events.back() != event) events.push_back(std::move(event));
  }
};

/// Our own little program, doing that.
inline ProcessOptions child_that(std::vector<std::string> does) {
  ProcessOptions options;
  options.program = WEFT_PROCESS_CHILD;
  options.arguments = std::move(does);
  return options;
}

#ifdef _WIN32

/// The reactors that can run processes.
inline std::vector<std::string> reactors_with_processes() {
  return {"iocp"};
}

/// How many handles this program has open. Wine does not count them, so each is tried.
inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for (std::uintptr_t value = 4; value < 16'000; value += 4) {
    DWORD flags = 0;
    if (::GetHandleInformation(reinterpret_cast<HANDLE>(value), &flags)) ++count;
  }
  return count;
}
/// Those of the threads with which the system waits for many at once, which come and go.
constexpr std::size_t descriptors_of_the_system = 8;

#else

inline std::vector<std::string> reactors_with_processes() {
  return reactor_names();
}

/// How many descriptors this program has open, one of them for the count.
inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}
constexpr std::size_t descriptors_of_the_system = 0;

/// Whether we have no child, not even a dead one.
inline bool no_child_is_left() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1 && errno == ECHILD;
}

#endif

/// What `kill` ends a child by.
inline const int killed = signal_number("KILL");

/// On each reactor that can run them. Each test must leave no child; Windows does not say whose a
/// process is, but what we still hold of it.
class Processes : public ::testing::TestWithParam<std::string> {
 protected:
  void TearDown() override {
    reactor_.reset();
#ifndef _WIN32
    EXPECT_TRUE(no_child_is_left());
#endif
  }
  std::shared_ptr<NotingProcess> spawn(const ProcessOptions& options) {
    auto protocol = std::make_shared<NotingProcess>();
    spawn(protocol, options);
    return protocol;
  }
  void spawn(const std::shared_ptr<NotingProcess>& protocol, const ProcessOptions& options) {
    static_cast<void>(reactor_->spawn_process(protocol, options));
  }
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    // The end of a pipe is told before a round waits, so a long wait would be for nothing.
    const auto limit = reactor_->now() + std::chrono::seconds(10);
    while (!condition()) {
      if (reactor_->now() > limit) return false;
      reactor_->run_once(std::chrono::milliseconds(5));
    }
    return true;
  }
  [[nodiscard]] bool ends(const std::shared_ptr<NotingProcess>& protocol) {
    return spin_until([&] { return protocol->end.has_value(); });
  }
  [[nodiscard]] bool says(const std::shared_ptr<NotingProcess>& protocol, const std::string& what) {
    return spin_until([&] { return protocol->said[1].find(what) != std::string::npos; });
  }
  /// What it writes to its standard output, run to its end.
  std::string output_of(const ProcessOptions& options) {
    const auto protocol = spawn(options);
    EXPECT_TRUE(ends(protocol));
    return protocol->said[1];
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
};

/// What is said of a program that cannot be run; nothing when it can.
inline std::string spawn_error(Reactor& reactor, const ProcessOptions& options) {
  try {
    static_cast<void>(reactor.spawn_process(std::make_shared<NotingProcess>(), options));
  } catch (const SpawnError& error) {
    EXPECT_TRUE(error.code());
    return error.what();
  }
  return "";
}

inline std::string reactor_of(const ::testing::TestParamInfo<std::string>& name) {
  return name.param;
}

}  // namespace weft::testing
