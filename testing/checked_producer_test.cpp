#include "checked_producer.hpp"

#include "accumulating_protocol.hpp"
#include "string_transport.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

using Strings = std::vector<std::string>;

TEST(CheckedProducer, FindsNoFaultWithATransport) {
  const auto protocol = std::make_shared<AccumulatingProtocol>();
  const auto transport = connect(protocol);
  transport->set_blocked(true);
  const auto producer = std::make_shared<CheckedProducer>(Streaming::push);
  transport->register_producer(producer, Streaming::push);
  transport->write(std::string(100'000, 'x'));
  transport->settle();
  transport->set_blocked(false);
  transport->settle();
  transport->abort_connection();
  transport->settle();
  EXPECT_EQ(producer->events(), (Strings{"pause", "resume", "stop"}));
  EXPECT_EQ(producer->faults(), Strings());
  EXPECT_TRUE(producer->stopped());
}

TEST(CheckedProducer, WritesWhenItIsAskedTo) {
  const auto transport = connect(std::make_shared<AccumulatingProtocol>());
  int left = 3;
  const auto producer = std::make_shared<CheckedProducer>(Streaming::pull, [&] {
    transport->write("x");
    if (--left == 0) transport->unregister_producer();
  });
  transport->register_producer(producer, Streaming::pull);
  transport->settle();
  EXPECT_EQ(transport->value(), "xxx");
  EXPECT_EQ(producer->faults(), Strings());
}

TEST(CheckedProducer, FindsCallsThatDoNotAlternate) {
  CheckedProducer producer(Streaming::push);
  producer.resume_producing();
  producer.pause_producing();
  producer.pause_producing();
  EXPECT_EQ(producer.faults(),
            (Strings{"resume came without a pause before it", "pause came twice"}));
}

TEST(CheckedProducer, FindsWhatComesTooLate) {
  CheckedProducer stopped(Streaming::pull);
  stopped.stop_producing();
  stopped.resume_producing();
  EXPECT_EQ(stopped.faults(), Strings{"resume came after stop"});
  CheckedProducer unregistered(Streaming::pull);
  unregistered.unregistered();
  unregistered.stop_producing();
  EXPECT_EQ(unregistered.faults(), Strings{"stop came after it was unregistered"});
}

TEST(CheckedProducer, FindsAPauseOfOneThatPulls) {
  CheckedProducer producer(Streaming::pull);
  producer.pause_producing();
  EXPECT_EQ(producer.faults(), Strings{"pause came to a producer that pulls"});
}

}  // namespace
}  // namespace weft::testing
