#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/results.hpp"
#include "../transports/process_stream.hpp"
#include "../transports/tls_contexts_test.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

// A child that is a server of TLS, on its standard input and output: checklist 141.
class TlsOverPipes : public ::testing::TestWithParam<std::string> {
 protected:
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }
  Deferred<std::shared_ptr<Protocol>> begin(const TlsClientOptions& options) {
    const auto identity = test_authority().issue(test_server_name);
    ProcessOptions child;
    child.program = WEFT_TLS_CHILD;
    child.arguments = {identity.chain.value() + identity.key.value()};
    // [process]
    return tls_connect(
        *reactor_,
        [this, child](std::shared_ptr<Factory> factory) {
          return connect_process(*reactor_, child, std::move(factory));
        },
        TlsContext(options), test_server_name, factory_from([this] { return client_; }));
    // [process]
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
};

INSTANTIATE_TEST_SUITE_P(Each, TlsOverPipes, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

TEST_P(TlsOverPipes, CarryAConversationThatEndsInOrder) {  // 141
  auto connecting = begin(test_client_options());
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(testing::success_result_of(std::move(connecting)), client_);
  ASSERT_NE(client_->way().tls(), nullptr);
  EXPECT_TRUE(client_->way().tls()->verified);
  const std::string sent(300'000, 'x');
  client_->way().write(sent);
  ASSERT_TRUE(spin_until([&] { return client_->data.size() == sent.size(); }));
  client_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_TRUE(client_->lost_with<ConnectionDone>()) << client_->reason->message();
}

TEST_P(TlsOverPipes, HalfCloseTowardsAChildThatThenEnds) {  // 141
  auto connecting = begin(test_client_options());
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  static_cast<void>(connecting.take_result());
  client_->way().write("the last word");
  client_->way().lose_write_connection();
  ASSERT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_EQ(client_->data, "the last word");
  EXPECT_TRUE(client_->lost_with<ConnectionDone>()) << client_->reason->message();
}

TEST_P(TlsOverPipes, FailForTheCertificateOfTheChild) {  // 141
  auto distrustful = test_client_options();
  distrustful.trust = TestAuthority("Somebody else").certificate();
  auto connecting = begin(distrustful);
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  static_cast<void>(testing::failure_result_of<CertificateError>(std::move(connecting)));
  EXPECT_FALSE(client_->made());
}

TEST_P(TlsOverPipes, TakeThePlaceOfAPlainConversation) {
  const auto identity = test_authority().issue(test_server_name);
  const auto child = spawn_stream(
      *reactor_, {WEFT_TLS_CHILD, identity.chain.value() + identity.key.value()}, client_);
  auto secured = start_tls(client_->way(), TlsContext(test_client_options()), test_server_name);
  ASSERT_TRUE(spin_until([&] { return secured.ready(); }));
  testing::success_result_of(std::move(secured));
  ASSERT_NE(client_->way().tls(), nullptr);
  client_->way().write("hello");
  ASSERT_TRUE(spin_until([&] { return client_->data == "hello"; }));
  client_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_TRUE(client_->lost_with<ConnectionDone>()) << client_->reason->message();
  EXPECT_EQ(child->status(), ProcessStatus::exited(0));
}

// Remembers what its child says.
class Listening final : public ProcessProtocol {
 public:
  std::string heard;
  bool over = false;

  void child_data_received(int, BytesView data) override { heard += data.text(); }
  void process_ended(const ProcessStatus&) override { over = true; }
};

TEST_P(TlsOverPipes, TakeThePlaceOfOnePipeOfAProcess) {
  const auto identity = test_authority().issue(test_server_name);
  ProcessOptions options{WEFT_TLS_CHILD, identity.chain.value() + identity.key.value()};
  options.descriptors.insert_or_assign(0, ChildDescriptor::both_ways());
  options.descriptors.insert_or_assign(1, ChildDescriptor::same_as(0));
  const auto protocol = std::make_shared<Listening>();
  const auto child = reactor_->spawn_process(protocol, options);
  auto secured = start_tls(child->pipe(0), TlsContext(test_client_options()), test_server_name);
  ASSERT_TRUE(spin_until([&] { return secured.ready(); }));
  testing::success_result_of(std::move(secured));
  ASSERT_NE(child->pipe(0).tls(), nullptr);
  child->write("hello");
  ASSERT_TRUE(spin_until([&] { return protocol->heard == "hello"; }));
  child->close_stdin();
  EXPECT_TRUE(spin_until([&] { return protocol->over; }));
}

}  // namespace
}  // namespace weft
