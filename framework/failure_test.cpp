#include "failure.hpp"

#include "error.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace weft {
namespace {

TEST(Failure, IsAskedForItsTypeWithoutAThrow) {
  const Failure failure(ConnectionReset("The peer reset it.", *Address::parse("127.0.0.1", 80)));
  EXPECT_NE(failure.check<ConnectionReset>(), nullptr);
  EXPECT_NE(failure.check<ConnectionLost>(), nullptr);
  EXPECT_NE(failure.check<Error>(), nullptr);
  EXPECT_EQ(failure.check<ConnectionDone>(), nullptr);
  EXPECT_EQ(failure.check<Error>()->address().text(), "127.0.0.1:80");
  EXPECT_EQ(failure.message(), "The peer reset it.");
  EXPECT_EQ(failure.type_name(), "weft::ConnectionReset");
}

TEST(Failure, KnowsWhereItWasMade) {
  const auto failure = make_failure<TimeoutError>("Too long.");
  EXPECT_NE(std::string(failure.where().file_name()), "");
  EXPECT_NE(failure.where().line(), 0U);
}

TEST(Failure, ThrowsItsErrorWithItsOwnType) {
  EXPECT_THROW(make_failure<ResolveError>("No such name.").raise(), ResolveError);
  EXPECT_THROW(std::rethrow_exception(make_failure<NoRoute>("No way.").exception()), NoRoute);
}

TEST(Failure, KeepsWhatWasCaught) {
  const Failure failure = [] {
    try {
      throw std::out_of_range("index 7");
    } catch (...) {
      return Failure::current();
    }
  }();
  EXPECT_NE(failure.check<std::logic_error>(), nullptr);
  EXPECT_EQ(failure.message(), "index 7");
  EXPECT_EQ(std::string(failure.where().file_name()), "");
  EXPECT_THROW(failure.raise(), std::out_of_range);
}

TEST(Failure, SaysThatSomethingElseWasThrown) {
  const Failure failure = [] {
    try {
      throw 7;
    } catch (...) {
      return Failure::current();
    }
  }();
  EXPECT_NE(failure.check<Error>(), nullptr);
  EXPECT_EQ(Failure(std::exception_ptr()).check<std::out_of_range>(), nullptr);
}

TEST(Failure, IsSharedByItsCopies) {
  const auto failure = make_failure<TimeoutError>("Too long.");
  const auto copy = failure;
  EXPECT_EQ(&copy.error(), &failure.error());
}

TEST(Error, CarriesTheSystemsCode) {
  const auto code = std::make_error_code(std::errc::address_in_use);
  const AddressInUse error("Port 80 is taken.", {}, code);
  EXPECT_EQ(error.code(), code);
  EXPECT_EQ(ConnectionDone(Address()).code(), std::error_code());
}

}  // namespace
}  // namespace weft
