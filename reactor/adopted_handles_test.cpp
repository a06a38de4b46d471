#include "../framework/error.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/results.hpp"
#include "../transports/detail/native_socket.hpp"
#include "../transports/detail/pipe_pair.hpp"
#include "../transports/streams.hpp"
#include "make_reactor.hpp"
#include "pipe_ends_test.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

namespace weft::testing {
namespace {

using ::testing::HasSubstr;
using weft::detail::OwnedHandle;
using weft::detail::OwnedSocket;
using weft::detail::PipeFlow;

class AdoptedHandles : public ::testing::Test {
 protected:
  bool spin_until(const std::function<bool()>& condition) {
    return spin_reactor_until(*reactor_, condition);
  }
  // What adopting it says.
  template <class E>
  std::string refusal(Descriptor handle) {
    try {
      adopt_stream(*reactor_, handle, protocol_);
    } catch (const E& error) {
      return error.what();
    }
    return "it was taken";
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor("iocp");
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<AccumulatingProtocol> other_ = std::make_shared<AccumulatingProtocol>();
};

TEST_F(AdoptedHandles, RefuseAnAnonymousPipeAndSayWhatToDo) {
  HANDLE reader = nullptr;
  HANDLE writer = nullptr;
  ASSERT_TRUE(::CreatePipe(&reader, &writer, nullptr, 0));
  EXPECT_THAT(refusal<NotSupportedOnThisPlatform>(reinterpret_cast<Descriptor>(reader)),
              HasSubstr("open it with FILE_FLAG_OVERLAPPED"));
  EXPECT_FALSE(is_open(reinterpret_cast<Descriptor>(reader))) << "it is closed";
  EXPECT_THROW(adopt_writer(*reactor_, reinterpret_cast<Descriptor>(writer), protocol_),
               NotSupportedOnThisPlatform);
  EXPECT_FALSE(is_open(reinterpret_cast<Descriptor>(writer))) << "it is closed";
  EXPECT_FALSE(protocol_->made());
}

TEST_F(AdoptedHandles, RefuseFilesHoweverTheyWereOpened) {
  const auto path = std::filesystem::temp_directory_path() / unused_pipe_name();
  for (const DWORD flags : {DWORD{0}, DWORD{FILE_FLAG_OVERLAPPED}}) {
    OwnedHandle file(::CreateFileW(path.c_str(), GENERIC_READ | GENERIC_WRITE, 0, nullptr,
                                   CREATE_ALWAYS, flags | FILE_FLAG_DELETE_ON_CLOSE, nullptr));
    ASSERT_TRUE(file.open());
    const auto number = given(std::move(file));
    EXPECT_THAT(refusal<NotSupportedOnThisPlatform>(number), HasSubstr("file on a disk"));
    EXPECT_FALSE(is_open(number)) << "it is closed";
  }
}

TEST_F(AdoptedHandles, RefuseWhatIsNoHandleAndNoProtocol) {
  EXPECT_THAT(refusal<InvalidArgument>(0x7ffff0), HasSubstr("none that is open"));
  EXPECT_THROW(adopt_stream(*reactor_, -1, protocol_), InvalidArgument);
  EXPECT_THROW(adopt_reader(*reactor_, 0, protocol_), InvalidArgument);
  OneWayPipe pipe;
  const auto reader = given(std::move(pipe.reader));
  const auto writer = given(std::move(pipe.writer));
  EXPECT_THROW(adopt_pipes(*reactor_, reader, writer, nullptr), InvalidArgument);
  EXPECT_FALSE(is_open(reader));
  EXPECT_FALSE(is_open(writer));
}

TEST_F(AdoptedHandles, RefuseWhatAnotherCompletionPortHas) {
  OneWayPipe pipe;
  const OwnedHandle port(::CreateIoCompletionPort(pipe.reader.get(), nullptr, 0, 1));
  EXPECT_THAT(refusal<InvalidArgument>(given(std::move(pipe.reader))),
              HasSubstr("no other port has"));
}

TEST_F(AdoptedHandles, AreForTheReactorThatWaitsForThem) {
  OneWayPipe pipe;
  const auto select = make_reactor("select");
  const auto reader = given(std::move(pipe.reader));
  EXPECT_THROW(adopt_reader(*select, reader, protocol_), NotSupportedOnThisPlatform);
  EXPECT_FALSE(is_open(reader));
  EXPECT_THROW(open_fifo(*reactor_, "x", FifoEnd::reader, protocol_), NotSupportedOnThisPlatform);
  EXPECT_THROW(open_serial(*reactor_, "x", {}, protocol_), NotSupportedOnThisPlatform);
}

TEST_F(AdoptedHandles, ReadWhatAnotherProgramWritesUntilItEnds) {
  auto pipe = weft::detail::overlapped_pipe_pair(PipeFlow::to_us);
  adopt_reader(*reactor_, given(std::move(pipe.ours)), protocol_);
  // More than one read takes.
  const std::string text(200'000, 'x');
  std::thread program([&] {
    DWORD count = 0;
    ::WriteFile(pipe.theirs.get(), text.data(), static_cast<DWORD>(text.size()), &count, nullptr);
    pipe.theirs.close();
  });
  EXPECT_TRUE(spin_until([&] { return protocol_->lost(); }));
  program.join();
  EXPECT_EQ(protocol_->data, text);
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
}

TEST_F(AdoptedHandles, ReadMessagesThatAreLongerThanARead) {
  const auto name = unused_pipe_name();
  auto pipe = pipe_instance(name, PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE);
  adopt_stream(*reactor_, given(pipe_client(name)), other_);
  adopt_stream(*reactor_, given(std::move(pipe)), protocol_);
  for (const std::size_t size : {std::size_t{1'025}, std::size_t{60'000}}) {
    protocol_->data.clear();
    other_->way().write(std::string(size, 'x'));
    EXPECT_TRUE(spin_until([&] { return protocol_->data.size() == size; }));
  }
  EXPECT_FALSE(protocol_->lost());
}

TEST_F(AdoptedHandles, WriteWhatAnotherProgramReadsUntilTheEnd) {
  auto pipe = weft::detail::overlapped_pipe_pair(PipeFlow::from_us);
  adopt_writer(*reactor_, given(std::move(pipe.ours)), protocol_);
  std::string heard;
  std::thread program([&] {
    char room[1000];
    DWORD count = 0;
    while (::ReadFile(pipe.theirs.get(), room, sizeof room, &count, nullptr) != 0)
      heard.append(room, count);
  });
  protocol_->way().write(std::string(200'000, 'y'));
  for (int i = 0; i < 100; ++i)
    protocol_->way().write("small ");
  protocol_->way().lose_write_connection();
  EXPECT_TRUE(spin_until([&] { return protocol_->lost_with<ConnectionDone>(); }));
  program.join();
  EXPECT_EQ(heard.size(), 200'600u);
  EXPECT_TRUE(heard.ends_with("small small "));
}

TEST_F(AdoptedHandles, TellAWriterAtOnceThatNobodyReadsAnyMore) {
  auto pipe = weft::detail::overlapped_pipe_pair(PipeFlow::from_us);
  adopt_writer(*reactor_, given(std::move(pipe.ours)), protocol_);
  reactor_->run_once(Duration::zero());
  pipe.theirs.close();
  EXPECT_TRUE(spin_until([&] { return protocol_->lost_with<ConnectionLost>(); }));
  EXPECT_TRUE(protocol_->data.empty());
}

TEST_F(AdoptedHandles, TellAWriterThatMayNotReadThatNobodyReadsAnyMore) {
  OneWayPipe pipe;
  adopt_writer(*reactor_, given(std::move(pipe.writer)), protocol_);
  reactor_->run_once(Duration::zero());
  pipe.reader.close();
  EXPECT_TRUE(spin_until([&] { return protocol_->lost_with<ConnectionLost>(); }));
}

TEST_F(AdoptedHandles, AreMadeInPairsForChildren) {
  const auto pair = weft::detail::overlapped_pipe_pair(PipeFlow::to_us);
  DWORD ours = 0;
  DWORD theirs = 0;
  ASSERT_TRUE(::GetHandleInformation(pair.ours.get(), &ours));
  ASSERT_TRUE(::GetHandleInformation(pair.theirs.get(), &theirs));
  EXPECT_EQ(ours & HANDLE_FLAG_INHERIT, 0u);
  EXPECT_EQ(theirs & HANDLE_FLAG_INHERIT, DWORD{HANDLE_FLAG_INHERIT});
}

// ---- standard input and output

// Has this program's standard input and output be these for a while.
class StandardHandles {
 public:
  StandardHandles(HANDLE input, HANDLE output) {
    ::SetStdHandle(STD_INPUT_HANDLE, input);
    ::SetStdHandle(STD_OUTPUT_HANDLE, output);
  }
  ~StandardHandles() {
    ::SetStdHandle(STD_INPUT_HANDLE, input_);
    ::SetStdHandle(STD_OUTPUT_HANDLE, output_);
  }
  StandardHandles(const StandardHandles&) = delete;
  StandardHandles& operator=(const StandardHandles&) = delete;

 private:
  HANDLE input_ = ::GetStdHandle(STD_INPUT_HANDLE);
  HANDLE output_ = ::GetStdHandle(STD_OUTPUT_HANDLE);
};

TEST_F(AdoptedHandles, CarryStandardInputAndOutputAndLeaveThemOpen) {
  OneWayPipe in;
  OneWayPipe out;
  {
    const StandardHandles standard(in.reader.get(), out.writer.get());
    const auto port = listen_stdio(*reactor_, factory_from([this] { return protocol_; }));
    EXPECT_FALSE(protocol_->made()) << "nobody is told inside the call";
  }
  adopt_pipes(*reactor_, given(std::move(out.reader)), given(std::move(in.writer)), other_);
  ASSERT_TRUE(spin_until([&] { return protocol_->made(); }));
  other_->way().write("to the program");
  protocol_->way().write("from the program");
  ASSERT_TRUE(spin_until(
      [&] { return protocol_->data == "to the program" && other_->data == "from the program"; }));
  protocol_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return protocol_->lost(); }));
  EXPECT_TRUE(is_open(reinterpret_cast<Descriptor>(in.reader.get())));
  EXPECT_TRUE(is_open(reinterpret_cast<Descriptor>(out.writer.get())));
}

TEST_F(AdoptedHandles, RefuseStandardInputThatCannotBeWaitedForAndThatIsClosed) {
  HANDLE reader = nullptr;
  HANDLE writer = nullptr;
  ASSERT_TRUE(::CreatePipe(&reader, &writer, nullptr, 0));
  const OwnedHandle owned[] = {OwnedHandle(reader), OwnedHandle(writer)};
  {
    const StandardHandles standard(reader, writer);
    EXPECT_THROW(open_stdio(*reactor_, protocol_), NotSupportedOnThisPlatform);
    EXPECT_THROW(listen_stdio(*reactor_, factory_from([this] { return protocol_; })),
                 NotSupportedOnThisPlatform);
  }
  const StandardHandles standard(nullptr, nullptr);
  EXPECT_THROW(open_stdio(*reactor_, protocol_), InvalidArgument);
}

// ---- sockets

struct ListeningSocket {
  ListeningSocket() : socket(::socket(AF_INET, SOCK_STREAM, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = sizeof address;
    ::bind(socket.get(), any(), size);
    ::listen(socket.get(), 1);
    ::getsockname(socket.get(), any(), &size);
  }
  sockaddr* any() { return reinterpret_cast<sockaddr*>(&address); }
  OwnedSocket socket;
  sockaddr_in address{};
};

struct SocketPair {
  SocketPair() {
    ListeningSocket port;
    client = OwnedSocket(::socket(AF_INET, SOCK_STREAM, 0));
    ::connect(client.get(), port.any(), sizeof port.address);
    server = OwnedSocket(::accept(port.socket.get(), nullptr, nullptr));
  }
  OwnedSocket client;
  OwnedSocket server;
};

Descriptor given_socket(OwnedSocket socket) {
  return static_cast<Descriptor>(socket.release());
}

TEST_F(AdoptedHandles, CarryAConnectedSocket) {
  SocketPair sockets;
  adopt_stream(*reactor_, given_socket(std::move(sockets.client)), protocol_);
  adopt_stream(*reactor_, given_socket(std::move(sockets.server)), other_);
  protocol_->way().write("ping");
  ASSERT_TRUE(spin_until([&] { return other_->data == "ping"; }));
  EXPECT_EQ(protocol_->way().peer(), other_->way().host());
  EXPECT_NE(protocol_->way().tcp(), nullptr);
  protocol_->way().lose_connection();
  EXPECT_TRUE(spin_until([&] { return other_->lost_with<ConnectionDone>(); }));
}

TEST_F(AdoptedHandles, RefuseSocketsThatAreNoConnectedStreams) {
  EXPECT_THAT(
      refusal<InvalidArgument>(given_socket(OwnedSocket(::socket(AF_INET, SOCK_STREAM, 0)))),
      HasSubstr("not connected"));
  EXPECT_THAT(refusal<InvalidArgument>(given_socket(OwnedSocket(::socket(AF_INET, SOCK_DGRAM, 0)))),
              HasSubstr("one of messages"));
  EXPECT_THAT(refusal<InvalidArgument>(given_socket(ListeningSocket().socket)),
              HasSubstr("not connected"));
  SocketPair sockets;
  EXPECT_THROW(adopt_reader(*reactor_, given_socket(std::move(sockets.client)), protocol_),
               InvalidArgument);
}

TEST_F(AdoptedHandles, ListenOnASocketThatListensAlready) {
  for (const auto& name : reactor_names()) {
    const auto reactor = make_reactor(name);
    protocol_ = std::make_shared<AccumulatingProtocol>();
    other_ = std::make_shared<AccumulatingProtocol>();
    ListeningSocket socket;
    const Port number = ntohs(socket.address.sin_port);
    const auto port = reactor->adopt_port(given_socket(std::move(socket.socket)),
                                          factory_from([this] { return other_; }));
    EXPECT_EQ(port.address(), Address::ipv4({127, 0, 0, 1}, number));
    const auto connecting =
        reactor->connect_tcp("127.0.0.1", number, factory_from([this] { return protocol_; }));
    EXPECT_TRUE(spin_reactor_until(*reactor, [&] { return connecting.ready() && other_->made(); }))
        << name;
    const auto factory = factory_for<AccumulatingProtocol>();
    auto idle = given_socket(OwnedSocket(::socket(AF_INET, SOCK_STREAM, 0)));
    EXPECT_THROW(reactor->adopt_port(idle, factory), ListenError);
    EXPECT_THROW(reactor->adopt_port(-1, factory), ListenError);
  }
}

}  // namespace
}  // namespace weft::testing
