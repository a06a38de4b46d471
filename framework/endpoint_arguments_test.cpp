#include "endpoint_arguments.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft {
namespace {

using namespace std::chrono_literals;

// What went wrong when `use` was given the arguments of `text`.
std::optional<EndpointError> error_of(
    std::string_view text,
    const std::function<void(EndpointArguments&)>& use = [](EndpointArguments& a) { a.finish(); }) {
  try {
    EndpointArguments arguments(text);
    use(arguments);
    return std::nullopt;
  } catch (const EndpointError& error) {
    return error;
  }
}

std::string bad_part(std::string_view text, const EndpointError& error) {
  return std::string(text.substr(error.position(), error.length()));
}

TEST(EndpointArguments, AreDividedByColonsBehindTheKind) {
  EndpointArguments arguments("tcp:example.org:80");
  EXPECT_EQ(arguments.kind().text, "tcp");
  EXPECT_EQ(arguments.required("host").text, "example.org");
  EXPECT_EQ(arguments.required("port").text, "80");
  EXPECT_NO_THROW(arguments.finish());
}

TEST(EndpointArguments, GoByNameBeforeTheyGoByPlace) {
  EndpointArguments arguments("tcp:port=80:example.org:timeout=5");
  EXPECT_EQ(arguments.required("host").text, "example.org");
  EXPECT_EQ(arguments.required("port").text, "80");
  EXPECT_EQ(arguments.named("timeout")->text, "5");
  EXPECT_FALSE(arguments.named("bind"));
  EXPECT_NO_THROW(arguments.finish());
}

TEST(EndpointArguments, AreNoneBehindAKindAlone) {
  for (const auto* const text : {"stdio", "stdio:"}) {
    EndpointArguments arguments(text);
    EXPECT_FALSE(arguments.optional("anything")) << text;
    EXPECT_NO_THROW(arguments.finish()) << text;
  }
}

TEST(EndpointArguments, MayBeEmptyBetweenColons) {
  EndpointArguments arguments("x::b:");
  const auto all = arguments.places();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].text, "");
  EXPECT_EQ(all[1].text, "b");
  EXPECT_EQ(all[2].text, "");
}

TEST(EndpointArguments, LoseTheirBackslashes) {
  EndpointArguments arguments(R"(unix:/a\:b\\c\=d:mode=6\00)");
  EXPECT_EQ(arguments.required("path").text, R"(/a:b\c=d)");
  EXPECT_EQ(arguments.required("mode").text, "600");
}

TEST(EndpointArguments, KeepWhatIsInBracketsTogether) {
  EndpointArguments arguments("tcp:[::1]:80:bind=[[::1]:4000]:over=[unix:/a\\]b]");
  EXPECT_EQ(arguments.required("host").text, "::1");
  EXPECT_EQ(arguments.required("port").text, "80");
  EXPECT_EQ(arguments.named("bind")->text, "[::1]:4000");
  EXPECT_EQ(arguments.named("over")->text, "unix:/a\\]b");
}

TEST(EndpointArguments, ComeBackWhateverTheyContain) {
  for (const std::string value : {"plain", "a:b", "a=b", "\\", "[::1]", "::", "=", "a\\:b=[c]"}) {
    EndpointArguments arguments("x:" + escape_endpoint_value(value));
    EXPECT_EQ(arguments.required("value").text, value);
    EXPECT_NO_THROW(arguments.finish()) << value;
  }
}

TEST(EndpointArguments, PointAtWhatIsWrongWithTheString) {
  const struct {
    const char* text;
    const char* part;
  } cases[] = {{"", ""},
               {":80", ""},
               {"TCP:80", "TCP"},
               {"tcp 80", "tcp 80"},
               {"tcp:80\\", "\\"},
               {"tcp:[::1", "["},
               {"tcp:[::1]80", "8"},
               {"tcp:one", "one"},
               {"tcp:name=value", "name=value"}};
  for (const auto& [text, part] : cases) {
    const auto error = error_of(text);
    ASSERT_TRUE(error) << text;
    EXPECT_EQ(bad_part(text, *error), part) << text;
  }
}

TEST(EndpointArguments, SayWhatIsMissing) {
  const auto error =
      error_of("tcp:", [](EndpointArguments& a) { static_cast<void>(a.required("port")); });
  ASSERT_TRUE(error);
  EXPECT_STREQ(error->what(), "The endpoint \"tcp:\" is wrong at its end: \"tcp\" needs \"port\".");
  EXPECT_EQ(error->picture(), "tcp:\n    ^");
}

TEST(EndpointArguments, RefuseAnArgumentThatIsGivenTwice) {
  const std::string_view text = "tcp:80:port=81:port=82";
  const auto error = error_of(text, [](EndpointArguments& a) {
    EXPECT_EQ(a.required("port").text, "81");
    EXPECT_EQ(a.optional("other")->text, "80");
    a.finish();
  });
  ASSERT_TRUE(error);
  EXPECT_EQ(bad_part(text, *error), "port=82");
}

TEST(EndpointArguments, DrawAMarkBelowTheBadPart) {
  const auto error = error_of(
      "tcp:80x", [](EndpointArguments& a) { static_cast<void>(a.port(a.required("port"))); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->picture(), "tcp:80x\n    ^~~");
  EXPECT_STREQ(error->what(),
               "The endpoint \"tcp:80x\" is wrong at \"80x\" (character 5): a port is a number "
               "from 0 to 65535.");
}

// Whether `read` refuses `value`.
template <class Read>
bool refuses(const std::string& value, Read&& read) {
  return error_of("x:" + value,
                  [&](EndpointArguments& a) { static_cast<void>(read(a, a.required("value"))); })
      .has_value();
}

template <class Read>
auto value_of(const std::string& value, Read&& read) {
  EndpointArguments arguments("x:" + value);
  return read(arguments, arguments.required("value"));
}

TEST(EndpointArguments, ReadPorts) {
  const auto read = [](const auto& a, const auto& value) { return a.port(value); };
  EXPECT_EQ(value_of("0", read), 0);
  EXPECT_EQ(value_of("65535", read), 65535);
  for (const auto* const bad : {"", "65536", "-1", "+1", "http", "80 ", "99999999999"}) {
    EXPECT_TRUE(refuses(bad, read)) << bad;
  }
}

TEST(EndpointArguments, ReadTimes) {
  const auto read = [](const auto& a, const auto& value) { return a.seconds(value); };
  EXPECT_EQ(value_of("5", read), 5s);
  EXPECT_EQ(value_of("0.25", read), 250ms);
  for (const auto* const bad : {"", "0", "-1", "nan", "inf", "1s", "1e300"}) {
    EXPECT_TRUE(refuses(bad, read)) << bad;
  }
}

TEST(EndpointArguments, ReadModesAndAnswers) {
  const auto mode = [](const auto& a, const auto& value) { return a.octal_number(value); };
  EXPECT_EQ(value_of("0660", mode), 0660u);
  EXPECT_TRUE(refuses("888", mode));
  EXPECT_TRUE(refuses("77777", mode));
  const auto answer = [](const auto& a, const auto& value) { return a.yes_or_no(value); };
  EXPECT_TRUE(value_of("yes", answer));
  EXPECT_FALSE(value_of("0", answer));
  EXPECT_TRUE(refuses("perhaps", answer));
}

TEST(EndpointArguments, ReadListsWithoutHoles) {
  const auto read = [](const auto& a, const auto& value) { return a.list(value).size(); };
  EXPECT_EQ(value_of("a,b,c", read), 3u);
  for (const auto* const bad : {"", ",", "a,", "a,,b"}) {
    EXPECT_TRUE(refuses(bad, read)) << bad;
  }
}

TEST(EndpointArguments, GiveTheEndpointWithinWithItsEscapes) {
  EndpointArguments arguments("haproxy:version=1:unix:/a\\:b:mode=600");
  EXPECT_EQ(arguments.named("version")->text, "1");
  EXPECT_EQ(arguments.endpoint_within().text, "unix:/a\\:b:mode=600");
  EXPECT_NO_THROW(arguments.finish());
  EXPECT_TRUE(
      error_of("haproxy:version=1", [](auto& a) { static_cast<void>(a.endpoint_within()); }));
}

}  // namespace
}  // namespace weft
