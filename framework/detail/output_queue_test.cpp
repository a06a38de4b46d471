#include "output_queue.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace weft::detail {
namespace {

std::string joined(const OutputQueue& queue) {
  OutputQueue::Pieces pieces;
  std::string text;
  for (const auto piece : queue.front(pieces))
    text += piece.text();
  return text;
}

TEST(OutputQueue, GathersSmallWritesInOnePiece) {
  OutputQueue queue;
  for (int i = 0; i < 16; ++i)
    queue.append(BytesView("line\r\n"));
  OutputQueue::Pieces pieces;
  EXPECT_EQ(queue.front(pieces).size(), 1U);
  EXPECT_EQ(queue.size(), 96U);
}

TEST(OutputQueue, AppendsPiecesTogetherWhateverTheirSizes) {
  for (const std::size_t size : {0, 1, 2'000, 4'095, 4'096, 10'000}) {
    OutputQueue queue;
    const std::string piece(size, 'x');
    const BytesView pieces[] = {piece, "", "\r\n"};
    queue.append(BytesView("before"));
    queue.append(pieces);
    queue.append(pieces);
    EXPECT_EQ(joined(queue), "before" + piece + "\r\n" + piece + "\r\n");
    EXPECT_EQ(queue.size(), 6 + 2 * (size + 2));
  }
}

TEST(OutputQueue, AppendsPiecesThatLeadNowhereBehindBoth) {
  const BytesView pieces[] = {std::string_view{}, Bytes()};
  OutputQueue queue;
  queue.append(Bytes(BytesView("kept")));
  queue.append(pieces);
  queue.append(BytesView("copied"));
  queue.append(pieces);
  EXPECT_EQ(joined(queue), "keptcopied");
}

TEST(OutputQueue, FillsItsBlocksWithPieces) {
  OutputQueue queue;
  const std::string piece(2'500, 'x');
  const BytesView pieces[] = {piece, "\r\n"};
  for (int i = 0; i < 8; ++i)
    queue.append(pieces);
  OutputQueue::Pieces waiting;
  EXPECT_EQ(queue.front(waiting).size(), 5U);
}

TEST(OutputQueue, AppendsNoPieceWhereThereAreNone) {
  OutputQueue queue;
  queue.append(std::span<const BytesView>());
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(joined(queue), "");
  queue.append(BytesView("x"));
  EXPECT_EQ(joined(queue), "x");
}

TEST(OutputQueue, KeepsAReferenceToBytes) {
  OutputQueue queue;
  const Bytes message(BytesView("shared"));
  queue.append(message);
  OutputQueue::Pieces pieces;
  EXPECT_EQ(queue.front(pieces)[0].data(), message.data());
}

TEST(OutputQueue, KeepsPiecesInPlaceWhileMoreIsAppended) {
  OutputQueue queue;
  queue.append(BytesView("first"));
  OutputQueue::Pieces pieces;
  const BytesView first = queue.front(pieces)[0];
  for (int i = 0; i < 10'000; ++i)
    queue.append(BytesView("more"));
  EXPECT_EQ(first.text(), "first");
  EXPECT_EQ(queue.front(pieces)[0].data(), first.data());
}

TEST(OutputQueue, IgnoresWhatIsEmpty) {
  OutputQueue queue;
  queue.append(BytesView());
  queue.append(Bytes());
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(joined(queue), "");
}

TEST(OutputQueue, GivesOutNoMorePiecesThanOneSendTakes) {
  OutputQueue queue;
  for (std::size_t i = 0; i < 3 * OutputQueue::max_pieces; ++i)
    queue.append(Bytes(BytesView("x")));
  OutputQueue::Pieces pieces;
  EXPECT_EQ(queue.front(pieces).size(), OutputQueue::max_pieces);
}

TEST(OutputQueue, ForgetsEverythingWhenCleared) {
  OutputQueue queue;
  queue.append(BytesView("abc"));
  queue.append(Bytes(BytesView("def")));
  queue.clear();
  EXPECT_TRUE(queue.empty());
  queue.append(BytesView("g"));
  EXPECT_EQ(joined(queue), "g");
}

class OutputQueueAgainstAString : public ::testing::TestWithParam<unsigned> {};

TEST_P(OutputQueueAgainstAString, GivesTheSameBytesInTheSameOrder) {
  std::mt19937 random(GetParam());
  OutputQueue queue;
  std::string model;
  char next = 'a';
  for (int step = 0; step < 3'000; ++step) {
    const auto size = random() % (random() % 20 == 0 ? 20'000 : 200);
    const std::string text(size, next = next == 'z' ? 'a' : static_cast<char>(next + 1));
    switch (random() % 4) {
      case 0:
        queue.append(Bytes(BytesView(text)));
        model += text;
        break;
      case 1:
        queue.append(BytesView(text));
        model += text;
        break;
      default: {
        const auto count = std::min<std::size_t>(size * 2, model.size());
        queue.consume(count);
        model.erase(0, count);
      }
    }
    ASSERT_EQ(queue.size(), model.size());
    const auto front = joined(queue);
    ASSERT_EQ(front, model.substr(0, front.size()));
    ASSERT_EQ(front.empty(), model.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, OutputQueueAgainstAString, ::testing::Range(1U, 9U));

}  // namespace
}  // namespace weft::detail
