#include "windows_command.hpp"

#include "../../framework/error.hpp"
#include "utf16.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace weft::detail {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::string_literals;

using Strings = std::vector<std::string>;

std::string command_line(const Strings& arguments, const std::string& called = "x") {
  return utf8_from(windows_command_line(called, arguments));
}

// The rules of the C runtime, as its documentation has them: the other way round, written apart.
Strings taken_apart(const std::string& line) {
  Strings all(1);
  std::size_t at = 1;
  while (line[at] != '"')
    all.back() += line[at++];
  ++at;
  while (at < line.size()) {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t'))
      ++at;
    if (at == line.size()) break;
    all.emplace_back();
    for (bool quoted = false; at < line.size(); ++at) {
      std::size_t backslashes = 0;
      for (; at < line.size() && line[at] == '\\'; ++at)
        ++backslashes;
      const bool at_quote = at < line.size() && line[at] == '"';
      all.back().append(at_quote ? backslashes / 2 : backslashes, '\\');
      if (at == line.size()) break;
      if (at_quote && backslashes % 2 == 0) {
        quoted = !quoted;
      } else if (!quoted && (line[at] == ' ' || line[at] == '\t')) {
        break;
      } else {
        all.back() += line[at];
      }
    }
  }
  return all;
}

TEST(WindowsCommandLine, QuotesWhatItMustAndDoublesBackslashesBeforeQuotesAlone) {
  const struct {
    Strings arguments;
    std::string line;
  } cases[] = {
      {{}, R"("x")"},
      {{""}, R"("x" "")"},
      {{"plain", "/a:b", "k=v"}, R"("x" plain /a:b k=v)"},
      {{"two words"}, R"("x" "two words")"},
      {{"tab\t", "line\n"}, "\"x\" \"tab\t\" \"line\n\""},
      {{R"(C:\dir\)"}, R"("x" C:\dir\)"},
      {{R"(C:\a dir\)"}, R"("x" "C:\a dir\\")"},
      {{R"(C:\a dir\\)"}, R"("x" "C:\a dir\\\\")"},
      {{R"(")"}, R"("x" "\"")"},
      {{R"(\")"}, R"("x" "\\\"")"},
      {{R"(a\\"b)"}, R"("x" "a\\\\\"b")"},
      {{R"(say "hi")"}, R"("x" "say \"hi\"")"},
      {{"*.txt", "a?"}, R"("x" "*.txt" "a?")"},
      {{"%PATH%", "a&b", "^"}, R"("x" "%PATH%" "a&b" "^")"},
      {{"\xC3\xA4"}, "\"x\" \"\xC3\xA4\""},
  };
  for (const auto& [arguments, line] : cases) {
    EXPECT_EQ(command_line(arguments), line);
    Strings whole{"x"};
    whole.insert(whole.end(), arguments.begin(), arguments.end());
    EXPECT_EQ(taken_apart(line), whole);
  }
}

TEST(WindowsCommandLine, IsTakenApartToWhatItWasMadeOf) {
  std::mt19937 random(4);
  const std::string letters = "ab\\\\\\\"\"\" \t*\n";
  for (int round = 0; round < 5000; ++round) {
    Strings whole{R"(C:\Program Files\x\)"};
    for (auto count = random() % 5; count > 0; --count) {
      whole.emplace_back();
      for (auto size = random() % 8; size > 0; --size)
        whole.back() += letters[random() % letters.size()];
    }
    const auto line = command_line({whole.begin() + 1, whole.end()}, whole.front());
    ASSERT_EQ(taken_apart(line), whole) << line;
  }
}

TEST(WindowsCommandLine, RefusesWhatItCannotCarry) {
  EXPECT_THROW(command_line({"\xFF"}), InvalidArgument);
  EXPECT_THROW(command_line({"a\0b"s}), InvalidArgument);
  EXPECT_THROW(command_line({}, "a\"b"), InvalidArgument);
  EXPECT_THROW(command_line({}, "\xC3"), InvalidArgument);
}

TEST(WindowsEnvironment, IsSortedByNamesWithoutTheirCaseAndEndsTwice) {
  EXPECT_EQ(windows_environment({{"b", "1"}, {"A-B", "2"}, {"C", ""}, {"A", "3=4"}}),
            u"A=3=4\0A-B=2\0b=1\0C=\0\0"s);
  EXPECT_EQ(windows_environment({}), u"\0\0"s);
}

TEST(WindowsEnvironment, RefusesNamesThatAreNoneOrComeTwice) {
  EXPECT_THROW(windows_environment({{"", "x"}}), InvalidArgument);
  EXPECT_THROW(windows_environment({{"a=b", "x"}}), InvalidArgument);
  EXPECT_THROW(windows_environment({{"Path", "x"}, {"PATH", "y"}}), InvalidArgument);
  EXPECT_THROW(windows_environment({{"a", "\xFE"}}), InvalidArgument);
  EXPECT_THROW(windows_environment({{"a", "b\0c"s}}), InvalidArgument);
}

TEST(WindowsEnvironment, FindsAVariableWhateverItsCase) {
  EXPECT_EQ(windows_variable({{"Path", "here"}}, "PATH"), "here");
  EXPECT_EQ(windows_variable({{"Pat", "here"}}, "PATH"), "");
}

TEST(WindowsCandidates, AreLookedForInTheFoldersOfThePathAlone) {
  EXPECT_THAT(windows_candidates(u"tool", uR"(C:\a;"D:\b;c";;e\)", u""),
              ElementsAre(uR"(C:\a\tool.exe)", uR"(C:\a\tool)", uR"(D:\b;c\tool.exe)",
                          uR"(D:\b;c\tool)", uR"(e\tool.exe)", uR"(e\tool)"));
  EXPECT_THAT(windows_candidates(u"tool.com", uR"(C:\a)", u""),
              ElementsAre(uR"(C:\a\tool.com)", uR"(C:\a\tool.com.exe)"));
  EXPECT_THAT(windows_candidates(u"tool", u"", u""), ElementsAre());
}

TEST(WindowsCandidates, BeginInTheDirectoryOfTheChildWhereTheyAreRelative) {
  EXPECT_THAT(windows_candidates(uR"(bin\tool.exe)", uR"(C:\a)", uR"(D:\home)"),
              ElementsAre(uR"(D:\home\bin\tool.exe)", uR"(D:\home\bin\tool.exe.exe)"));
  EXPECT_THAT(windows_candidates(u"C:/tool.exe", u"", uR"(D:\home)"),
              ElementsAre(u"C:/tool.exe", u"C:/tool.exe.exe"));
  EXPECT_THAT(windows_candidates(u"tool.exe", u"bin", u"D:/home/"),
              ElementsAre(uR"(D:/home/bin\tool.exe)", uR"(D:/home/bin\tool.exe.exe)"));
}

TEST(WindowsBatchFiles, AreKnownHoweverTheyAreSpelt) {
  for (const auto* const path : {u"x.bat", u"X.CmD", u"C:\\dir.d\\x.bat", u"c:x.cmd", u"x.bat. .",
                                 u"x.bat::$DATA", u"/x.bat:stream"}) {
    EXPECT_TRUE(is_batch_file(path)) << utf8_from(path);
  }
  for (const auto* const path : {u"x.exe", u"bat", u"x.bat.exe", u"C:\\x.bat\\y.exe", u"", u"..."})
    EXPECT_FALSE(is_batch_file(path)) << utf8_from(path);
}

TEST(Utf16, CarriesEveryKindOfCharacterThereAndBack) {
  const std::string text =
      "a\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF"
      "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";
  const auto converted = utf16_from(text);
  ASSERT_TRUE(converted);
  EXPECT_EQ(*converted, (std::u16string{'a', 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF,
                                        0xD800, 0xDC00, 0xDBFF, 0xDFFF}));
  EXPECT_EQ(utf8_from(*converted), text);
}

TEST(Utf16, RefusesWhatIsNoUtf8AndReplacesHalfAPair) {
  for (const auto* const text :
       {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5", "a\xE2\x82", "\xC3("})
    EXPECT_EQ(utf16_from(text), std::nullopt) << text;
  EXPECT_EQ(utf8_from(std::u16string{0xD800, 'a', 0xDC00, 0xD800}),
            "\xEF\xBF\xBD"
            "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

}  // namespace
}  // namespace weft::detail
