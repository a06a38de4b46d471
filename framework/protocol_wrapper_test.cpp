#include "protocol_wrapper.hpp"

#include "../testing/accumulating_protocol.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/string_transport.hpp"
#include "error.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

class PlainWrapping final : public WrappingFactory {
 public:
  using WrappingFactory::WrappingFactory;

 private:
  std::shared_ptr<Protocol> wrap(std::shared_ptr<Protocol> protocol, const Address&) override {
    return std::make_shared<ProtocolWrapper>(std::move(protocol));
  }
};

class ProtocolWrapperTest : public ::testing::Test {
 protected:
  std::shared_ptr<AccumulatingProtocol> inner_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<ProtocolWrapper> wrapper_ = std::make_shared<ProtocolWrapper>(inner_);
  std::shared_ptr<testing::StringTransport> transport_ = testing::connect(wrapper_);
};

TEST_F(ProtocolWrapperTest, PassesEverythingOnBothWays) {
  transport_->set_blocked(true);
  inner_->way().set_write_buffer_limits(4, 2);
  inner_->way().write("12345");
  transport_->settle();
  EXPECT_EQ(inner_->way().write_buffer_size(), 5U);
  transport_->set_blocked(false);
  transport_->deliver("in");
  inner_->on_eof = [](AccumulatingProtocol&) {};
  transport_->deliver_end();
  inner_->way().lose_connection();
  transport_->settle();
  EXPECT_EQ(inner_->events,
            (std::vector<std::string>{"made", "pause", "resume", "data", "eof", "lost"}));
  EXPECT_EQ(inner_->data, "in");
  EXPECT_EQ(transport_->value(), "12345");
  EXPECT_EQ(inner_->way().peer(), transport_->peer());
  EXPECT_EQ(inner_->way().host(), transport_->host());
  EXPECT_FALSE(inner_->way().connected());
}

class Taker final : public AccumulatingProtocol, public DescriptorReceiver {
 public:
  void descriptor_received(int) override {}
  [[nodiscard]] DescriptorReceiver* descriptor_receiver() noexcept override { return this; }
};

TEST_F(ProtocolWrapperTest, TakesDescriptorsIfWhatItWrapsDoes) {
  const auto taker = std::make_shared<Taker>();
  EXPECT_EQ(ProtocolWrapper(taker).descriptor_receiver(), taker->descriptor_receiver());
  EXPECT_EQ(wrapper_->descriptor_receiver(), nullptr);
}

TEST_F(ProtocolWrapperTest, PassesOnWhatIsAskedOfTheTransport) {
  const BytesView pieces[] = {"b", "c"};
  inner_->way().write(Bytes(std::string("a")));
  inner_->way().write_sequence(pieces);
  EXPECT_EQ(transport_->value(), "abc");
  EXPECT_EQ(inner_->way().tcp(), transport_->tcp());
  EXPECT_FALSE(inner_->way().closing());
  inner_->way().abort_connection(Failure(std::runtime_error("enough")));
  transport_->settle();
  EXPECT_TRUE(inner_->lost_with<std::runtime_error>());
}

TEST_F(ProtocolWrapperTest, BoundsACloseAsItIsTold) {
  transport_->set_blocked(true);
  inner_->way().write("stuck");
  inner_->way().lose_connection(std::chrono::seconds(1));
  transport_->manual_clock().advance(std::chrono::seconds(1));
  EXPECT_TRUE(inner_->lost_with<LingerTimeout>());
}

TEST_F(ProtocolWrapperTest, LetsGoOfTheWrappedProtocolWhenItIsLost) {
  const std::weak_ptr<Protocol> inner = inner_;
  const std::weak_ptr<ProtocolWrapper> wrapper = wrapper_;
  inner_->on_lost = [this](AccumulatingProtocol&) { inner_.reset(); };
  wrapper_.reset();
  inner_->way().abort_connection();
  transport_->settle();
  EXPECT_TRUE(inner.expired());
  transport_.reset();
  EXPECT_TRUE(wrapper.expired());
}

TEST_F(ProtocolWrapperTest, LosesTheConnectionForWhatTheWrappedProtocolThrows) {
  const testing::LogCapture log;
  inner_->on_data = [](AccumulatingProtocol&, BytesView) { throw std::runtime_error("inside"); };
  transport_->deliver("x");
  EXPECT_TRUE(transport_->aborted());
  EXPECT_TRUE(inner_->lost_with<std::runtime_error>());
  EXPECT_TRUE(log.contains("inside"));
}

TEST_F(ProtocolWrapperTest, CountsThePausesOfBoth) {
  wrapper_->pause_producing();
  inner_->way().pause_producing();
  transport_->deliver("x");
  wrapper_->resume_producing();
  transport_->settle();
  EXPECT_EQ(inner_->data, "");
  inner_->way().resume_producing();
  transport_->settle();
  EXPECT_EQ(inner_->data, "x");
}

TEST(ProtocolWrapper, GivesABufferedProtocolItsBytesThroughItsBuffer) {
  class Lending final : public BufferedProtocol {
   public:
    std::span<std::byte> buffer(std::size_t) override { return memory_; }
    void buffer_updated(std::size_t size) override {
      heard.append(reinterpret_cast<const char*>(memory_), size);
    }
    std::string heard;

   private:
    std::byte memory_[3];
  };
  const auto lending = std::make_shared<Lending>();
  const auto transport = testing::connect(std::make_shared<ProtocolWrapper>(lending));
  transport->deliver("0123456789");
  EXPECT_EQ(lending->heard, "0123456789");
}

TEST(ProtocolWrapper, RefusesToWrapNothing) {
  EXPECT_THROW(ProtocolWrapper(nullptr), InvalidArgument);
  EXPECT_THROW(PlainWrapping(nullptr), InvalidArgument);
}

TEST(WrappingFactory, StartsAndStopsTheFactoryThatItWraps) {
  class Counting final : public Factory {
   public:
    std::shared_ptr<Protocol> build_protocol(const Address&) override { return nullptr; }
    void start_factory() override { order += "start "; }
    void stop_factory() override { order += "stop "; }
    std::string order;
  };
  const auto inner = std::make_shared<Counting>();
  PlainWrapping outer(inner);
  outer.add_user();
  outer.add_user();
  EXPECT_EQ(outer.build_protocol(Address()), nullptr);
  outer.remove_user();
  outer.remove_user();
  EXPECT_EQ(inner->order, "start stop ");
}

}  // namespace
}  // namespace weft
