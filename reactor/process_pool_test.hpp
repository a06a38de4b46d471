// What the tests of process pools share: functions of their workers, and pools on every reactor.
#pragma once

#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/gtest_matchers.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "../transports/process_pool.hpp"
#include "make_reactor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <type_traits>
#include <unistd.h>
#include <utility>

namespace weft::testing {

using ::testing::HasSubstr;

// ---- what the workers can do

inline const auto double_it = register_worker_function("double", [](int n) { return 2 * n; });
inline const auto hang = register_worker_function("hang", [] {
  for (;;)
    ::pause();
});
inline const auto make_string = register_worker_function(
    "make_string", [](std::size_t size) { return std::string(size, 'x'); });

// ---- the pool

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

inline ProcessPoolOptions with_workers(std::size_t workers) {
  ProcessPoolOptions options;
  options.max_workers = workers;
  return options;
}

/// A program of the system in the place of the worker.
inline ProcessPoolOptions run_by_shell(const std::string& script) {
  auto options = with_workers(1);
  options.program = "/bin/sh";
  options.arguments = {"-c", script};
  return options;
}

/// Holds workers up as they start.
class SlowStart {
 public:
  SlowStart() {
    ::mkfifo(path_.c_str(), 0600);
    // For both ways, so that neither side waits for the other.
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  }
  ~SlowStart() {
    ::close(descriptor_);
    std::filesystem::remove(path_);
  }
  SlowStart(const SlowStart&) = delete;
  SlowStart& operator=(const SlowStart&) = delete;
  [[nodiscard]] ProcessPoolOptions options() const {
    const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
    return run_by_shell("read line <" + path_ + "; exec " + program + " \"$0\"");
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  void go_on() const { EXPECT_EQ(::write(descriptor_, "\n", 1), 1); }

 private:
  std::string path_ =
      (std::filesystem::temp_directory_path() / ("weft-gate-" + std::to_string(::getpid())))
          .string();
  int descriptor_ = -1;
};

/// On each reactor. Each test must leave no child, not even a dead one, and no descriptor.
class ProcessPools : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { reactor_ = make_reactor(GetParam()); }
  void TearDown() override {
    pool_.reset();
    reactor_.reset();
    siginfo_t info{};
    EXPECT_EQ(::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1) << "a child is left";
    EXPECT_EQ(errno, ECHILD);
    EXPECT_EQ(open_descriptors(), descriptors_);
  }
  ProcessPool& open(const ProcessPoolOptions& options) {
    pool_ = std::make_unique<ProcessPool>(*reactor_, options);
    return *pool_;
  }
  ProcessPool& open(std::size_t workers) { return open(with_workers(workers)); }
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    const auto limit = reactor_->now() + std::chrono::seconds(20);
    while (!condition()) {
      if (reactor_->now() > limit) return false;
      reactor_->run_once(std::chrono::milliseconds(5));
    }
    return true;
  }
  template <class T>
  T result_of(Deferred<T> deferred) {
    if (!spin_until([&] { return deferred.ready(); })) throw TimeoutError("no result came");
    if constexpr (std::is_void_v<T>) {
      success_result_of(std::move(deferred));
    } else {
      return success_result_of(std::move(deferred));
    }
  }
  template <class E, class T>
  E error_of(Deferred<T> deferred) {
    if (!spin_until([&] { return deferred.ready(); })) throw TimeoutError("no result came");
    return *failure_result_of<E>(std::move(deferred)).template check<E>();
  }
  [[nodiscard]] bool reaches(std::size_t workers) {
    return spin_until([&] { return pool_->stats().workers == workers; });
  }

 private:
  std::size_t descriptors_ = open_descriptors();

 protected:
  const LogCapture log_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<ProcessPool> pool_;
};

}  // namespace weft::testing
