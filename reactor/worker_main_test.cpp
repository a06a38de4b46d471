#include "../testing/gtest_leak_listener.hpp"
#include "../transports/process_pool.hpp"

#include <gmock/gmock.h>

// For tests whose program is its own worker.
int main(int argc, char** argv) {
  if (const auto status = weft::run_worker(argc, argv)) return *status;
  ::testing::InitGoogleMock(&argc, argv);
  ::testing::UnitTest::GetInstance()->listeners().Append(new weft::testing::LeakListener);
  return RUN_ALL_TESTS();
}
