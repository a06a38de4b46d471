// What the tests of every stream transport share: the suite, its two ends, its words.
#pragma once

#include "../../framework/error.hpp"
#include "../../framework/transport.hpp"
#include "../../framework/turn.hpp"
#include "../accumulating_protocol.hpp"
#include "../log_capture.hpp"
#include "stream_fixture.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weft::testing {

/// Instantiate it with the kinds of transports to test:
/// INSTANTIATE_TEST_SUITE_P(Mine, StreamConformance, ::testing::Values(StreamKind{"mine", make}),
/// stream_kind_name);
class StreamConformance : public ::testing::TestWithParam<StreamKind> {
 protected:
  void SetUp() override {
    const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const auto skip = GetParam().skipped.find(test.substr(0, test.find('/')));
    if (skip != GetParam().skipped.end()) GTEST_SKIP() << skip->second;
  }
  void connect() { fixture_->connect(client_, server_); }
  [[nodiscard]] bool spin_until(const std::function<bool()>& condition) {
    return fixture_->spin_until(condition);
  }
  [[nodiscard]] bool both_lost() {
    return spin_until([this] { return client_->lost() && server_->lost(); });
  }
  // Writes as a callback would: inside a turn.
  template <class F>
  void in_turn(F&& callback) {
    fixture_->clock().turn().enter_logged("test", std::forward<F>(callback));
  }

  // More than is taken while the peer does not read.
  [[nodiscard]] std::string more_than_fits() const {
    return std::string(fixture_->more_than_buffers_take() / 4, 'x');
  }
  [[nodiscard]] std::string bulk() const {
    return std::string(fixture_->more_than_buffers_take(), 'x');
  }

  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> server_ = std::make_shared<AccumulatingProtocol>();
  std::unique_ptr<StreamFixture> fixture_ = GetParam().make();
};

/// How a failed test shows the kind.
inline void PrintTo(const StreamKind& kind, std::ostream* out) {
  *out << kind.name;
}

inline std::string stream_kind_name(const ::testing::TestParamInfo<StreamKind>& kind) {
  return kind.param.name;
}

/// A producer that writes down what it is told.
class NotingProducer : public Producer {
 public:
  void resume_producing() override {
    ++resumed;
    if (on_resume) on_resume();
  }
  void pause_producing() override { ++paused; }
  void stop_producing() override { ++stopped; }
  int resumed = 0;
  int paused = 0;
  int stopped = 0;
  std::function<void()> on_resume;
};

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StreamConformance);

}  // namespace weft::testing
