#include "watch.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace weft {
namespace {

struct FakeWatcher : Watch::Watcher {
  void cancel() noexcept override { watching = false; }
  [[nodiscard]] bool active() const noexcept override { return watching; }
  bool watching = true;
};

TEST(Watch, IsActiveUntilCancelled) {
  const auto watcher = std::make_shared<FakeWatcher>();
  Watch watch(watcher);
  EXPECT_TRUE(watch.active());
  watch.cancel();
  EXPECT_FALSE(watch.active());
  EXPECT_FALSE(watcher->watching);
  watch.cancel();
}

TEST(Watch, EndsWhenItIsDestroyedOrReplaced) {
  const auto first = std::make_shared<FakeWatcher>();
  const auto second = std::make_shared<FakeWatcher>();
  {
    Watch watch(first);
    watch = Watch(second);
    EXPECT_FALSE(first->watching);
    EXPECT_TRUE(second->watching);
  }
  EXPECT_FALSE(second->watching);
}

TEST(Watch, OfNothingIsNotActive) {
  Watch watch;
  EXPECT_FALSE(watch.active());
  watch.cancel();
}

TEST(Watch, MovedFromLeavesTheWatchToItsNewOwner) {
  const auto watcher = std::make_shared<FakeWatcher>();
  Watch first(watcher);
  Watch second(std::move(first));
  EXPECT_TRUE(second.active());
  first = Watch();
  EXPECT_TRUE(watcher->watching);
}

}  // namespace
}  // namespace weft
