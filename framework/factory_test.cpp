#include "factory.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace weft {
namespace {

struct Named : Protocol {
  explicit Named(std::string given = "nobody") : name(std::move(given)) {}
  void data_received(BytesView) override {}
  std::string name;
};

struct CountedFactory : Factory {
  std::shared_ptr<Protocol> build_protocol(const Address&) override { return nullptr; }
  void start_factory() override {
    ++starts;
    if (fails) throw std::runtime_error("no paper");
  }
  void stop_factory() override { ++stops; }
  int starts = 0;
  int stops = 0;
  bool fails = false;
};

TEST(Factory, StartsWithItsFirstUserAndStopsWithItsLast) {
  CountedFactory factory;
  factory.add_user();
  factory.add_user();
  EXPECT_EQ(factory.starts, 1);
  factory.remove_user();
  EXPECT_EQ(factory.stops, 0);
  EXPECT_EQ(factory.users(), 1);
  factory.remove_user();
  EXPECT_EQ(factory.stops, 1);
  EXPECT_EQ(factory.users(), 0);
}

TEST(Factory, MayBeStartedAgain) {
  CountedFactory factory;
  for (int i = 0; i < 2; ++i) {
    factory.add_user();
    factory.remove_user();
  }
  EXPECT_EQ(factory.starts, 2);
  EXPECT_EQ(factory.stops, 2);
}

TEST(Factory, ThatFailedToStartHasNoUserAndIsStartedByTheNext) {
  CountedFactory factory;
  factory.fails = true;
  EXPECT_THROW(factory.add_user(), std::runtime_error);
  EXPECT_EQ(factory.users(), 0);
  factory.fails = false;
  factory.add_user();
  EXPECT_EQ(factory.starts, 2);
}

TEST(Factory, IgnoresTheLeavingOfAUserItDoesNotHave) {
  CountedFactory factory;
  factory.remove_user();
  EXPECT_EQ(factory.users(), 0);
  EXPECT_EQ(factory.stops, 0);
}

TEST(FactoryFor, MakesANewProtocolFromTheSameArgumentsEachTime) {
  const auto factory = factory_for<Named>(std::string("ann"));
  const auto first = std::static_pointer_cast<Named>(factory->build_protocol({}));
  const auto second = std::static_pointer_cast<Named>(factory->build_protocol({}));
  EXPECT_NE(first, second);
  EXPECT_EQ(first->name, "ann");
  EXPECT_EQ(second->name, "ann");
}

TEST(FactoryFor, SharesWhatIsPassedByReference) {
  struct Counting : Named {
    explicit Counting(int& count) { ++count; }
  };
  int count = 0;
  const auto factory = factory_for<Counting>(std::ref(count));
  factory->build_protocol({});
  factory->build_protocol({});
  EXPECT_EQ(count, 2);
}

TEST(FactoryFrom, CallsAFunctionWithThePeer) {
  const auto factory =
      factory_from([](const Address& peer) { return std::make_shared<Named>(peer.text()); });
  const auto built = factory->build_protocol(Address::ipv4({10, 0, 0, 1}, 9));
  EXPECT_EQ(std::static_pointer_cast<Named>(built)->name, "10.0.0.1:9");
}

TEST(FactoryFrom, CallsAFunctionThatDoesNotCareForThePeer) {
  const auto factory = factory_from([] { return std::make_shared<Named>(); });
  EXPECT_NE(factory->build_protocol({}), nullptr);
}

}  // namespace
}  // namespace weft
