#include "../framework/process_output.hpp"

#include "../testing/results.hpp"
#include "process_test.hpp"

#include <csignal>
#include <utility>

namespace weft::testing {
namespace {

using ::testing::HasSubstr;

class ProcessOutput : public Processes {
 protected:
  template <class T>
  [[nodiscard]] bool comes(const Deferred<T>& result) {
    return spin_until([&] { return result.ready(); });
  }
};

TEST_P(ProcessOutput, IsAllThatWasWrittenOnceTheProgramHasEnded) {
  auto output = get_process_output(*reactor_, child_that({"much", "300000"}));
  ASSERT_TRUE(comes(output));
  EXPECT_EQ(success_result_of(std::move(output)).size(), 300'000U);
}

TEST_P(ProcessOutput, AnswersTheInputThatIsGiven) {
  OutputOptions gathering;
  gathering.input = std::string(200'000, 'i');
  auto output = get_process_output(*reactor_, child_that({"cat"}), gathering);
  ASSERT_TRUE(comes(output));
  EXPECT_EQ(success_result_of(std::move(output)), gathering.input);
}

#ifndef _WIN32
TEST_P(ProcessOutput, AnswersInputOnATerminalWhetherOrNotItsLastLineEnds) {
  auto options = child_that({"cat"});
  options.terminal = TerminalSize();
  for (const char* const input : {"", "one\n", "one\ntwo"}) {
    OutputOptions gathering;
    gathering.input = input;
    auto output = get_process_output(*reactor_, options, gathering);
    ASSERT_TRUE(comes(output)) << input;
    const auto told = success_result_of(std::move(output));
    if (*input != '\0') {
      EXPECT_THAT(told, HasSubstr("one\r\n"));
    }
  }
}

#endif

TEST_P(ProcessOutput, FailsWithTheStatusAndTheLastWordsOfAProgramThatFailed) {
  auto output = get_process_output(*reactor_, child_that({"complain", "no such luck\n"}));
  ASSERT_TRUE(comes(output));
  const auto failure = failure_result_of<ProcessFailed>(std::move(output));
  EXPECT_EQ(failure.check<ProcessFailed>()->status().exit_code(), 7);
  EXPECT_THAT(failure.message(), HasSubstr("no such luck"));
}

TEST_P(ProcessOutput, FailsWhenTheProgramCannotBeRun) {
  auto output = get_process_output(*reactor_, {"/no/such/program"});
  EXPECT_TRUE(output.ready());
  static_cast<void>(failure_result_of<SpawnError>(std::move(output)));
}

TEST_P(ProcessOutput, HasALimitAtWhichItIsAllowedAndPastWhichTheProgramIsEnded) {
  OutputOptions gathering;
  gathering.max_output_bytes = 100'000;
  auto allowed = get_process_output(*reactor_, child_that({"much", "100000"}), gathering);
  ASSERT_TRUE(comes(allowed));
  EXPECT_EQ(success_result_of(std::move(allowed)).size(), 100'000U);

  auto too_much = get_process_output(*reactor_, child_that({"much", "100001"}), gathering);
  ASSERT_TRUE(comes(too_much));
  static_cast<void>(failure_result_of<OutputTooLong>(std::move(too_much)));
  auto endless = get_process_output(*reactor_, child_that({"much", "1000000000000"}), gathering);
  ASSERT_TRUE(comes(endless));
  static_cast<void>(failure_result_of<OutputTooLong>(std::move(endless)));
}

TEST_P(ProcessOutput, EndsTheProgramWhenItIsCancelled) {
  auto options = child_that({"ignore-term"});
  options.grace = std::chrono::milliseconds(1);
  auto output = get_process_output(*reactor_, options);
  output.cancel();
  EXPECT_TRUE(output.ready());
  static_cast<void>(failure_result_of<CancelledError>(std::move(output)));
#ifndef _WIN32
  EXPECT_TRUE(spin_until(no_child_is_left)) << "the loop reaps it";
#endif
}

TEST_P(ProcessOutput, ComesWithStandardErrorAndAnyStatusWhereThatIsAskedFor) {
  auto result = get_process_result(*reactor_, child_that({"complain", "badly"}));
  ASSERT_TRUE(comes(result));
  const auto told = success_result_of(std::move(result));
  EXPECT_EQ(told.out, "");
  EXPECT_EQ(told.err, "badly");
  EXPECT_EQ(told.status.exit_code(), 7);
}

TEST_P(ProcessOutput, RefusesInputThatNothingWouldTake) {
  auto options = child_that({"cat"});
  options.descriptors.insert_or_assign(0, ChildDescriptor::null());
  OutputOptions gathering;
  gathering.input = "lost";
  auto output = get_process_output(*reactor_, options, gathering);
  static_cast<void>(failure_result_of<InvalidArgument>(std::move(output)));
}

#ifndef _WIN32

void log_status(const ProcessStatus& status) {
  ADD_FAILURE() << status.text();
}

// [sorter]
class Sorter : public ProcessProtocol {
 public:
  void connection_made() override {
    process().write("pear\napple\n");
    process().close_stdin();
  }
  void out_received(BytesView data) override { sorted += data.text(); }
  void process_ended(const ProcessStatus& status) override { done = status.succeeded(); }

  std::string sorted;
  bool done = false;
};
// [sorter]

TEST_P(ProcessOutput, IsGatheredByTheProtocolsOfThePage) {
  auto& reactor = *reactor_;
  // [sort]
  auto sorter = std::make_shared<Sorter>();
  reactor.spawn_process(sorter, {"sort"});
  // [sort]
  EXPECT_TRUE(spin_until([&] { return sorter->done; }));
  EXPECT_EQ(sorter->sorted, "apple\npear\n");

  std::string shouted;
  // [output]
  OutputOptions quiet;
  quiet.input = "quiet";
  const auto done = get_process_output(reactor, {"tr", "a-z", "A-Z"}, quiet)
                        .add_callback([&](const std::string& out) { shouted = out; })
                        .add_errback<ProcessFailed>(
                            [](const ProcessFailed& failed) { log_status(failed.status()); });
  // [output]
  EXPECT_TRUE(spin_until([&] { return done.ready(); }));
  EXPECT_EQ(shouted, "QUIET");
}

#endif

class ProcessValue : public ProcessOutput {};

TEST_P(ProcessValue, IsTheExitCodeHoweverMuchIsWritten) {
  auto value = get_process_value(*reactor_, child_that({"exit", "23"}));
  ASSERT_TRUE(comes(value));
  EXPECT_EQ(success_result_of(std::move(value)), 23);
  OutputOptions gathering;
  gathering.max_output_bytes = 1;
  value = get_process_value(*reactor_, child_that({"much", "1000000"}), gathering);
  ASSERT_TRUE(comes(value));
  EXPECT_EQ(success_result_of(std::move(value)), 0);
}

TEST_P(ProcessValue, FailsWhenTheProgramDidNotExitByItself) {
  auto value = get_process_value(*reactor_, child_that({"fault"}));
  ASSERT_TRUE(comes(value));
  const auto failure = failure_result_of<ProcessFailed>(std::move(value));
  EXPECT_EQ(failure.check<ProcessFailed>()->status().signal(), SIGSEGV);
}

INSTANTIATE_TEST_SUITE_P(Each, ProcessOutput, ::testing::ValuesIn(reactors_with_processes()),
                         reactor_of);
INSTANTIATE_TEST_SUITE_P(Each, ProcessValue, ::testing::ValuesIn(reactors_with_processes()),
                         reactor_of);

}  // namespace
}  // namespace weft::testing
