// What the tests of every reactor share: the suite, its reactor, its words.
#pragma once

#include "../../framework/census.hpp"
#include "../../framework/resolver.hpp"
#include "../../framework/thread_pool.hpp"
#include "../accumulating_protocol.hpp"
#include "../log_capture.hpp"
#include "../results.hpp"
#include "reactor_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace weft::testing {

/// Two joined descriptors, such as a socket pair, of which one end is watched. It closes both.
class TestDescriptors {
 public:
  virtual ~TestDescriptors() = default;
  [[nodiscard]] virtual Descriptor watched_end() const = 0;
  /// Writes a byte to the other end.
  virtual void put() const = 0;
  /// Reads a byte from the watched end, without waiting for it.
  virtual void take() const = 0;
  [[nodiscard]] virtual bool watched_end_is_open() const = 0;
};

/// A reactor to be tested, by name.
struct ReactorKind {
  std::string name;
  std::function<std::unique_ptr<Reactor>()> make;
  /// Makes something to watch; empty where the reactor watches no descriptors of the system.
  std::function<std::unique_ptr<TestDescriptors>()> make_descriptors = {};
  /// Behaviours that it cannot show, each with the reason.
  std::map<std::string, std::string> skipped = {};
};

/// INSTANTIATE_TEST_SUITE_P(Mine, ReactorConformance, ::testing::Values(ReactorKind{"mine", make}),
/// reactor_kind_name);
class ReactorConformance : public ::testing::TestWithParam<ReactorKind> {
 protected:
  void SetUp() override {
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const auto skip = GetParam().skipped.find(test.substr(0, test.find('/')));
    if (skip != GetParam().skipped.end()) GTEST_SKIP() << skip->second;
  }
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }
  void spin() {
    for (int round = 0; round < 20; ++round)
      reactor_->run_once(std::chrono::milliseconds(1));
  }
  // Runs until something stops it, but ten seconds at most.
  void run() {
    const auto watchdog = reactor_->call_later(std::chrono::seconds(10), [this] {
      ADD_FAILURE() << "the reactor was not stopped";
      reactor_->stop_from_thread();
    });
    reactor_->run();
    auto call = watchdog;
    call.cancel_if_active();
  }
  ListeningPort listen(const std::shared_ptr<Protocol>& protocol) {
    return reactor_->listen_tcp(0, factory_from([protocol] { return protocol; }), on_loopback());
  }
  Deferred<std::shared_ptr<Protocol>> connect(const ListeningPort& port,
                                              std::shared_ptr<Protocol> protocol) {
    return reactor_->connect_tcp("127.0.0.1", port.address().port(),
                                 factory_from([protocol] { return protocol; }));
  }

  [[nodiscard]] static std::unique_ptr<TestDescriptors> make_descriptors() {
    return GetParam().make_descriptors ? GetParam().make_descriptors() : nullptr;
  }
  static constexpr auto no_descriptors = "this reactor watches no descriptors of the system";

  std::int64_t timers_before_ = census().abandoned_timers;
  std::unique_ptr<Reactor> reactor_ = GetParam().make();
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
};

/// How a failed test shows the kind.
inline void PrintTo(const ReactorKind& kind, std::ostream* out) {
  *out << kind.name;
}

inline std::string reactor_kind_name(const ::testing::TestParamInfo<ReactorKind>& kind) {
  return kind.param.name;
}

/// A factory that counts what is asked of it.
class CountingFactory : public Factory {
 public:
  std::shared_ptr<Protocol> build_protocol(const Address&) override {
    ++built;
    return std::make_shared<AccumulatingProtocol>();
  }
  void start_factory() override { ++started; }
  void stop_factory() override { ++stopped; }
  int built = 0;
  int started = 0;
  int stopped = 0;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ReactorConformance);

}  // namespace weft::testing
