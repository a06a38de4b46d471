#include "file_sender.hpp"

#include "../testing/accumulating_protocol.hpp"
#include "../testing/io_pump.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "../testing/string_transport.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdio>
#include <fstream>
#include <random>
#include <stdexcept>

namespace weft {
namespace {

using testing::AccumulatingProtocol;

std::string much_text(std::size_t size) {
  std::string text;
  text.reserve(size + 16);
  while (text.size() < size)
    text += std::to_string(text.size()) + " ";
  text.resize(size);
  return text;
}

// Gives `text` in reads of at most `step` bytes.
FileSource source_of(std::string text, std::size_t step = 1000) {
  return [text = std::move(text), from = std::size_t{0}, step](std::span<char> room) mutable {
    const auto count = text.copy(room.data(), std::min(step, room.size()), from);
    from += count;
    return count;
  };
}

// A file that is gone with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view text)
      : path_(std::filesystem::temp_directory_path() /
              ("weft_file_sender_" + std::to_string(std::random_device()()))) {
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

class FileSenderTest : public ::testing::Test {
 protected:
  std::shared_ptr<AccumulatingProtocol> protocol_ = std::make_shared<AccumulatingProtocol>();
  std::shared_ptr<testing::StringTransport> transport_ = testing::connect(protocol_);
};

TEST_F(FileSenderTest, SendsAFileWholeAndSaysHowLongItWas) {
  const auto text = much_text(300'000);
  const TemporaryFile file(text);
  auto done = send_file(*transport_, file.path());
  transport_->settle();
  EXPECT_EQ(testing::success_result_of(std::move(done)), text.size());
  EXPECT_EQ(transport_->value(), text);
}

TEST_F(FileSenderTest, SendsThePartThatIsAskedFor) {
  const TemporaryFile file("0123456789");
  FileSendOptions options;
  options.offset = 3;
  options.max_bytes = 4;
  auto done = send_file(*transport_, file.path(), std::move(options));
  transport_->settle();
  EXPECT_EQ(testing::success_result_of(std::move(done)), 4U);
  EXPECT_EQ(transport_->value(), "3456");
}

TEST_F(FileSenderTest, SkipsToWhereItShallBeginInASourceThatCannotSeek) {
  for (const std::size_t step : {1U, 2U, 3U, 100U}) {
    transport_->clear();
    FileSendOptions options;
    options.offset = 3;
    options.max_bytes = 4;
    auto done = send_from(*transport_, source_of("0123456789", step), std::move(options));
    transport_->settle();
    EXPECT_EQ(testing::success_result_of(std::move(done)), 4U);
    EXPECT_EQ(transport_->value(), "3456");
  }
}

TEST_F(FileSenderTest, SendsNothingFromBeyondTheEnd) {
  const TemporaryFile file("0123456789");
  for (const std::uint64_t offset : {std::uint64_t{10}, std::uint64_t{11}, UINT64_MAX}) {
    FileSendOptions options;
    options.offset = offset;
    auto done = send_file(*transport_, file.path(), std::move(options));
    transport_->settle();
    EXPECT_EQ(testing::success_result_of(std::move(done)), 0U) << offset;
  }
  EXPECT_EQ(transport_->value(), "");
}

TEST_F(FileSenderTest, SendsAnEmptyFile) {
  const TemporaryFile file("");
  auto done = send_file(*transport_, file.path());
  transport_->settle();
  EXPECT_EQ(testing::success_result_of(std::move(done)), 0U);
}

TEST_F(FileSenderTest, SaysWhyAFileCannotBeOpened) {
  const auto failure =
      testing::failure_result_of<FileError>(send_file(*transport_, "/no/such/file"));
  EXPECT_NE(failure.message().find("/no/such/file"), std::string::npos);
  EXPECT_TRUE(transport_->connected());
}

TEST_F(FileSenderTest, ReadsNoMoreThanThePeerTakes) {
  transport_->set_blocked(true);
  std::size_t given = 0;
  auto done = send_from(*transport_, [&given](std::span<char> room) {
    std::fill(room.begin(), room.end(), 'x');
    given += room.size();
    return room.size();
  });
  transport_->settle();
  EXPECT_EQ(given, 64U * 1024);
  transport_->take(64 * 1024);
  transport_->settle();
  EXPECT_EQ(given, 128U * 1024);
  done.cancel();
}

TEST_F(FileSenderTest, ChangesWhatItSendsAlsoToNothing) {
  FileSendOptions options;
  options.transform = [](std::string_view piece) {
    std::string kept;
    for (const char c : piece) {
      if (c != 'a') kept += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return kept;
  };
  auto done = send_from(*transport_, source_of("aabbcc", 2), std::move(options));
  transport_->settle();
  EXPECT_EQ(testing::success_result_of(std::move(done)), 6U);
  EXPECT_EQ(transport_->value(), "BBCC");
}

TEST_F(FileSenderTest, FailsWithWhatTheSourceThrowsAndLeavesTheConnection) {
  auto done = send_from(*transport_, [](std::span<char>) -> std::size_t {
    throw std::runtime_error("the disk is gone");
  });
  transport_->settle();
  testing::failure_result_of<std::runtime_error>(std::move(done));
  EXPECT_TRUE(transport_->connected());
  transport_->write("still here");
  EXPECT_EQ(transport_->value(), "still here");
}

TEST_F(FileSenderTest, FailsWithWhatTheTransformThrows) {
  FileSendOptions options;
  options.transform = [](std::string_view) -> std::string { throw std::runtime_error("no"); };
  auto done = send_from(*transport_, source_of("text"), std::move(options));
  transport_->settle();
  testing::failure_result_of<std::runtime_error>(std::move(done));
  EXPECT_EQ(transport_->value(), "");
}

TEST_F(FileSenderTest, RefusesASourceThatGivesMoreThanThereIsRoomFor) {
  auto done = send_from(*transport_, [](std::span<char> room) { return room.size() + 1; });
  transport_->settle();
  testing::failure_result_of<InvalidArgument>(std::move(done));
  EXPECT_EQ(transport_->value(), "");
}

TEST_F(FileSenderTest, RefusesToSendFromNothing) {
  EXPECT_THROW(static_cast<void>(send_from(*transport_, nullptr)), InvalidArgument);
}

TEST_F(FileSenderTest, SaysThatADirectoryIsNoFile) {
  auto done = send_file(*transport_, std::filesystem::temp_directory_path());
  transport_->settle();
  testing::failure_result_of<FileError>(std::move(done));
}

TEST_F(FileSenderTest, WritesNothingMoreWhenItsSourceCancelsIt) {
  Canceller canceller;
  auto done = send_from(*transport_, [&canceller](std::span<char> room) {
    canceller.cancel();
    return room.size();
  });
  canceller = done.canceller();
  transport_->settle();
  testing::failure_result_of<CancelledError>(std::move(done));
  EXPECT_EQ(transport_->value(), "");
}

TEST_F(FileSenderTest, FailsWhenItsSourceAbortsTheConnection) {
  auto done = send_from(*transport_, [this](std::span<char>) -> std::size_t {
    transport_->abort_connection();
    return 0;
  });
  transport_->settle();
  testing::failure_result_of<ConnectionLost>(std::move(done));
}

TEST_F(FileSenderTest, FailsWhenTheConnectionEndsBefore) {
  transport_->set_blocked(true);
  auto done = send_from(*transport_, source_of("0123456789", 5));
  transport_->settle();
  transport_->break_with(Failure(ConnectionReset("gone")));
  const auto failure = testing::failure_result_of<ConnectionLost>(std::move(done));
  EXPECT_NE(failure.message().find("5 bytes"), std::string::npos) << failure.message();
  EXPECT_TRUE(protocol_->lost_with<ConnectionReset>());
}

TEST_F(FileSenderTest, FailsAtOnceOnAConnectionThatIsClosing) {
  transport_->lose_connection();
  auto done = send_from(*transport_, source_of("late"));
  testing::failure_result_of<ConnectionLost>(std::move(done));
}

TEST_F(FileSenderTest, StopsWhenItIsCancelled) {
  transport_->set_blocked(true);
  auto done = send_from(*transport_, source_of(much_text(200'000), 64 * 1024));
  transport_->settle();
  auto canceller = done.canceller();
  canceller.cancel();
  testing::failure_result_of<CancelledError>(std::move(done));
  transport_->set_blocked(false);
  transport_->settle();
  EXPECT_EQ(transport_->value().size(), 64U * 1024);
  // Another producer may come now.
  auto next = send_from(*transport_, source_of("next"));
  transport_->settle();
  EXPECT_EQ(testing::success_result_of(std::move(next)), 4U);
}

TEST_F(FileSenderTest, RefusesASecondProducer) {
  transport_->set_blocked(true);
  auto first = send_from(*transport_, source_of("first"));
  EXPECT_THROW(static_cast<void>(send_from(*transport_, source_of("second"))),
               ProducerAlreadyRegisteredError);
  first.cancel();
}

TEST(FileSender, SendsAllBeforeAConnectionThatWasAskedToClose) {
  const auto text = much_text(500'000);
  for (const std::uint32_t seed : {1U, 2U, 3U}) {
    const auto server = std::make_shared<AccumulatingProtocol>();
    server->on_made = [&text](AccumulatingProtocol& self) {
      static_cast<void>(send_from(self.way(), source_of(text, 10'000)));
      self.way().lose_connection();
    };
    const auto client = std::make_shared<AccumulatingProtocol>();
    testing::IoPump pump(client, server, testing::Delivery::random_pieces(seed));
    pump.flush();
    EXPECT_EQ(client->data.size(), text.size());
    EXPECT_TRUE(client->data == text);
    EXPECT_TRUE(server->lost_with<ConnectionDone>());
  }
}

}  // namespace
}  // namespace weft
