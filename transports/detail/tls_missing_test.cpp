#include "../tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace weft {
namespace {

// In a weft that was built without TLS.
TEST(TlsMissing, SaysThatThisWeftWasBuiltWithoutTls) {
  try {
    const TlsContext context{TlsClientOptions()};
    FAIL() << "there is TLS after all";
  } catch (const NotSupportedOnThisPlatform& error) {
    EXPECT_THAT(std::string(error.what()), ::testing::HasSubstr("built without TLS"));
  }
}

}  // namespace
}  // namespace weft
