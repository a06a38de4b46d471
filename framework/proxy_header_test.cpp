#include "proxy_header.hpp"

#include "detail/crc32c.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
namespace {

Address at(std::string_view host, Port port) {
  return Address::parse(host, port).value();
}

const ProxyHeader over_ipv4{at("192.0.2.7", 51234), at("198.51.100.1", 443), {}};
const ProxyHeader over_ipv6{at("2001:db8::7", 51234), at("2001:db8::1", 443), {}};
const ProxyHeader over_unix{
    Address::unix_socket("/run/client"), Address::unix_socket(std::string("\0server", 7)), {}};
const ProxyHeader with_fields{at("192.0.2.7", 51234),
                              at("198.51.100.1", 443),
                              {{ProxyField::alpn, "h2"}, {ProxyField::authority, "example.org"}}};
const ProxyHeader of_nobody{};

std::vector<std::string> good_headers() {
  return {over_ipv4.version_1(),   over_ipv6.version_1(), of_nobody.version_1(),
          over_ipv4.version_2(),   over_ipv6.version_2(), over_unix.version_2(),
          with_fields.version_2(), of_nobody.version_2()};
}

// Reads `bytes` in pieces of `size`, and gives what is behind the header, or nothing when it is
// not whole.
std::optional<std::string> rest_of(std::string_view bytes, std::size_t size, ProxyHeader& header) {
  ProxyHeaderParser parser;
  for (std::size_t from = 0; from < bytes.size(); from += size) {
    const auto piece = bytes.substr(from, size);
    const auto used = parser.read(piece);
    if (!parser.whole()) {
      EXPECT_EQ(used, piece.size());
      continue;
    }
    header = parser.header();
    return std::string(bytes.substr(from + used));
  }
  return std::nullopt;
}

ProxyHeader read(std::string_view bytes) {
  ProxyHeader header;
  EXPECT_EQ(rest_of(bytes, bytes.size(), header), "") << bytes;
  return header;
}

// Whether the bytes are refused, however they are cut, rather than taken or waited for.
bool refused(std::string_view bytes) {
  const auto refused_in_pieces_of = [&](std::size_t size) {
    ProxyHeader header;
    try {
      rest_of(bytes, size, header);
      return false;
    } catch (const ProxyError&) {
      return true;
    }
  };
  const bool at_once = refused_in_pieces_of(bytes.size());
  EXPECT_EQ(refused_in_pieces_of(1), at_once) << bytes;
  return at_once;
}

// ---- what is good

TEST(ProxyHeader, OfVersion1IsWhatTheSpecificationShows) {
  EXPECT_EQ(over_ipv4.version_1(), "PROXY TCP4 192.0.2.7 198.51.100.1 51234 443\r\n");
  EXPECT_EQ(over_ipv6.version_1(), "PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n");
  EXPECT_EQ(of_nobody.version_1(), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(over_unix.version_1(), "PROXY UNKNOWN\r\n");
}

TEST(ProxyHeader, OfVersion2BeginsAsTheSpecificationShows) {
  const auto header = over_ipv4.version_2();
  EXPECT_EQ(header.substr(0, 16),
            std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x13", 16));  // 12 bytes and a checksum
  EXPECT_EQ(header.substr(16, 12),
            std::string("\xc0\x00\x02\x07\xc6\x33\x64\x01\xc8\x22\x01\xbb", 12));
}

TEST(ProxyHeader, ComesBackFromBothVersions) {
  EXPECT_EQ(read(over_ipv4.version_1()), over_ipv4);
  EXPECT_EQ(read(over_ipv6.version_1()), over_ipv6);
  EXPECT_EQ(read(of_nobody.version_1()), of_nobody);
  EXPECT_EQ(read(over_ipv4.version_2()), over_ipv4);
  EXPECT_EQ(read(over_ipv6.version_2()), over_ipv6);
  EXPECT_EQ(read(over_unix.version_2()), over_unix);
  EXPECT_EQ(read(with_fields.version_2()), with_fields);
  EXPECT_EQ(read(of_nobody.version_2()), of_nobody);
}

TEST(ProxyHeader, IsReadHoweverItIsCutAndLeavesWhatIsBehindIt) {
  for (const auto& good : good_headers()) {
    ProxyHeader whole;
    ASSERT_EQ(rest_of(good, good.size(), whole), "");
    const auto bytes = good + "GET / HTTP/1.1\r\n";
    for (std::size_t size = 1; size <= bytes.size(); ++size) {
      ProxyHeader header;
      const auto rest = rest_of(bytes, size, header);
      ASSERT_TRUE(rest) << size;
      EXPECT_EQ(*rest, "GET / HTTP/1.1\r\n") << size;
      EXPECT_EQ(header, whole) << size;
    }
  }
}

TEST(ProxyHeader, OfTheLongestLineIsRead) {
  const std::string longest =
      "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535" + std::string(48, ' ') + "\r\n";
  ASSERT_EQ(longest.size(), 107u);
  EXPECT_EQ(read(longest), of_nobody);
  EXPECT_TRUE(refused(" " + longest));
  EXPECT_TRUE(refused(longest.substr(0, 105) + " \r\n"));
}

TEST(ProxyHeader, TellsItsFieldsByTheirType) {
  EXPECT_EQ(with_fields.field(ProxyField::authority), "example.org");
  EXPECT_EQ(with_fields.field(ProxyField::unique_id), std::nullopt);
}

TEST(ProxyHeader, IgnoresWhatAProxyThatTalksForItselfSaysOfAddresses) {
  auto bytes = over_ipv4.version_2();
  bytes[12] = '\x20';
  EXPECT_EQ(read(bytes), of_nobody);
}

TEST(ProxyHeader, TellsAMappedIpv4AddressAsTheIpv4AddressThatItIs) {
  const ProxyHeader mapped{at("::ffff:192.0.2.7", 51234), at("::ffff:198.51.100.1", 443), {}};
  EXPECT_EQ(read(mapped.version_1()), over_ipv4);
  EXPECT_EQ(read(mapped.version_2()), over_ipv4);
}

TEST(ProxyHeader, RefusesToBeWrittenForAPathThatItCannotHold) {
  const ProxyHeader header{
      Address::unix_socket(std::string(109, 'x')), Address::unix_socket("y"), {}};
  EXPECT_THROW(static_cast<void>(header.version_2()), InvalidArgument);
}

TEST(ProxyHeader, HasOneChecksumWhateverFieldsItIsGiven) {
  auto header = over_ipv4;
  header.fields = {{ProxyField::crc32c, "1234"}};
  EXPECT_EQ(read(header.version_2()), over_ipv4);
}

TEST(ProxyHeader, ShowsNoControlCharactersOfAPeerInItsErrors) {
  ProxyHeaderParser parser;
  try {
    parser.read("PROXY TCP4 \x1b[2J 1.2.3.4 1 2\r\n");
    ADD_FAILURE();
  } catch (const ProxyError& error) {
    EXPECT_EQ(std::string(error.what()).find('\x1b'), std::string::npos);
  }
}

TEST(ProxyHeader, RefusesToBeWrittenForTwoFamilies) {
  const ProxyHeader mixed{at("192.0.2.7", 1), at("::1", 2), {}};
  EXPECT_THROW(static_cast<void>(mixed.version_1()), InvalidArgument);
  EXPECT_THROW(static_cast<void>(mixed.version_2()), InvalidArgument);
}

TEST(ProxyHeader, RefusesToBeWrittenWithMoreThanItCanHold) {
  auto header = over_ipv4;
  header.fields = {{ProxyField::ssl, std::string(0x10000, 'x')}};
  EXPECT_THROW(static_cast<void>(header.version_2()), InvalidArgument);
  header.fields = {{ProxyField::ssl, std::string(0x9000, 'x')},
                   {ProxyField::ssl, std::string(0x9000, 'x')}};
  EXPECT_THROW(static_cast<void>(header.version_2()), InvalidArgument);
}

TEST(ProxyHeader, HasTheChecksumOfTheReference) {
  EXPECT_EQ(detail::crc32c("123456789"), 0xe3069283u);
}

// ---- what is bad

TEST(ProxyHeader, RefusesWhatBeginsInAnotherWayAtItsFirstByte) {
  for (const auto* const bytes : {"GET / HTTP/1.1\r\n", "\x16\x03\x01", "Q", "\n", "\0"}) {
    ProxyHeaderParser parser;
    EXPECT_THROW(parser.read(BytesView(bytes, 1)), ProxyError);
  }
}

TEST(ProxyHeader, RefusesWhatIsTooLongOnceItSaysSo) {
  auto header = over_ipv4;
  header.fields = {{ProxyField::ssl, std::string(5000, 'x')}};
  const auto bytes = header.version_2();
  ProxyHeaderParser strict;
  EXPECT_THROW(strict.read(BytesView(bytes).first(16)), ProxyError);
  ProxyHeaderParser generous(8000);
  generous.read(bytes);
  EXPECT_EQ(generous.header(), header);
}

TEST(ProxyHeader, RefusesAWrongChecksum) {
  auto bytes = with_fields.version_2();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  EXPECT_TRUE(refused(bytes));
}

// Every line that differs from a good one in one word is none.
std::vector<std::string> bad_lines() {
  std::vector<std::string> lines;
  const std::vector<std::string> words = {"PROXY", "TCP4", "192.0.2.7", "198.51.100.1", "1", "443"};
  const std::vector<std::vector<std::string>> wrong = {
      {"proxy", "PROXY2", "PROX", ""},
      {"TCP", "TCP6", "tcp4", "UDP4", "TCP44", ""},
      {"192.0.2", "192.0.2.256", "192.0.2.7.", "::1", "host", "192.0.02.7", "192.0.2.7/8", "%", ""},
      {"198.51.100", "1", "::ffff:1.2.3.4", "-1.1.1.1", "198.51.100.1\t", ""},
      {"65536", "-1", "+1", "01", "0x1", "1.5", "a", "99999999999999999999", ""},
      {"65536", "-1", "+1", "0443", "443 ", "443 443", "a", "443\n", "443\t", ""}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    for (const auto& replacement : wrong[i]) {
      auto changed = words;
      changed[i] = replacement;
      std::string line;
      for (const auto& word : changed)
        line += (&word == &changed.front() ? "" : " ") + word;
      lines.push_back(line + "\r\n");
    }
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    std::string without;
    for (std::size_t j = 0; j < words.size(); ++j) {
      if (j != i) without += (without.empty() ? "" : " ") + words[j];
    }
    lines.push_back(without + "\r\n");
    lines.push_back(without + "\n");
  }
  const auto good = over_ipv4.version_1();
  for (auto space = good.find(' '); space != std::string::npos; space = good.find(' ', space + 1)) {
    for (const auto* const other : {"  ", "\t", ","}) {
      auto line = good;
      lines.push_back(line.replace(space, 1, other));
    }
  }
  const auto six = [](const std::string& address) {
    return "PROXY TCP6 " + address + " ::1 1 2\r\n";
  };
  for (const auto* const address :
       {"192.0.2.7", "::1%1", ":::", "1::2::3", "12345::", "[::1]", "g::", "1:2:3:4:5:6:7"}) {
    lines.push_back(six(address));
  }
  return lines;
}

// Every header of version 2 of which one of the bytes that count is another.
std::vector<std::string> bad_blocks() {
  std::vector<std::string> blocks;
  for (const auto& good : {over_ipv4.version_2(), over_ipv6.version_2(), over_unix.version_2(),
                           with_fields.version_2()}) {
    for (std::size_t i = 1; i < 12; ++i) {
      auto bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ 0x40);
      blocks.push_back(bytes);
    }
    for (const int version_and_command : {0x01, 0x11, 0x22, 0x2f, 0x31, 0xf1}) {
      auto bytes = good;
      bytes[12] = static_cast<char>(version_and_command);
      blocks.push_back(bytes);
    }
    for (const int carrier : {0x01, 0x10, 0x12, 0x13, 0x22, 0x32, 0x41, 0xff}) {
      auto bytes = good;
      bytes[13] = static_cast<char>(carrier);
      blocks.push_back(bytes);
    }
    // Cut short within the addresses, with a length that agrees.
    for (const std::size_t size : {0, 1, 3, 8, 11}) {
      auto bytes = good.substr(0, 16 + size);
      bytes[14] = 0;
      bytes[15] = static_cast<char>(size);
      blocks.push_back(bytes);
    }
  }
  // Fields that are cut short, or longer than the header.
  const auto addresses = over_ipv4.version_2().substr(0, 28);
  const std::vector<std::string> bad_fields = {std::string("\x01"),
                                               std::string("\x01\x00", 2),
                                               std::string("\x01\x00\x01", 3),
                                               std::string("\x01\xff\xff", 3),
                                               std::string("\x03\x00\x03\x00\x00\x00", 6),
                                               std::string("\x03\x00\x04\x00\x00\x00\x00", 7)};
  for (const auto& fields : bad_fields) {
    auto bytes = addresses + fields;
    bytes[15] = static_cast<char>(12 + fields.size());
    blocks.push_back(bytes);
  }
  return blocks;
}

TEST(ProxyHeader, RefusesEveryMalformedOneOfTheCorpus) {
  auto corpus = bad_lines();
  const auto blocks = bad_blocks();
  corpus.insert(corpus.end(), blocks.begin(), blocks.end());
  EXPECT_GE(corpus.size(), 200u);
  for (const auto& bytes : corpus)
    EXPECT_TRUE(refused(bytes)) << ::testing::PrintToString(bytes);
}

TEST(ProxyHeader, ReadsOrRefusesOrWaitsForWhateverIsDamagedAtRandom) {
  std::mt19937 random(4);
  for (const auto& good : good_headers()) {
    for (int round = 0; round < 500; ++round) {
      auto bytes = good;
      for (int changes = 0; changes <= round % 3; ++changes)
        bytes[random() % bytes.size()] = static_cast<char>(random());
      if (round % 5 == 0) bytes.resize(random() % bytes.size());
      ProxyHeader by_bytes;
      ProxyHeader at_once;
      std::optional<std::string> rest;
      bool taken = false;
      try {
        rest = rest_of(bytes, bytes.size() + 1, at_once);
        taken = true;
      } catch (const ProxyError&) {
      }
      bool taken_by_bytes = false;
      try {
        EXPECT_EQ(rest_of(bytes, 1, by_bytes), rest);
        taken_by_bytes = true;
      } catch (const ProxyError&) {
      }
      EXPECT_EQ(taken, taken_by_bytes);
      EXPECT_EQ(by_bytes, at_once);
    }
  }
}

}  // namespace
}  // namespace weft
