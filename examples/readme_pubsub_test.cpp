#include "readme_pubsub.hpp"

#include <weft/testing/string_transport.hpp>

#include <gtest/gtest.h>

TEST(Subscriber, HearsWhatTheOthersSay) {
  std::vector<Subscriber*> everyone;
  auto factory = weft::factory_for<Subscriber>(std::ref(everyone));
  auto alice = weft::testing::connect(*factory);
  auto bob = weft::testing::connect(*factory);
  alice->deliver("hel");
  alice->deliver("lo\r\n");
  EXPECT_EQ(bob->value(), "hello\r\n");
}
