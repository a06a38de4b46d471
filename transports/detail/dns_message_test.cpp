#include "dns_message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace weft::detail {
namespace {

using namespace std::string_literals;
using namespace std::chrono_literals;

// The question for "a.test" stands at 12, "test" at 14.
const std::string question = "\1a\4test\0\0\1\0\1"s;

std::string header(unsigned flags, unsigned answers, unsigned authorities = 0) {
  std::string text = "\1\2"s;
  for (const unsigned number : {flags, 1U, answers, authorities, 0U}) {
    text += static_cast<char>(number >> 8);
    text += static_cast<char>(number & 0xff);
  }
  return text;
}

std::string record(const std::string& owner, unsigned type, const std::string& data,
                   const std::string& ttl = "\0\0\0\x3c"s) {
  return owner + '\0' + static_cast<char>(type) + "\0\1"s + ttl + '\0' +
         static_cast<char>(data.size()) + data;
}

std::optional<DnsAnswer> read(const std::string& message, DnsType type = DnsType::a) {
  const std::vector<std::uint8_t> bytes(message.begin(), message.end());
  return read_dns_answer(bytes, "a.test", type);
}

const std::string here = "\xc0\x0c"s;

TEST(DnsMessage, ReadsAnAddressBehindACompressedName) {
  const auto answer = read(header(0x8180, 1) + question + record(here, 1, "\xc0\0\2\1"s));
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->records.size(), 1);
  EXPECT_EQ(std::get<AddressRecord>(answer->records[0]),
            (AddressRecord{*Address::parse("192.0.2.1", 0), 60s}));
  EXPECT_EQ(answer->ttl, 60s);
}

TEST(DnsMessage, RefusesEveryAnswerThatIsCutShort) {
  const auto whole = header(0x8180, 2) + question + record(here, 5, "\1b\xc0\x0e"s) +
                     record("\1b\xc0\x0e"s, 1, "\xc0\0\2\1"s);
  ASSERT_TRUE(read(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(read(whole.substr(0, size))) << size;
}

TEST(DnsMessage, SurvivesEveryByteThatIsWrong) {
  const auto whole = header(0x8180, 2, 1) + question + record(here, 5, "\1b\xc0\x0e"s) +
                     record("\1b\xc0\x0e"s, 33, "\0\1\0\2\0\3\xc0\x0c"s) +
                     record("\xc0\x0e"s, 6, "\0\0"s + std::string(20, '\1'));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char wrong : "\0\1\x0c\x3f\x40\xc0\xff"s) {
      auto broken = whole;
      broken[at] = wrong;
      static_cast<void>(read(broken, DnsType::srv));
    }
  }
  EXPECT_TRUE(read(whole, DnsType::srv));
}

TEST(DnsMessage, RefusesNamesThatPointForwardsOrAtThemselves) {
  const auto at = static_cast<char>(12 + question.size());
  EXPECT_FALSE(read(header(0x8180, 1) + question + record("\xc0"s + at, 1, "\xc0\0\2\1"s)));
  EXPECT_FALSE(read(header(0x8180, 1) + question + record("\xc1\x00"s, 1, "\xc0\0\2\1"s)));
}

TEST(DnsMessage, RefusesANameLongerThan255Bytes) {
  std::string name;
  for (int i = 0; i < 4; ++i)
    name += "\x3f" + std::string(63, 'x');
  const auto longest = name.substr(0, 3 * 64) + "\x3d" + std::string(61, 'x');
  EXPECT_TRUE(read(header(0x8180, 1) + question + record(longest + '\0', 1, "\xc0\0\2\1"s)));
  EXPECT_FALSE(read(header(0x8180, 1) + question + record(name + '\0', 1, "\xc0\0\2\1"s)));
}

TEST(DnsMessage, RefusesALoopOfAliases) {
  EXPECT_FALSE(read(header(0x8180, 1) + question + record(here, 5, here)));
}

TEST(DnsMessage, RefusesQuestionsAndWhatIsCutShortByItsOwnWord) {
  const auto rest = question + record(here, 1, "\xc0\0\2\1"s);
  EXPECT_FALSE(read(header(0x0180, 1) + rest));
  EXPECT_FALSE(read(header(0x8380, 1) + rest));
}

TEST(DnsMessage, RefusesDataOfAnotherLengthThanItsType) {
  for (const auto& data : {"\xc0\0\2"s, "\xc0\0\2\1\1"s, ""s})
    EXPECT_FALSE(read(header(0x8180, 1) + question + record(here, 1, data)));
  EXPECT_FALSE(read(header(0x8180, 1) + question + record(here, 16, ""s), DnsType::txt));
  EXPECT_FALSE(read(header(0x8180, 1) + question + record(here, 16, "\5abc"s), DnsType::txt));
  EXPECT_FALSE(read(header(0x8180, 1) + question + record(here, 15, "\0\1"s), DnsType::mx));
}

TEST(DnsMessage, LeavesOutRecordsOfOtherNamesTypesAndClasses) {
  auto chaos = record(here, 1, "\xc0\0\2\1"s);
  chaos[5] = 3;
  const auto answer = read(header(0x8180, 3) + question + chaos + record(here, 16, "\1x"s) +
                           record("\xc0\x0e"s, 1, "\xc0\0\2\1"s));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->records.empty());
  EXPECT_FALSE(answer->ttl);
}

TEST(DnsMessage, TakesATtlThatLooksNegativeAsZero) {
  const auto answer =
      read(header(0x8180, 1) + question + record(here, 1, "\xc0\0\2\1"s, "\x80\0\0\0"s));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->ttl, 0s);
}

TEST(DnsMessage, KeepsNothingForTheShorterOfTheTtlAndTheMinimumOfTheZone) {
  const auto soa = [](const std::string& minimum) {
    return record("\xc0\x0e"s, 6, "\0\0"s + std::string(16, '\1') + minimum);
  };
  const auto with = [&](const std::string& minimum) {
    return read(header(0x8183, 0, 1) + question + soa(minimum));
  };
  EXPECT_EQ(with("\0\0\0\5"s)->ttl, 5s);
  EXPECT_EQ(with("\0\0\1\0"s)->ttl, 60s);
  EXPECT_EQ(with("\0\0\1\0"s)->code, DnsCode::no_such_name);
}

TEST(DnsMessage, WritesOutTheLettersThatNoNameHas) {
  const auto answer =
      read(header(0x8180, 1) + question + record(here, 12, "\5a.\\ \xff\0"s), DnsType::ptr);
  ASSERT_TRUE(answer);
  EXPECT_EQ(std::get<PtrRecord>(answer->records[0]).name, "a\\.\\\\\\032\\255");
}

TEST(DnsMessage, ComparesNamesWithoutRegardToCase) {
  const auto answer = read(header(0x8180, 1) + question + record("\1A\4tEST\0"s, 1, "\xc0\0\2\1"s));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->records.size(), 1);
}

}  // namespace
}  // namespace weft::detail
