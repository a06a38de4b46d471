#include "connect_attempt.hpp"

#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/manual_clock.hpp"
#include "../testing/results.hpp"
#include "../testing/string_transport.hpp"
#include "error.hpp"
#include "noting_factory_test.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace {

using testing::AccumulatingProtocol;
using testing::StringTransport;

// An attempt that the test brings to its end.
class HandAttempt final : public ConnectAttempt {
 public:
  HandAttempt(Clock& clock, std::shared_ptr<Factory> factory)
      : ConnectAttempt(clock, std::move(factory)) {}
  using ConnectAttempt::connected;
  using ConnectAttempt::failed;
  using ConnectAttempt::over;
  int ended = 0;

 private:
  void end_attempt() noexcept override { ++ended; }
  [[nodiscard]] std::string target() const override { return "there:1"; }
};

class ConnectAttemptTest : public ::testing::Test {
 protected:
  testing::ManualClock clock_;
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<NotingFactory> factory_ = std::make_shared<NotingFactory>(protocol_);
  std::shared_ptr<HandAttempt> attempt_ = std::make_shared<HandAttempt>(clock_, factory_);
  std::shared_ptr<StringTransport> transport_ = std::make_shared<StringTransport>(clock_);
};

TEST_F(ConnectAttemptTest, FiresWithTheProtocolAfterItWasConnected) {
  auto outcome = attempt_->begin();
  EXPECT_FALSE(attempt_->over());
  attempt_->connected(transport_);
  EXPECT_TRUE(attempt_->over());
  EXPECT_EQ(testing::success_result_of(std::move(outcome)), protocol_);
  EXPECT_TRUE(protocol_->made());
  EXPECT_EQ(attempt_->ended, 1);
  EXPECT_EQ(factory_->order, "start ");
  transport_->abort_connection();
  clock_.settle();
  EXPECT_EQ(factory_->order, "start stop ");
}

TEST_F(ConnectAttemptTest, FailsOnceHoweverMuchFollows) {
  auto outcome = attempt_->begin();
  attempt_->failed(Failure(NoRoute("There is no way.")));
  attempt_->failed(Failure(ConnectTimeout("Too late anyway.")));
  attempt_->connected(transport_);
  clock_.settle();
  testing::failure_result_of<NoRoute>(std::move(outcome));
  EXPECT_FALSE(transport_->connected());
  EXPECT_FALSE(protocol_->made());
  EXPECT_EQ(attempt_->ended, 1);
  EXPECT_EQ(factory_->order, "start stop ");
}

TEST_F(ConnectAttemptTest, AbortsACarrierThatComesAfterItWasCancelled) {
  auto outcome = attempt_->begin();
  outcome.cancel();
  attempt_->connected(transport_);
  clock_.settle();
  const auto failure = testing::failure_result_of<ConnectingCancelled>(std::move(outcome));
  EXPECT_NE(failure.message().find("there:1"), std::string::npos);
  EXPECT_TRUE(transport_->aborted());
  EXPECT_EQ(factory_->order, "start stop ");
}

TEST_F(ConnectAttemptTest, FailsWhenTheFactoryRefuses) {
  factory_->next = nullptr;
  auto outcome = attempt_->begin();
  attempt_->connected(transport_);
  clock_.settle();
  testing::failure_result_of<NoProtocol>(std::move(outcome));
  EXPECT_FALSE(transport_->connected());
  EXPECT_EQ(factory_->order, "start stop ");
}

TEST_F(ConnectAttemptTest, FailsWithWhatTheFactoryThrows) {
  factory_->throws = true;
  auto outcome = attempt_->begin();
  attempt_->connected(transport_);
  clock_.settle();
  testing::failure_result_of<std::runtime_error>(std::move(outcome));
  EXPECT_FALSE(transport_->connected());
}

TEST_F(ConnectAttemptTest, FailsWithWhatConnectionMadeThrows) {
  const testing::LogCapture log;
  protocol_->on_made = [](AccumulatingProtocol&) {
    throw std::runtime_error("in connection_made");
  };
  auto outcome = attempt_->begin();
  attempt_->connected(transport_);
  clock_.settle();
  testing::failure_result_of<std::runtime_error>(std::move(outcome));
  EXPECT_TRUE(transport_->aborted());
  EXPECT_TRUE(protocol_->lost_with<std::runtime_error>());
}

TEST_F(ConnectAttemptTest, HasItsResultComeFromWhereTheApplicationAsked) {
  const auto asked = SourceLocation::current();
  attempt_->made_at(asked);
  auto outcome = attempt_->begin();
  attempt_.reset();
  const auto failure = testing::failure_result_of<BrokenPromiseError>(std::move(outcome));
  const auto place = "connect_attempt_test.cpp:" + std::to_string(asked.line());
  EXPECT_NE(failure.message().find(place), std::string::npos) << failure.message();
}

TEST_F(ConnectAttemptTest, RefusesToConnectForNobody) {
  EXPECT_THROW(HandAttempt(clock_, nullptr), InvalidArgument);
}

}  // namespace
}  // namespace weft
