#include "calling_test.hpp"

#include "../framework/census.hpp"
#include "../framework/defer_later.hpp"
#include "../testing/log_capture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <unistd.h>

namespace weft::testing {
namespace {

const auto hang = register_worker_function("hang", [] {
  for (;;)
    ::pause();
});

// ---- from a callback

TEST_P(Calling, FromACallbackToAFunction) {
  in_a_callback([this] {
    // [callback-function]
    // To a function, now:
    given = square(7);
    // And whenever:
    reactor.call_later(Duration::zero(), [note = note] { leave_note(note); });
    // [callback-function]
  });
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromACallbackToACoroutine) {
  in_a_callback([this] {
    // [callback-coroutine]
    // To a coroutine, now:
    waiting = ensure_deferred(square_soon(7)).add_callback([this](const Answer& answer) {
      given = answer;
    });
    // And whenever:
    background.start(leave_note_soon(note));
    // [callback-coroutine]
  });
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromACallbackToAThreadPool) {
  in_a_callback([this] {
    // [callback-thread]
    // To a thread pool, now:
    waiting =
        defer_to_thread(square, 7).add_callback([this](const Answer& answer) { given = answer; });
    // And whenever:
    threads.submit([note = note] { leave_note(note); });
    // [callback-thread]
  });
  expect_given_and_noted(Where::in_a_thread);
}

TEST_P(Calling, FromACallbackToAProcessPool) {
  in_a_callback([this] {
    // [callback-process]
    // To a process pool, now:
    waiting =
        pool.call(square_there, 7).add_callback([this](const Answer& answer) { given = answer; });
    // And whenever:
    background.adopt(pool.call(leave_note_there, note));
    // [callback-process]
  });
  expect_given_and_noted(Where::in_another_process);
}

// ---- from a coroutine

TEST_P(Calling, FromACoroutineToAFunction) {
  in_a_coroutine([this]() -> Task<void> {
    // [coroutine-function]
    // To a function, now:
    given = square(7);
    // And whenever:
    reactor.call_later(Duration::zero(), [note = note] { leave_note(note); });
    // [coroutine-function]
    co_return;
  });
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromACoroutineToACoroutine) {
  in_a_coroutine([this]() -> Task<void> {
    // [coroutine-coroutine]
    // To a coroutine, now:
    given = co_await square_soon(7);
    // And whenever:
    background.start(leave_note_soon(note));
    // [coroutine-coroutine]
  });
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromACoroutineToAThreadPool) {
  in_a_coroutine([this]() -> Task<void> {
    // [coroutine-thread]
    // To a thread pool, now:
    given = co_await defer_to_thread(square, 7);
    // And whenever:
    threads.submit([note = note] { leave_note(note); });
    // [coroutine-thread]
  });
  expect_given_and_noted(Where::in_a_thread);
}

TEST_P(Calling, FromACoroutineToAProcessPool) {
  in_a_coroutine([this]() -> Task<void> {
    // [coroutine-process]
    // To a process pool, now:
    given = co_await pool.call(square_there, 7);
    // And whenever:
    background.adopt(pool.call(leave_note_there, note));
    // [coroutine-process]
  });
  expect_given_and_noted(Where::in_another_process);
}

// ---- from another thread

TEST_P(Calling, FromAnotherThreadToAFunction) {
  in_another_thread([this] {
    // [thread-function]
    // To a function, now:
    given = call_in_reactor_and_wait(reactor, [] { return square(7); });
    // And whenever:
    reactor.call_from_thread([note = note] { leave_note(note); });
    // [thread-function]
  });
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromAnotherThreadToACoroutine) {
  in_another_thread([this] {
    // [thread-coroutine]
    // To a coroutine, now:
    given = call_in_reactor_and_wait(reactor, [] { return square_soon(7); });
    // And whenever:
    reactor.call_from_thread([this] { background.start(leave_note_soon(note)); });
    // [thread-coroutine]
  });
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromAnotherThreadToAThreadPool) {
  in_another_thread([this] {
    // [thread-thread]
    // To a thread pool, now:
    given = call_in_reactor_and_wait(reactor, [] { return defer_to_thread(square, 7); });
    // And whenever:
    threads.submit([note = note] { leave_note(note); });
    // [thread-thread]
  });
  expect_given_and_noted(Where::in_a_thread);
}

TEST_P(Calling, FromAnotherThreadToAProcessPool) {
  in_another_thread([this] {
    // [thread-process]
    // To a process pool, now:
    given = call_in_reactor_and_wait(reactor, [this] { return pool.call(square_there, 7); });
    // And whenever:
    reactor.call_from_thread([this] { background.adopt(pool.call(leave_note_there, note)); });
    // [thread-process]
  });
  expect_given_and_noted(Where::in_another_process);
}

// ---- the rules below the table

TEST_P(Calling, LogsTheFailureOfWhatNobodyWaitsFor) {
  const LogCapture log;
  const auto path = [](const std::string& name) { return "/no/such/folder/" + name; };
  in_a_callback([&] {
    reactor.call_later(Duration::zero(), [&] { leave_note(path("function")); });
    background.start(leave_note_soon(path("coroutine")));
    threads.submit([&] { leave_note(path("thread")); });
    background.adopt(pool.call(leave_note_there, path("process")));
  });
  for (const auto* const name : {"function", "coroutine", "thread", "process"})
    EXPECT_TRUE(spin_until([&] { return log.contains(path(name)); })) << name;
  EXPECT_TRUE(spin_until([&] { return background.empty(); }));
  census().unhandled_failures -= 2;
}

TEST_P(Calling, EndsWhatIsInTheBackgroundOfAnOwnerThatGoes) {
  auto owned = std::make_unique<TaskGroup>(TaskGroup::OnFailure::log);
  in_a_callback([&] {
    owned->start(wait_long());
    owned->adopt(defer_later(reactor, std::chrono::hours(1)));
    owned->adopt(pool.call(hang));
  });
  ASSERT_TRUE(spin_until([&] { return pool.stats().busy == 1; }));
  const auto worker = pool.stats().pids.front();
  owned.reset();
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(reactor.pending_calls(), 0U);
  EXPECT_TRUE(spin_until([&] {
    const auto workers = pool.stats().pids;
    return std::count(workers.begin(), workers.end(), worker) == 0;
  }));
}

TEST_P(Calling, EndsWhatIsInTheBackgroundBeforeTheReactorEnds) {
  // [stop]
  reactor.add_system_event_trigger(Phase::before, SystemEvent::shutdown, [this] {
    background.cancel();
    return background.join();
  });
  // [stop]
  reactor.call_when_running([this] {
    background.start(wait_long());
    reactor.stop();
    EXPECT_FALSE(cancelled);
  });
  reactor.run();
  EXPECT_TRUE(cancelled);
  EXPECT_TRUE(background.empty());
}

TEST_P(Calling, IsRefusedToThreadsWhenTheReactorHasEnded) {
  reactor.call_when_running([this] { reactor.stop(); });
  reactor.run();
  std::thread([this] {
    EXPECT_FALSE(reactor.call_from_thread([] {}));
    EXPECT_THROW(call_in_reactor_and_wait(reactor, [] { return square(7); }), NotRunningError);
  }).join();
  auto refused = pool.call(square_there, 7);
  ASSERT_TRUE(spin_until([&] { return refused.ready(); }));
  static_cast<void>(failure_result_of<NotRunningError>(std::move(refused)));
}

TEST_P(Calling, ByAThreadKeepsWhatACoroutineHasCaptured) {
  int length = 0;
  in_another_thread([&] {
    length = call_in_reactor_and_wait(
        reactor, [text = std::string("longer than what a string keeps in itself")]() -> Task<int> {
          co_await sleep(Duration::zero());
          co_return static_cast<int>(text.size());
        });
  });
  EXPECT_EQ(length, 41);
}

INSTANTIATE_TEST_SUITE_P(Reactors, Calling, ::testing::ValuesIn(reactor_names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace weft::testing
