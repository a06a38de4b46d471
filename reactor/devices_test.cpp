#include "../framework/error.hpp"
#include "../testing/accumulating_protocol.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../transports/streams.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

class OnEachReactor : public ::testing::TestWithParam<std::string> {
 protected:
  bool spin_until(const std::function<bool()>& condition) {
    return testing::spin_reactor_until(*reactor_, condition);
  }

  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
};

// ---- one direction

class OneDirection : public OnEachReactor {
 protected:
  OneDirection() { EXPECT_EQ(::pipe2(ends_, O_CLOEXEC), 0); }
  void close(int end) { ::close(ends_[end]); }

  int ends_[2] = {};
};

TEST_P(OneDirection, ReadsUntilTheEndAndDropsWhatIsWritten) {
  protocol_->on_made = [](AccumulatingProtocol& self) { self.way().write("to nobody"); };
  adopt_reader(*reactor_, ends_[0], protocol_);
  ASSERT_EQ(::write(ends_[1], "hello", 5), 5);
  ASSERT_TRUE(spin_until([&] { return protocol_->data == "hello"; }));
  EXPECT_EQ(protocol_->way().write_buffer_size(), 0U);
  close(1);
  ASSERT_TRUE(spin_until([&] { return protocol_->lost(); }));
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
  EXPECT_EQ(protocol_->events, (std::vector<std::string>{"made", "data", "eof", "lost"}));
}

TEST_P(OneDirection, WritesAllThatWasWrittenBeforeItCloses) {
  adopt_writer(*reactor_, ends_[1], protocol_);
  const std::string much(300'000, 'x');
  protocol_->way().write(much);
  protocol_->way().lose_connection();
  const auto reader = std::make_shared<AccumulatingProtocol>();
  adopt_reader(*reactor_, ends_[0], reader);
  ASSERT_TRUE(spin_until([&] { return reader->lost() && protocol_->lost(); }));
  EXPECT_EQ(reader->data.size(), much.size());
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
  EXPECT_EQ(protocol_->events, (std::vector<std::string>{"made", "lost"}));
}

TEST_P(OneDirection, NoticesThatNobodyReadsWithoutWriting) {
  adopt_writer(*reactor_, ends_[1], protocol_);
  reactor_->run_once(Duration::zero());
  EXPECT_FALSE(protocol_->lost());
  close(0);
  ASSERT_TRUE(spin_until([&] { return protocol_->lost(); }));
  EXPECT_TRUE(protocol_->lost_with<ConnectionLost>());
}

TEST_P(OneDirection, EndsWhenTheOnlyDirectionIsEnded) {
  adopt_writer(*reactor_, ends_[1], protocol_);
  protocol_->way().write("bye");
  protocol_->way().lose_write_connection();
  ASSERT_TRUE(spin_until([&] { return protocol_->lost(); }));
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
  char heard[4] = {};
  EXPECT_EQ(::read(ends_[0], heard, sizeof heard), 3);
  EXPECT_EQ(::read(ends_[0], heard, sizeof heard), 0);
  close(0);
}

TEST_P(OneDirection, MayBeAborted) {
  adopt_writer(*reactor_, ends_[1], protocol_);
  const auto reader = std::make_shared<AccumulatingProtocol>();
  adopt_reader(*reactor_, ends_[0], reader);
  protocol_->way().abort_connection();
  reader->way().abort_connection();
  ASSERT_TRUE(spin_until([&] { return protocol_->lost() && reader->lost(); }));
  EXPECT_TRUE(protocol_->lost_with<ConnectionAborted>());
}

// ---- FIFOs

class Fifo : public OnEachReactor {
 protected:
  Fifo() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ / "fifo";
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  }
  ~Fifo() override { std::filesystem::remove_all(folder_); }
  void open(FifoEnd end, const std::shared_ptr<Protocol>& protocol) {
    open_fifo(*reactor_, path_, end, protocol);
  }

  std::filesystem::path folder_;
  std::string path_;
  std::shared_ptr<AccumulatingProtocol> writer_ = std::make_shared<AccumulatingProtocol>();
};

TEST_P(Fifo, CarriesBytesFromItsWriterToItsReader) {
  open(FifoEnd::reader, protocol_);
  open(FifoEnd::writer, writer_);
  writer_->way().write("hello");
  writer_->way().lose_connection();
  ASSERT_TRUE(spin_until([&] { return protocol_->lost() && writer_->lost(); }));
  EXPECT_EQ(protocol_->data, "hello");
  EXPECT_TRUE(protocol_->lost_with<ConnectionDone>());
}

TEST_P(Fifo, WaitsForItsFirstWriter) {
  open(FifoEnd::reader, protocol_);
  for (int round = 0; round < 5; ++round)
    reactor_->run_once(std::chrono::milliseconds(1));
  EXPECT_FALSE(protocol_->lost());
  open(FifoEnd::writer, writer_);
  writer_->way().lose_connection();
  EXPECT_TRUE(spin_until([&] { return protocol_->lost() && writer_->lost(); }));
}

TEST_P(Fifo, MayOutliveItsWriters) {
  open(FifoEnd::lasting_reader, protocol_);
  for (const char* const text : {"one", "two"}) {
    const auto writer = std::make_shared<AccumulatingProtocol>();
    open(FifoEnd::writer, writer);
    writer->way().write(text);
    writer->way().lose_connection();
    ASSERT_TRUE(spin_until([&] { return writer->lost(); }));
  }
  ASSERT_TRUE(spin_until([&] { return protocol_->data == "onetwo"; }));
  EXPECT_FALSE(protocol_->lost());
}

TEST_P(Fifo, HasNoWriterWithoutAReader) {
  EXPECT_THROW(open(FifoEnd::writer, writer_), ConnectionRefused);
}

TEST_P(Fifo, IsAFifoThatIsThere) {
  EXPECT_THROW(open_fifo(*reactor_, folder_ / "missing", FifoEnd::reader, protocol_), ConnectError);
  std::ofstream(folder_ / "file") << "no FIFO";
  EXPECT_THROW(open_fifo(*reactor_, folder_ / "file", FifoEnd::reader, protocol_), InvalidArgument);
  EXPECT_THROW(open(FifoEnd::reader, nullptr), InvalidArgument);
}

// ---- serial ports

// A pseudo-terminal is what comes next to a serial port; the test is the device.
class SerialPort : public OnEachReactor {
 protected:
  SerialPort() : device_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(device_), 0);
    EXPECT_EQ(::unlockpt(device_), 0);
    char name[128] = {};
    EXPECT_EQ(::ptsname_r(device_, name, sizeof name), 0);
    path_ = name;
  }
  ~SerialPort() override {
    if (device_ >= 0) ::close(device_);
  }
  void open(const SerialOptions& options = {}) {
    open_serial(*reactor_, path_, options, protocol_);
  }
  [[nodiscard]] termios settings() const {
    termios now{};
    EXPECT_EQ(::tcgetattr(device_, &now), 0);
    return now;
  }
  [[nodiscard]] std::string read(std::size_t size) const {
    std::string heard(size, '\0');
    EXPECT_EQ(::read(device_, heard.data(), size), static_cast<ssize_t>(size));
    return heard;
  }

  int device_;
  std::string path_;
};

TEST_P(SerialPort, CarriesEveryByteAsItIs) {
  open();
  std::string all;
  for (int byte = 0; byte < 256; ++byte)
    all += static_cast<char>(byte);
  ASSERT_EQ(::write(device_, all.data(), all.size()), 256);
  ASSERT_TRUE(spin_until([&] { return protocol_->data.size() == 256; }));
  EXPECT_EQ(protocol_->data, all);
  protocol_->way().write(all);
  reactor_->run_once(Duration::zero());
  EXPECT_EQ(read(256), all);
}

TEST_P(SerialPort, IsSetAsItWasAskedFor) {
  SerialOptions options;
  options.baud_rate = 9'600;
  options.stop_bits = 2;
  options.flow_control = SerialOptions::FlowControl::hardware;
  open(options);
  const auto now = settings();
  EXPECT_EQ(::cfgetospeed(&now), static_cast<speed_t>(B9600));
  EXPECT_NE(now.c_cflag & CSTOPB, 0U);
  EXPECT_NE(now.c_cflag & CRTSCTS, 0U);
  EXPECT_EQ(now.c_iflag & IXON, 0U);
  EXPECT_EQ(now.c_lflag & (ICANON | ECHO | ISIG), 0U);
}

TEST_P(SerialPort, StopsSendingWhereItsFlowIsControlledByBytes) {
  SerialOptions options;
  options.flow_control = SerialOptions::FlowControl::software;
  open(options);
  EXPECT_NE(settings().c_iflag & IXON, 0U);
  EXPECT_NE(settings().c_iflag & IXOFF, 0U);
}

TEST_P(SerialPort, RefusesWhatMakesNoSenseOrTheDeviceDoesNotHave) {
  SerialOptions options;
  options.baud_rate = 9'601;
  EXPECT_THROW(open(options), InvalidArgument);
  options = {};
  options.data_bits = 9;
  EXPECT_THROW(open(options), InvalidArgument);
  options = {};
  options.stop_bits = 3;
  EXPECT_THROW(open(options), InvalidArgument);
  // A pseudo-terminal has neither parity nor fewer bits.
  options = {};
  options.parity = SerialOptions::Parity::even;
  EXPECT_THROW(open(options), InvalidArgument);
  options = {};
  options.data_bits = 7;
  EXPECT_THROW(open(options), InvalidArgument);
}

TEST_P(SerialPort, IsASerialPortThatIsThere) {
  EXPECT_THROW(open_serial(*reactor_, "/dev/null", {}, protocol_), InvalidArgument);
  EXPECT_THROW(open_serial(*reactor_, "/nowhere/at/all", {}, protocol_), ConnectError);
  EXPECT_THROW(open_serial(*reactor_, path_, {}, nullptr), InvalidArgument);
}

TEST_P(SerialPort, EndsWhenTheDeviceIsGone) {
  open();
  ::close(std::exchange(device_, -1));
  ASSERT_TRUE(spin_until([&] { return protocol_->lost(); }));
}

// ---- adopted sockets

TEST_P(OnEachReactor, TellsTheIpv4AddressOfASocketThatCarriesItOverIpv6) {
  std::shared_ptr<AccumulatingProtocol> server = protocol_;
  ListenOptions options;
  options.interface = "127.0.0.1";
  const auto port = reactor_->listen_tcp(0, factory_from([&] { return server; }), options);
  const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 mapped{};
  mapped.sin6_family = AF_INET6;
  mapped.sin6_port = htons(port.address().port());
  mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
  mapped.sin6_addr.s6_addr[12] = 127;
  mapped.sin6_addr.s6_addr[15] = 1;
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&mapped), sizeof mapped) != 0) {
    ::close(socket);
    GTEST_SKIP() << "this machine has no IPv6";
  }
  const auto client = std::make_shared<AccumulatingProtocol>();
  adopt_stream(*reactor_, socket, client);
  EXPECT_EQ(client->way().peer(), port.address());
  EXPECT_EQ(client->way().host().family(), Address::Family::ipv4);
  ASSERT_TRUE(spin_until([&] { return server->made(); }));
  EXPECT_EQ(server->way().peer(), client->way().host());
}

const auto each = ::testing::ValuesIn(reactor_names());
std::string name_of(const ::testing::TestParamInfo<std::string>& info) {
  return info.param;
}
INSTANTIATE_TEST_SUITE_P(Each, OneDirection, each, name_of);
INSTANTIATE_TEST_SUITE_P(Each, Fifo, each, name_of);
INSTANTIATE_TEST_SUITE_P(Each, SerialPort, each, name_of);
INSTANTIATE_TEST_SUITE_P(Each, OnEachReactor, each, name_of);

}  // namespace
}  // namespace weft
