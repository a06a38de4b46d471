#include "../../testing/log_capture.hpp"
#include "../../testing/results.hpp"
#include "../census.hpp"
#include "task_group.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace {

using testing::failure_result_of;
using testing::success_result_of;

class TaskGroupDestroying : public ::testing::Test {
 protected:
  // Cleans up with one further wait, and notes how that ended.
  Task<void> clean_up(Deferred<void> work, Deferred<void> goodbye) {
    co_await as_result(work);
    const auto ended = co_await as_result(goodbye);
    note_ = ended ? "clean" : ended.failure().type_name();
  }

  const testing::LogCapture log_;
  Promise<void> work_;
  Promise<void> goodbye_;
  std::unique_ptr<TaskGroup> group_ = std::make_unique<TaskGroup>();
  std::string note_;
};

TEST_F(TaskGroupDestroying, CancelsTheCleaningUpOfAChildASecondTime) {
  Promise<void> never;
  group_->start(clean_up(work_.deferred(), goodbye_.deferred()));
  group_->adopt(never.deferred());
  group_.reset();
  EXPECT_NE(note_.find("CancelledError"), std::string::npos) << note_;
  EXPECT_TRUE(goodbye_.fired());
  EXPECT_TRUE(never.fired());
}

TEST_F(TaskGroupDestroying, ByAChildThatBeginsLetsItGoOnToItsNextWait) {
  group_->start([](auto& group, auto& note, Deferred<void> work) -> Task<void> {
    group.reset();
    note = "went on";
    co_await work;
    note = "went too far";
  }(group_, note_, work_.deferred()));
  EXPECT_TRUE(work_.fired());
  EXPECT_EQ(note_, "went on");
}

TEST_F(TaskGroupDestroying, ByAChildThatBeginsLetsItEnd) {
  group_->start([](auto& group) -> Task<void> {
    group.reset();
    co_return;
  }(group_));
  EXPECT_EQ(group_, nullptr);
}

TEST_F(TaskGroupDestroying, ByOneWhoJoinedLetsHimCancelAnother) {
  group_->adopt(work_.deferred());
  std::optional<Deferred<void>> second;
  auto first = group_->join().add_callback([&] {
    group_.reset();
    second->cancel();
  });
  second.emplace(group_->join());
  work_.callback();
  success_result_of(std::move(first));
  EXPECT_TRUE(second->ready());
  static_cast<void>(failure_result_of<CancelledError>(std::move(*second)));
}

TEST_F(TaskGroupDestroying, TellsOfAFailureThatCameAfterTheJoinWasCancelled) {
  group_->start([](Deferred<void> work, Deferred<void> goodbye) -> Task<void> {
    co_await as_result(work);
    co_await goodbye;
    throw std::runtime_error("The clean-up failed.");
  }(work_.deferred(), goodbye_.deferred()));
  auto joined = group_->join();
  joined.cancel();
  static_cast<void>(failure_result_of<CancelledError>(std::move(joined)));
  goodbye_.callback();
  EXPECT_TRUE(group_->empty());
  group_.reset();
  EXPECT_TRUE(log_.contains("The clean-up failed."));
  census().unhandled_failures = 0;
}

TEST_F(TaskGroupDestroying, IsNotNeededToEndWhatAClosedGroupRefused) {
  group_->cancel();
  auto cleaning = ensure_deferred(clean_up(work_.deferred(), goodbye_.deferred()));
  EXPECT_THROW(group_->adopt(std::move(cleaning)), GroupClosed);
  goodbye_.callback();
  EXPECT_NE(note_, "clean");
}

TEST(WithTaskGroup, KeepsThePlaceOfAFailure) {
  const Failure made(std::runtime_error("broken"));
  auto running = ensure_deferred(
      with_task_group([&](TaskGroup&) -> Task<void> { co_await fail<void>(made); }));
  const auto failure = failure_result_of<std::runtime_error>(std::move(running));
  EXPECT_EQ(failure.where().line(), made.where().line());
}

}  // namespace
}  // namespace weft
