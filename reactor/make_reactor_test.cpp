#include "make_reactor.hpp"

#include "../framework/error.hpp"
#include "../testing/log_capture.hpp"
#include "react.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>

namespace weft {
namespace {

void set_environment(const char* name, const char* value) {
#ifdef _WIN32
  _putenv_s(name, value);
#else
  setenv(name, value, 1);
#endif
}

// Gives WEFT_REACTOR a value, and its old one back.
class ChosenByEnvironment {
 public:
  explicit ChosenByEnvironment(const std::string& name) {
    if (const char* const before = std::getenv("WEFT_REACTOR")) before_ = before;
    set_environment("WEFT_REACTOR", name.c_str());
  }
  ~ChosenByEnvironment() { set_environment("WEFT_REACTOR", before_.c_str()); }
  ChosenByEnvironment(const ChosenByEnvironment&) = delete;
  ChosenByEnvironment& operator=(const ChosenByEnvironment&) = delete;

 private:
  std::string before_;
};

// Before any test registers another.
const auto built_in = reactor_names();

TEST(MakeReactor, MakesEachThatIsBuiltIn) {
  EXPECT_FALSE(built_in.empty());
  for (const auto& name : built_in)
    EXPECT_EQ(make_reactor(name)->name(), name);
}

TEST(MakeReactor, TakesTheBestWhenNobodySaysAnything) {
  const ChosenByEnvironment nothing("");
  EXPECT_EQ(make_reactor()->name(), reactor_names().front());
}

TEST(MakeReactor, FollowsTheEnvironmentUnlessItIsGivenAName) {
  const ChosenByEnvironment chosen("select");
  EXPECT_EQ(make_reactor()->name(), "select");
  EXPECT_EQ(make_reactor(reactor_names().front())->name(), reactor_names().front());
}

TEST(MakeReactor, NamesThoseItKnowsWhenItDoesNotKnowOne) {
  try {
    static_cast<void>(make_reactor("perpetuum"));
    FAIL() << "a reactor of that name was made";
  } catch (const InvalidArgument& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("perpetuum"), std::string::npos);
    for (const auto& name : reactor_names())
      EXPECT_NE(message.find(name), std::string::npos);
  }
}

TEST(MakeReactor, KnowsALoopThatWasRegisteredUnderANameOfItsOwn) {
  static int made = 0;
  const auto name = "counted_" + std::to_string(reactor_names().size());
  const auto make = [] {
    ++made;
    return make_reactor("select");
  };
  register_reactor(name, make);
  const int before = made;
  static_cast<void>(make_reactor(name));
  EXPECT_EQ(made, before + 1);
  EXPECT_EQ(reactor_names().back(), name);
  EXPECT_THROW(register_reactor(name, make), InvalidArgument);
  EXPECT_THROW(register_reactor("", make), InvalidArgument);
  EXPECT_THROW(register_reactor("empty", nullptr), InvalidArgument);
}

TEST(React, GivesWhatMainFiresAsTheExitStatus) {
  EXPECT_EQ(react([](Reactor&) { return succeed(3); }), 3);
  EXPECT_EQ(react([](Reactor& reactor) {
              Promise<int> later;
              auto result = later.deferred();
              reactor.call_later(Duration::zero(),
                                 [later = std::move(later)]() mutable { later.callback(4); });
              return result;
            }),
            4);
}

TEST(React, PrintsAFailureAndGivesOne) {
  const testing::LogCapture log;
  EXPECT_EQ(react([](Reactor&) { return fail<int>(Failure(std::runtime_error("no luck"))); }), 1);
  EXPECT_TRUE(log.contains("no luck"));
}

TEST(React, PrintsWhatMainThrowsAndGivesOne) {
  const testing::LogCapture log;
  EXPECT_EQ(react([](Reactor&) -> Deferred<int> { throw std::runtime_error("no start"); }), 1);
  EXPECT_TRUE(log.contains("no start"));
}

TEST(React, CancelsMainWhenTheReactorIsStopped) {
  bool cancelled = false;
  std::optional<Promise<int>> never;
  const int status = react([&](Reactor& reactor) {
    never.emplace([&cancelled] { cancelled = true; });
    reactor.call_later(Duration::zero(), [&reactor] { reactor.stop(); });
    return never->deferred();
  });
  EXPECT_EQ(status, 1);
  EXPECT_TRUE(cancelled);
}

}  // namespace
}  // namespace weft
