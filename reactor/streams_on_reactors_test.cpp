#include "../framework/coroutines/task_group.hpp"
#include "../framework/coroutines/with_timeout.hpp"
#include "../protocols/stream_listener.hpp"
#include "../protocols/stream_server.hpp"
#include "../testing/conformance/reactor_fixture.hpp"
#include "../testing/log_capture.hpp"
#include "../testing/results.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace weft {
namespace {

using namespace std::chrono_literals;
using testing::failure_result_of;
using testing::success_result_of;

Task<void> echo(Stream& stream) {
  while (const auto data = co_await stream.read_some())
    co_await stream.write(*data);
}

class StreamsOn : public ::testing::TestWithParam<std::string> {
 protected:
  // Runs until the task has ended, and gives its result.
  template <class T>
  T run(Task<T> task) {
    auto running = ensure_deferred(std::move(task));
    EXPECT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return running.ready(); }));
    return success_result_of(std::move(running));
  }
  Port serve(ServeStream how) {
    port_ = reactor_->listen_tcp(0, stream_server(std::move(how)), testing::on_loopback());
    return port_.address().port();
  }
  void wait_for_the_last_connection() {
    EXPECT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return port_.connections() == 0; }));
    port_.stop();
  }

  const testing::LogCapture log_;
  std::unique_ptr<Reactor> reactor_ = make_reactor(GetParam());
  ListeningPort port_;
};

INSTANTIATE_TEST_SUITE_P(Each, StreamsOn, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

TEST_P(StreamsOn, EchoMoreThanAnyBufferHoldsAndEndInBothDirections) {
  const auto port = serve(echo);
  const std::string text(2'000'000, 'e');
  const auto talk = [&]() -> Task<std::string> {
    const auto stream = co_await open_stream(*reactor_, "127.0.0.1", port);
    std::string back;
    co_await with_task_group([&](TaskGroup& group) -> Task<void> {
      group.adopt(stream->write(text).add_callback([&] { stream->lose_write_connection(); }));
      back = co_await stream->read_all(text.size());
    });
    co_await stream->close();
    co_return back;
  };
  EXPECT_EQ(run(talk()), text);
  wait_for_the_last_connection();
  EXPECT_TRUE(log_.lines().empty());
}

TEST_P(StreamsOn, AreAcceptedAndAnswerWhoHasHalfClosed) {
  auto listener = listen_streams(*reactor_, 0, testing::on_loopback());
  const auto serve_one = [&]() -> Task<void> {
    const auto stream = co_await listener.accept();
    const auto question = co_await stream->read_all();
    co_await stream->write("answer to " + question);
    co_await stream->close();
  };
  const auto talk = [&]() -> Task<std::string> {
    const auto stream =
        co_await open_stream(*reactor_, "127.0.0.1", listener.port().address().port());
    co_await stream->write("a question");
    stream->lose_write_connection();
    co_return co_await stream->read_all();
  };
  auto serving = ensure_deferred(serve_one());
  EXPECT_EQ(run(talk()), "answer to a question");
  EXPECT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return serving.ready(); }));
  success_result_of(std::move(serving));
}

TEST_P(StreamsOn, AreAllAcceptedHoweverManyComeAtOnceAndHoweverFewMayWait) {
  for (const std::size_t max_backlog : {0U, 1U, 5U}) {
    auto listener = listen_streams(*reactor_, 0, testing::on_loopback(), max_backlog);
    const auto port = listener.port().address().port();
    const auto serve_all = [&](int count) -> Task<void> {
      for (; count > 0; --count) {
        const auto stream = co_await listener.accept();
        co_await echo(*stream);
      }
    };
    const auto talk = [&](int number) -> Task<void> {
      const auto stream = co_await open_stream(*reactor_, "127.0.0.1", port);
      co_await stream->write(std::to_string(number));
      stream->lose_write_connection();
      EXPECT_EQ(co_await stream->read_all(), std::to_string(number));
    };
    const auto everybody = [&]() -> Task<void> {
      co_await with_task_group([&](TaskGroup& group) -> Task<void> {
        for (int number = 0; number < 20; ++number)
          group.start(talk(number));
        co_await serve_all(20);
      });
    };
    run(everybody());
    EXPECT_EQ(listener.refused(), 0U);
  }
  EXPECT_TRUE(log_.lines().empty());
}

TEST_P(StreamsOn, ReadNoLongerThanTheyAreGiven) {
  const auto port = serve(echo);
  const auto talk = [&]() -> Task<std::string> {
    const auto stream = co_await open_stream(*reactor_, "127.0.0.1", port);
    try {
      static_cast<void>(co_await with_timeout(*reactor_, 1ms, stream->read_line()));
    } catch (const TimeoutError&) {
    }
    // Nothing is lost by that.
    co_await stream->write("still here\n");
    co_return (co_await stream->read_line()).value_or("");
  };
  EXPECT_EQ(run(talk()), "still here");
  wait_for_the_last_connection();
}

TEST_P(StreamsOn, TellTheTaskWhenThePeerResets) {
#ifdef _WIN32
  if (GetParam() == "select") GTEST_SKIP() << "Wine closes in order what should be reset";
#endif
  std::string ended_with;
  const auto port = serve([&](Stream& stream) -> Task<void> {
    co_await stream.write("?");
    auto read = co_await as_result(stream.read_exactly(100));
    ended_with = read ? "data" : read.failure().type_name();
  });
  const auto talk = [&]() -> Task<void> {
    const auto stream = co_await open_stream(*reactor_, "127.0.0.1", port);
    static_cast<void>(co_await stream->read_some());
    stream->abort();
  };
  run(talk());
  EXPECT_TRUE(testing::spin_reactor_until(*reactor_, [&] { return !ended_with.empty(); }));
  wait_for_the_last_connection();
  EXPECT_EQ(ended_with, "weft::ConnectionReset");
}

TEST_P(StreamsOn, CancelTheirTasksWhenTheReactorEnds) {
  bool cancelled = false;
  Promise<void> never;
  const auto port = serve([&](Stream&) -> Task<void> {
    const auto slept = co_await as_result(never.deferred());
    cancelled = !slept && slept.failure().check<CancelledError>() != nullptr;
  });
  auto opening = open_stream(*reactor_, "127.0.0.1", port);
  EXPECT_TRUE(testing::spin_reactor_until(
      *reactor_, [&] { return opening.ready() && port_.connections() == 1; }));
  const auto stream = success_result_of(std::move(opening));
  reactor_.reset();
  EXPECT_TRUE(cancelled);
  EXPECT_NE(stream->loss(), nullptr);
}

}  // namespace
}  // namespace weft
