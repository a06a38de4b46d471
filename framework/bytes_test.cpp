#include "bytes.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace weft {
namespace {

TEST(BytesView, IsMadeFromWhateverHoldsBytes) {
  const std::string text = "abc";
  const std::vector<std::byte> bytes{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
  EXPECT_EQ(BytesView("abc").text(), "abc");
  EXPECT_EQ(BytesView(text).text(), "abc");
  EXPECT_EQ(BytesView(std::string_view(text)).text(), "abc");
  EXPECT_EQ(BytesView(bytes).text(), "abc");
  EXPECT_EQ(BytesView(std::span<const std::byte>(bytes)).text(), "abc");
  EXPECT_EQ(BytesView(text.data(), 2).text(), "ab");
}

TEST(BytesView, IsEmptyUnlessMadeOtherwise) {
  EXPECT_TRUE(BytesView().empty());
  EXPECT_NE(BytesView().data(), nullptr);
}

TEST(BytesView, KeepsZerosInside) {
  EXPECT_EQ(BytesView(std::string("a\0b", 3)).size(), 3U);
}

TEST(BytesView, CutsWithinItsBounds) {
  const BytesView view("hello");
  EXPECT_EQ(view.from(2).text(), "llo");
  EXPECT_TRUE(view.from(5).empty());
  EXPECT_TRUE(view.from(99).empty());
  EXPECT_EQ(view.first(2).text(), "he");
  EXPECT_EQ(view.first(99).text(), "hello");
}

TEST(BytesView, ShowsItsBytes) {
  const BytesView view("hi");
  ASSERT_EQ(view.bytes().size(), 2U);
  EXPECT_EQ(view.bytes()[1], std::byte{'i'});
  EXPECT_TRUE(view == BytesView("hi"));
  EXPECT_FALSE(view == BytesView("ho"));
}

TEST(Bytes, CopiesTheContentItIsMadeFrom) {
  std::string text = "first";
  const Bytes bytes{BytesView(text)};
  text = "other";
  EXPECT_EQ(bytes.text(), "first");
}

TEST(Bytes, TakesAStringOverWithoutCopying) {
  std::string text(1000, 'x');
  const auto* const content = text.data();
  const Bytes bytes(std::move(text));
  EXPECT_EQ(bytes.data(), content);
  EXPECT_EQ(bytes.size(), 1000U);
}

TEST(Bytes, SharesItsMemoryWithItsCopies) {
  const Bytes bytes{BytesView("shared")};
  const Bytes copy = bytes;
  EXPECT_EQ(copy.data(), bytes.data());
  EXPECT_EQ(copy, bytes);
}

TEST(Bytes, SlicesOutliveTheWhole) {
  Bytes part;
  {
    const Bytes whole{BytesView("hello world")};
    part = whole.slice(6, 3);
    EXPECT_EQ(part.data(), whole.data() + 6);
  }
  EXPECT_EQ(part.text(), "wor");
}

TEST(Bytes, SlicesAreCutAtTheEnd) {
  const Bytes whole{BytesView("hello")};
  EXPECT_EQ(whole.slice(3, 99).text(), "lo");
  EXPECT_EQ(whole.slice(3).text(), "lo");
  EXPECT_TRUE(whole.slice(5).empty());
  EXPECT_TRUE(whole.slice(99, 1).empty());
}

TEST(Bytes, MadeFromNothingAreEmpty) {
  EXPECT_TRUE(Bytes().empty());
  EXPECT_TRUE(Bytes(BytesView()).empty());
  EXPECT_TRUE(Bytes(std::string()).empty());
  EXPECT_EQ(BytesView(Bytes()).text(), "");
}

}  // namespace
}  // namespace weft
