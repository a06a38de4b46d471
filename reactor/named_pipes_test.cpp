#include "../transports/named_pipes.hpp"

#include "../framework/error.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/memory_reactor.hpp"
#include "../testing/results.hpp"
#include "../transports/endpoints.hpp"
#include "make_reactor.hpp"
#include "pipe_ends_test.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::testing {
namespace {

using ::testing::HasSubstr;

class NamedPipes : public ::testing::Test {
 protected:
  std::shared_ptr<Factory> servers() {
    return factory_from([this] {
      servers_.push_back(std::make_shared<AccumulatingProtocol>());
      return servers_.back();
    });
  }
  Deferred<std::shared_ptr<Protocol>> connect(const ConnectOptions& options = {}) {
    return connect_pipe(*reactor_, name_, factory_from([this] { return client_; }), options);
  }
  bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }

  std::string name_ = unused_pipe_name();
  std::unique_ptr<Reactor> reactor_ = make_reactor("iocp");
  std::vector<std::shared_ptr<AccumulatingProtocol>> servers_;
  std::shared_ptr<AccumulatingProtocol> client_ = std::make_shared<AccumulatingProtocol>();
};

TEST_F(NamedPipes, CarryBytesBothWaysAndTellTheirAddresses) {
  const auto port = listen_pipe(*reactor_, name_, servers());
  EXPECT_EQ(port.address().path(), full_pipe_name(name_));
  EXPECT_EQ(port.address().text(), "pipe:" + name_);
  const auto connecting = connect();
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && servers_.size() == 1; }));
  client_->way().write("ping");
  servers_[0]->way().write("pong");
  ASSERT_TRUE(spin_until([&] { return servers_[0]->data == "ping" && client_->data == "pong"; }));
  EXPECT_EQ(client_->way().peer(), port.address());
  EXPECT_EQ(servers_[0]->way().host(), port.address());
}

TEST_F(NamedPipes, ServeManyClientsAtOnce) {
  const auto port = listen_pipe(*reactor_, full_pipe_name(name_), servers());
  std::vector<std::shared_ptr<AccumulatingProtocol>> clients;
  std::vector<Deferred<std::shared_ptr<Protocol>>> connecting;
  const auto factory = factory_from([&] {
    clients.push_back(std::make_shared<AccumulatingProtocol>());
    return clients.back();
  });
  for (int i = 0; i < 20; ++i)
    connecting.push_back(connect_pipe(*reactor_, name_, factory));
  ASSERT_TRUE(spin_until([&] { return clients.size() == 20 && servers_.size() == 20; }));
  EXPECT_EQ(port.connections(), 20u);
  for (const auto& server : servers_)
    server->way().write("hello");
  EXPECT_TRUE(spin_until([&] {
    return std::all_of(clients.begin(), clients.end(),
                       [](const auto& client) { return client->data == "hello"; });
  }));
}

TEST_F(NamedPipes, RefuseANameInUseUntilItsPortStops) {
  auto port = listen_pipe(*reactor_, name_, servers());
  EXPECT_THROW(listen_pipe(*reactor_, name_, servers()), AddressInUse);
  port.stop();
  ASSERT_TRUE(spin_until([&] { return !port.listening(); }));
  listen_pipe(*reactor_, name_, servers());
}

TEST_F(NamedPipes, RefuseANameThatAnotherProgramHasWithoutAnInstanceToSpare) {
  const auto instance = pipe_instance(name_);
  const auto its_client = pipe_client(name_);
  EXPECT_THROW(listen_pipe(*reactor_, name_, servers()), AddressInUse);
}

TEST_F(NamedPipes, RefuseNamesThatAreNone) {
  for (const auto& name :
       {std::string(), std::string(R"(\\.\pipe\)"), std::string(R"(\\elsewhere\pipe\x)"),
        std::string(R"(a\b)"), std::string("a/b"), std::string("../C:/file.txt"), std::string("."),
        std::string(".."), std::string(R"(\\.\pipe\..)"), std::string("a\0b", 3),
        std::string(300, 'x'), std::string("\xff")}) {
    EXPECT_THROW(listen_pipe(*reactor_, name, servers()), InvalidArgument) << name;
    EXPECT_THROW(static_cast<void>(connect_pipe(*reactor_, name, servers())), InvalidArgument)
        << name;
  }
}

TEST_F(NamedPipes, RefuseASecurityDescriptorThatIsNone) {
  PipeListenOptions options;
  options.security = "everybody, please";
  EXPECT_THROW(listen_pipe(*reactor_, name_, servers(), options), InvalidArgument);
  options.security = "D:(A;;GA;;;WD)";
  listen_pipe(*reactor_, name_, servers(), options);
  const auto connecting = connect();
  EXPECT_TRUE(spin_until([&] { return connecting.ready() && servers_.size() == 1; }));
}

TEST_F(NamedPipes, AreRefusedWhereNobodyListens) {
  auto connecting = connect();
  EXPECT_TRUE(has_no_result(connecting)) << "nothing is told inside the call";
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  const auto failure = failure_result_of<ConnectionRefused>(std::move(connecting));
  EXPECT_THAT(failure.message(), HasSubstr("pipe:" + name_));
}

TEST_F(NamedPipes, WaitForAServerThatIsBusyAndThenGiveUp) {
  const auto instance = pipe_instance(name_);
  const auto its_client = pipe_client(name_);
  auto connecting = connect(ConnectOptions(std::chrono::milliseconds(30)));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  failure_result_of<ConnectTimeout>(std::move(connecting));
  EXPECT_FALSE(client_->made());
}

TEST_F(NamedPipes, ConnectAsSoonAsABusyServerIsFree) {
  const auto instance = pipe_instance(name_);
  auto its_client = pipe_client(name_);
  auto connecting = connect();
  reactor_->run_once(Duration::zero());
  reactor_->run_once(std::chrono::milliseconds(1));
  ASSERT_TRUE(has_no_result(connecting));
  its_client.close();
  ::DisconnectNamedPipe(instance.get());
  OVERLAPPED waiting{};
  ::ConnectNamedPipe(instance.get(), &waiting);
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  EXPECT_EQ(success_result_of(std::move(connecting)), client_);
}

TEST_F(NamedPipes, StopConnectingWhenCancelled) {
  const auto instance = pipe_instance(name_);
  const auto its_client = pipe_client(name_);
  auto connecting = connect();
  reactor_->run_once(Duration::zero());
  connecting.cancel();
  failure_result_of<ConnectingCancelled>(std::move(connecting));
  EXPECT_FALSE(client_->made());
}

TEST_F(NamedPipes, FailToConnectWhereTheFactoryGivesNoProtocol) {
  const auto port = listen_pipe(*reactor_, name_, servers());
  auto connecting =
      connect_pipe(*reactor_, name_, factory_from([] { return std::shared_ptr<Protocol>(); }));
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  failure_result_of<NoProtocol>(std::move(connecting));
  EXPECT_TRUE(spin_until([&] { return !servers_.empty() && servers_[0]->lost(); }));
}

TEST_F(NamedPipes, LoseNobodyWhenAClientIsGoneBeforeItIsTaken) {
  const auto port = listen_pipe(*reactor_, name_, servers());
  // It waited for the first; the second finds what was made behind it.
  for (int i = 0; i < 3; ++i)
    pipe_client(name_).close();
  const auto connecting = connect();
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && port.connections() == 1; }));
  client_->way().write("still here");
  EXPECT_TRUE(spin_until([&] { return servers_.back()->data == "still here"; }));
}

TEST_F(NamedPipes, AcceptNobodyWhileTheirPortIsPausedAndThenAll) {
  auto port = listen_pipe(*reactor_, name_, servers());
  port.pause_accepting();
  const auto connecting = connect();
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && client_->made(); }));
  client_->way().write("first");
  const auto second = std::make_shared<AccumulatingProtocol>();
  const auto waiting = connect_pipe(*reactor_, name_, factory_from([&] { return second; }));
  for (int round = 0; round < 10; ++round)
    reactor_->run_once(std::chrono::milliseconds(1));
  EXPECT_TRUE(servers_.empty());
  port.resume_accepting();
  ASSERT_TRUE(spin_until([&] { return waiting.ready() && servers_.size() == 2; }));
  EXPECT_TRUE(spin_until([&] { return servers_[0]->data == "first"; }));
}

TEST_F(NamedPipes, CloseWhoWaitsWhenAPausedPortStops) {
  auto port = listen_pipe(*reactor_, name_, servers());
  port.pause_accepting();
  const auto connecting = connect();
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && client_->made(); }));
  port.stop();
  port.resume_accepting();
  EXPECT_TRUE(spin_until([&] { return client_->lost(); }));
  EXPECT_TRUE(servers_.empty());
}

TEST_F(NamedPipes, KeepTheirNameWhenAClientIsGoneBeforeAPausedPortTakesIt) {
  auto port = listen_pipe(*reactor_, name_, servers());
  port.pause_accepting();
  pipe_client(name_).close();
  const auto connecting = connect();
  for (int round = 0; round < 10; ++round)
    reactor_->run_once(std::chrono::milliseconds(1));
  EXPECT_TRUE(servers_.empty());
  port.resume_accepting();
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && port.connections() == 1; }));
  client_->way().write("still here");
  EXPECT_TRUE(spin_until([&] { return servers_.back()->data == "still here"; }));
}

TEST_F(NamedPipes, KeepTheirConnectionsWhenThePortStops) {
  auto port = listen_pipe(*reactor_, name_, servers());
  const auto connecting = connect();
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && servers_.size() == 1; }));
  port.stop();
  auto refused =
      connect_pipe(*reactor_, name_, servers(), ConnectOptions(std::chrono::milliseconds(50)));
  ASSERT_TRUE(spin_until([&] { return refused.ready(); }));
  failure_result_of<ConnectError>(std::move(refused));
  client_->way().write("on and on");
  EXPECT_TRUE(spin_until([&] { return servers_[0]->data == "on and on"; }));
  auto drained = port.close_connections(std::chrono::seconds(5));
  EXPECT_TRUE(spin_until([&] { return drained.ready() && client_->lost(); }));
}

TEST_F(NamedPipes, LetTheServerKnowWhoIsThereAndNotActAsThem) {
  const auto instance = pipe_instance(name_);
  auto connecting = connect();
  ASSERT_TRUE(spin_until([&] { return connecting.ready(); }));
  client_->way().write("x");
  ASSERT_TRUE(spin_until([&] { return client_->way().write_buffer_size() == 0; }));
  // The server may act as a client only after it has read something.
  char byte = 0;
  OVERLAPPED reading{};
  DWORD count = 0;
  ::ReadFile(instance.get(), &byte, 1, nullptr, &reading);
  ASSERT_TRUE(::GetOverlappedResult(instance.get(), &reading, &count, TRUE));
  if (::ImpersonateNamedPipeClient(instance.get()) == 0) GTEST_SKIP() << "Wine does not do this";
  HANDLE token = nullptr;
  const bool opened = ::OpenThreadToken(::GetCurrentThread(), TOKEN_QUERY, TRUE, &token) != 0;
  ::RevertToSelf();
  ASSERT_TRUE(opened);
  const weft::detail::OwnedHandle owned(token);
  SECURITY_IMPERSONATION_LEVEL level = SecurityDelegation;
  ASSERT_TRUE(::GetTokenInformation(token, TokenImpersonationLevel, &level, sizeof level, &count));
  if (level == SecurityImpersonation) GTEST_SKIP() << "Wine does not mind what the client allows";
  EXPECT_EQ(level, SecurityIdentification);
}

TEST_F(NamedPipes, LeaveNoHandleBehind) {
  const auto connect_and_close = [this] {
    client_ = std::make_shared<AccumulatingProtocol>();
    const auto connecting = connect();
    const auto count = servers_.size();
    ASSERT_TRUE(spin_until([&] { return connecting.ready() && servers_.size() > count; }));
    client_->way().lose_connection();
    ASSERT_TRUE(spin_until([&] { return client_->lost() && servers_.back()->lost(); }));
  };
  const auto port = listen_pipe(*reactor_, name_, servers());
  connect_and_close();
  DWORD before = 0;
  ASSERT_TRUE(::GetProcessHandleCount(::GetCurrentProcess(), &before));
  for (int i = 0; i < 100; ++i)
    connect_and_close();
  DWORD after = 0;
  ASSERT_TRUE(::GetProcessHandleCount(::GetCurrentProcess(), &after));
  EXPECT_EQ(after, before);
}

TEST_F(NamedPipes, AreEndpoints) {
  auto listening = listen(*reactor_, "pipe:" + name_, servers());
  ASSERT_TRUE(spin_until([&] { return listening.ready(); }));
  const auto port = success_result_of(std::move(listening));
  const auto factory = factory_from([this] { return client_; });
  const auto connecting = weft::connect(*reactor_, "pipe:" + name_ + ":timeout=5", factory);
  EXPECT_TRUE(spin_until([&] { return connecting.ready() && servers_.size() == 1; }));
  EXPECT_THROW(server_from_string(*reactor_, "pipe:"), EndpointError);
  EXPECT_THROW(client_from_string(*reactor_, "pipe:x:bind=127.0.0.1"), EndpointError);
}

TEST_F(NamedPipes, AreLostWhenTheirReactorEnds) {
  const auto port = listen_pipe(*reactor_, name_, servers());
  const auto connecting = connect();
  ASSERT_TRUE(spin_until([&] { return connecting.ready() && servers_.size() == 1; }));
  // More than the pipe holds, so that a write is under way; and reads are.
  client_->way().write(std::string(500'000, 'x'));
  servers_[0]->way().pause_producing();
  reactor_->run_once(std::chrono::milliseconds(1));
  reactor_.reset();
  EXPECT_TRUE(client_->lost_with<ConnectionLost>());
  EXPECT_TRUE(servers_[0]->lost_with<ConnectionLost>());
}

TEST_F(NamedPipes, AreForTheReactorThatWaitsForThem) {
  const auto select = make_reactor("select");
  try {
    listen_pipe(*select, name_, servers());
    FAIL() << "it listens";
  } catch (const NotSupportedOnThisPlatform& error) {
    EXPECT_THAT(error.what(), HasSubstr("iocp"));
  }
  MemoryReactor memory;
  EXPECT_THROW(static_cast<void>(connect_pipe(memory, name_, servers())),
               NotSupportedOnThisPlatform);
}

}  // namespace
}  // namespace weft::testing
