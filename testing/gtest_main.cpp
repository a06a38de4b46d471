#include "gtest_leak_listener.hpp"

#include <gmock/gmock.h>

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  ::testing::UnitTest::GetInstance()->listeners().Append(new weft::testing::LeakListener);
  return RUN_ALL_TESTS();
}
