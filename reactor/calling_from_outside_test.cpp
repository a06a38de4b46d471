#include "../framework/defer_later.hpp"
#include "../protocols/line_receiver.hpp"
#include "../protocols/stream_listener.hpp"
#include "../transports/endpoints.hpp"
#include "calling_test.hpp"
#include "react.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace weft::testing {
namespace {

// ---- from another process: its end

// [ask]
Task<std::string> ask(Reactor& reactor, std::string desk, std::string line) {
  const auto way = client_from_string(reactor, desk);
  const auto stream = co_await open_stream(*way);
  stream->transport().write(line + "\n");
  const auto answer = co_await stream->read_line();
  if (!answer) throw ConnectionLost("The desk hung up.");
  co_return *answer;
}
// [ask]
// [tell]
Task<void> tell(Reactor& reactor, std::string desk, std::string line) {
  const auto way = client_from_string(reactor, desk);
  const auto stream = co_await open_stream(*way);
  stream->transport().write(line + "\n");
  co_await stream->close();
}
// [tell]

/// What the asking process was told, and which one it is.
using Told = std::pair<std::string, std::int64_t>;

// [in-a-worker]
const auto ask_from_there =
    register_worker_function("ask", [](const std::string& desk, const std::string& line) {
      std::string answer;
      const int status = react([&](Reactor& reactor) -> Task<int> {
        answer = co_await ask(reactor, desk, line);
        co_return 0;
      });
      if (status != 0) throw std::runtime_error("The desk gave no answer.");
      return Told(answer, ::getpid());
    });
// [in-a-worker]
const auto tell_from_there =
    register_worker_function("tell", [](const std::string& desk, const std::string& line) {
      return react([&](Reactor& reactor) -> Task<int> {
        co_await tell(reactor, desk, line);
        co_return 0;
      });
    });

// ---- from another process: our end

/// Who "asks <what> <number>" is answered by a line; who "tells <what> <path>" is not.
struct Desk : LineReceiver {
  explicit Desk(Calling& owner)
      : program(owner),
        reactor(program.reactor),
        threads(program.threads),
        pool(program.pool),
        background(program.background) {}

  void line_received(std::string_view line) override {
    std::istringstream words{std::string(line)};
    std::string how;
    std::string what;
    words >> how >> what;
    if (how == "asks") {
      int number = 0;
      words >> number;
      (this->*asked().at(what))(number);
    } else {
      std::string path;
      words >> path;
      (this->*told().at(what))(path);
    }
  }

  // [process-function]
  // To a function:
  void function_now(int n) { reply(square(n)); }
  void function_whenever(const std::string& path) {
    reactor.call_later(Duration::zero(), [path] { leave_note(path); });
  }
  // [process-function]
  // [process-coroutine]
  // To a coroutine:
  void coroutine_now(int n) {
    mine.adopt(ensure_deferred(square_soon(n)).add_callback([this](const Answer& answer) {
      reply(answer);
    }));
  }
  void coroutine_whenever(const std::string& path) { background.start(leave_note_soon(path)); }
  // [process-coroutine]
  // [process-thread]
  // To a thread pool:
  void thread_now(int n) {
    mine.adopt(
        defer_to_thread(square, n).add_callback([this](const Answer& answer) { reply(answer); }));
  }
  void thread_whenever(const std::string& path) {
    threads.submit([path] { leave_note(path); });
  }
  // [process-thread]
  // [process-process]
  // To a process pool:
  void process_now(int n) {
    mine.adopt(
        pool.call(square_there, n).add_callback([this](const Answer& answer) { reply(answer); }));
  }
  void process_whenever(const std::string& path) {
    background.adopt(pool.call(leave_note_there, path));
  }
  // [process-process]

  void nothing_ever(int) { mine.start(program.wait_long()); }
  void reply(const Answer& answer) {
    std::ostringstream line;
    line << answer;
    send_line(line.str());
  }
  static const std::map<std::string, void (Desk::*)(int)>& asked() {
    static const std::map<std::string, void (Desk::*)(int)> all{{"function", &Desk::function_now},
                                                                {"coroutine", &Desk::coroutine_now},
                                                                {"thread", &Desk::thread_now},
                                                                {"process", &Desk::process_now},
                                                                {"nothing", &Desk::nothing_ever}};
    return all;
  }
  static const std::map<std::string, void (Desk::*)(const std::string&)>& told() {
    static const std::map<std::string, void (Desk::*)(const std::string&)> all{
        {"function", &Desk::function_whenever},
        {"coroutine", &Desk::coroutine_whenever},
        {"thread", &Desk::thread_whenever},
        {"process", &Desk::process_whenever}};
    return all;
  }

  Calling& program;
  Reactor& reactor;
  ThreadPool& threads;
  ProcessPool& pool;
  TaskGroup& background;
  // [mine]
  TaskGroup mine{TaskGroup::OnFailure::log};
  // [mine]
};

/// Has worker processes ask and tell us at our desk. Gives the one that asked.
std::int64_t ask_and_tell(Calling& program, const std::string& what) {
  const auto path = (program.folder / "desk").string();
  auto port = program.reactor.listen_unix(path, factory_for<Desk>(std::ref(program)));
  auto answer = program.pool.call(ask_from_there, "unix:" + path, "asks " + what + " 7");
  auto sent =
      program.pool.call(tell_from_there, "unix:" + path, "tells " + what + " " + program.note);
  // Who tells is gone before we have read it, or even accepted.
  EXPECT_TRUE(program.spin_until(
      [&] { return answer.ready() && sent.ready() && std::filesystem::exists(program.note); }));
  port.stop();
  EXPECT_EQ(success_result_of(std::move(sent)), 0);
  const auto [line, asker] = success_result_of(std::move(answer));
  EXPECT_NE(asker, std::int64_t{::getpid()});
  std::istringstream(line) >> program.given.emplace();
  return asker;
}

TEST_P(Calling, FromAnotherProcessToAFunction) {
  ask_and_tell(*this, "function");
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromAnotherProcessToACoroutine) {
  ask_and_tell(*this, "coroutine");
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromAnotherProcessToAThreadPool) {
  ask_and_tell(*this, "thread");
  expect_given_and_noted(Where::in_a_thread);
}

TEST_P(Calling, FromAnotherProcessToAProcessPool) {
  const auto asker = ask_and_tell(*this, "process");
  expect_given_and_noted(Where::in_another_process);
  EXPECT_NE(given->process, asker);
}

TEST_P(Calling, FromAnotherProcessIsCancelledWhenThatProcessIsKilled) {
  const auto path = (folder / "desk").string();
  auto port = reactor.listen_unix(path, factory_for<Desk>(std::ref(*this)));
  auto asking = pool.call(ask_from_there, "unix:" + path, "asks nothing 0");
  ASSERT_TRUE(spin_until([&] { return begun; }));
  asking.cancel();
  EXPECT_TRUE(spin_until([&] { return cancelled; }));
  port.stop();
  static_cast<void>(failure_result_of<CancelledError>(std::move(asking)));
}

// ---- from a foreign loop

/// A loop that knows nothing of reactors, but for one line.
class ForeignLoop {
 public:
  explicit ForeignLoop(Reactor& reactor) : reactor_(reactor) {}

  /// Has `call` made by the loop's next round.
  void post(std::function<void()> call) { calls_.push_back(std::move(call)); }
  void quit() { quit_ = true; }

  // [foreign-loop]
  void run() {
    while (!quit_) {
      for (; !calls_.empty(); calls_.pop_front())
        calls_.front()();
      reactor_.run_once(Duration::zero());
    }
  }
  // [foreign-loop]

  /// The same, beginning with `call`; it quits when that does not in time.
  void run_with(std::function<void()> call) {
    auto limit = reactor_.call_later(std::chrono::seconds(20), [this] {
      ADD_FAILURE() << "nobody told the loop to quit";
      quit();
    });
    post(std::move(call));
    run();
    limit.cancel_if_active();
  }

 private:
  Reactor& reactor_;
  std::deque<std::function<void()>> calls_;
  bool quit_ = false;
};

TEST_P(Calling, FromAForeignLoopToAFunction) {
  ForeignLoop host(reactor);
  host.run_with([&] {
    // [foreign-function]
    // To a function, now:
    given = square(7);
    // And whenever:
    reactor.call_later(Duration::zero(), [note = note] { leave_note(note); });
    // [foreign-function]
    host.quit();
  });
  expect_given_and_noted(Where::between_rounds, Where::in_the_loop);
}

TEST_P(Calling, FromAForeignLoopToACoroutine) {
  ForeignLoop host(reactor);
  const auto go_on_with = [&](const Answer& answer) {
    EXPECT_EQ(Reactor::current_or_null(), nullptr);
    given = answer;
    host.quit();
  };
  host.run_with([&] {
    // [foreign-coroutine]
    // To a coroutine, now:
    waiting = defer_later(reactor, Duration::zero())
                  .add_callback([] { return square_soon(7); })
                  .add_callback([&](const Answer& answer) {
                    host.post([&, answer] { go_on_with(answer); });
                  });
    // And whenever:
    reactor.call_later(Duration::zero(), [this] { background.start(leave_note_soon(note)); });
    // [foreign-coroutine]
  });
  expect_given_and_noted(Where::in_the_loop);
}

TEST_P(Calling, FromAForeignLoopToAThreadPool) {
  ForeignLoop host(reactor);
  const auto go_on_with = [&](const Answer& answer) {
    given = answer;
    host.quit();
  };
  host.run_with([&] {
    // [foreign-thread]
    // To a thread pool, now:
    waiting = defer_to_thread(reactor, square, 7).add_callback([&](const Answer& answer) {
      host.post([&, answer] { go_on_with(answer); });
    });
    // And whenever:
    threads.submit([note = note] { leave_note(note); });
    // [foreign-thread]
  });
  expect_given_and_noted(Where::in_a_thread);
}

TEST_P(Calling, FromAForeignLoopToAProcessPool) {
  ForeignLoop host(reactor);
  const auto go_on_with = [&](const Answer& answer) {
    given = answer;
    host.quit();
  };
  host.run_with([&] {
    // [foreign-process]
    // To a process pool, now:
    waiting = pool.call(square_there, 7).add_callback([&](const Answer& answer) {
      host.post([&, answer] { go_on_with(answer); });
    });
    // And whenever:
    background.adopt(pool.call(leave_note_there, note));
    // [foreign-process]
  });
  expect_given_and_noted(Where::in_another_process);
}

TEST_P(Calling, FromAForeignLoopHasACurrentReactorInItsRoundsOnly) {
  ForeignLoop host(reactor);
  host.run_with([&] {
    EXPECT_EQ(Reactor::current_or_null(), nullptr);
    EXPECT_THROW(static_cast<void>(sleep(Duration::zero())), NoReactorError);
    reactor.call_later(Duration::zero(), [&] {
      EXPECT_EQ(Reactor::current_or_null(), &reactor);
      host.post([&] {
        EXPECT_EQ(Reactor::current_or_null(), nullptr);
        host.quit();
      });
    });
  });
}

}  // namespace
}  // namespace weft::testing
