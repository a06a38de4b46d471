// What the cells of docs/calling.md call, and how they tell where it ran.
#pragma once

#include "../framework/coroutines/sleep.hpp"
#include "../framework/coroutines/task_group.hpp"
#include "../testing/results.hpp"
#include "../transports/process_pool.hpp"
#include "make_reactor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace weft::testing {

// ---- what is called

inline std::uint64_t number_of_this_thread() {
  return std::hash<std::thread::id>()(std::this_thread::get_id());
}
inline std::uint64_t number_of(const Reactor* reactor) {
  return reinterpret_cast<std::uintptr_t>(reactor);
}

/// What `square` gives, and where it was made.
struct Answer {
  int value = 0;
  std::int64_t process = ::getpid();
  std::uint64_t thread = number_of_this_thread();
  std::uint64_t reactor = number_of(Reactor::current_or_null());

  template <class Archive>
  void serialize(Archive& archive) {
    archive(value, process, thread, reactor);
  }
};
inline std::ostream& operator<<(std::ostream& out, const Answer& answer) {
  return out << answer.value << ' ' << answer.process << ' ' << answer.thread << ' '
             << answer.reactor;
}
inline std::istream& operator>>(std::istream& in, Answer& answer) {
  return in >> answer.value >> answer.process >> answer.thread >> answer.reactor;
}

/// For those who want the result.
inline Answer square(int n) {
  return {n * n};
}
inline Task<Answer> square_soon(int n) {
  co_await sleep(Duration::zero());
  co_return square(n);
}
inline const auto square_there = register_worker_function("square", &square);

/// For those who do not wait: leaves an answer in a file. Errors: filesystem_error.
inline void leave_note(const std::string& path) {
  std::ofstream(path + ".new") << square(7);
  std::filesystem::rename(path + ".new", path);
}
inline Task<void> leave_note_soon(std::string path) {
  co_await sleep(Duration::zero());
  leave_note(path);
}
inline const auto leave_note_there = register_worker_function("leave_note", &leave_note);

// ---- who calls

enum class Where : std::uint8_t {
  in_the_loop,
  /// In the loop's thread, but not called by it.
  between_rounds,
  in_a_thread,
  in_another_process,
};

/// A program that calls, on each reactor. Its members are the names in docs/calling.md.
struct Calling : ::testing::TestWithParam<std::string> {
  Calling() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    note = (folder / "note").string();
  }
  ~Calling() override { std::filesystem::remove_all(folder); }

  static ProcessPoolOptions two_workers() {
    ProcessPoolOptions options;
    options.max_workers = 2;
    return options;
  }
  bool spin_until(const std::function<bool()>& condition) {
    const auto limit = reactor.now() + std::chrono::seconds(20);
    while (!condition()) {
      if (reactor.now() > limit) return false;
      reactor.run_once(std::chrono::milliseconds(5));
    }
    return true;
  }

  /// Has the loop call `f()`.
  void in_a_callback(Callback f) { reactor.call_later(Duration::zero(), std::move(f)); }
  /// Has the loop begin the task that `f()` gives, and runs until it has ended.
  template <class F>
  void in_a_coroutine(F f) {
    std::optional<Deferred<void>> running;
    in_a_callback([&] { running = ensure_deferred(f()); });
    ASSERT_TRUE(spin_until([&] { return running && running->ready(); }));
    success_result_of(std::move(*running));
  }
  /// Calls `f()` in another thread, and runs until it has returned.
  template <class F>
  void in_another_thread(F f) {
    bool over = false;
    auto thread = std::async(std::launch::async, [&] {
      caller = number_of_this_thread();
      f();
      reactor.call_from_thread([&] { over = true; });
    });
    EXPECT_TRUE(spin_until([&] { return over; }));
    thread.get();
  }

  /// Waits for nothing that will come, and tells when it is cancelled.
  Task<void> wait_long() {
    begun = true;
    try {
      co_await sleep(std::chrono::hours(1));
    } catch (const CancelledError&) {
      cancelled = true;
      throw;
    }
  }

  /// That whoever wanted a result gets it, and that what nobody waits for is done, each where it
  /// should be made.
  void expect_given_and_noted(Where where_given, Where where_noted) {
    ASSERT_TRUE(spin_until(
        [&] { return given.has_value() && std::filesystem::exists(note) && background.empty(); }));
    check(*given, where_given);
    Answer left;
    std::ifstream(note) >> left;
    check(left, where_noted);
  }
  void expect_given_and_noted(Where where) { expect_given_and_noted(where, where); }

  void check(const Answer& answer, Where where) {
    EXPECT_EQ(answer.value, 49);
    EXPECT_EQ(answer.reactor, where == Where::in_the_loop ? number_of(&reactor) : 0);
    if (where == Where::in_another_process) {
      const auto workers = pool.stats().pids;
      EXPECT_EQ(std::count(workers.begin(), workers.end(), answer.process), 1);
      return;
    }
    EXPECT_EQ(answer.process, std::int64_t{::getpid()});
    if (where == Where::in_a_thread) {
      EXPECT_NE(answer.thread, number_of_this_thread());
      EXPECT_NE(answer.thread, caller);
    } else {
      EXPECT_EQ(answer.thread, number_of_this_thread());
    }
  }

  const std::unique_ptr<Reactor> reactor_owner = make_reactor(GetParam());
  Reactor& reactor = *reactor_owner;
  ThreadPool& threads = reactor.thread_pool();
  ProcessPool pool{reactor, two_workers()};
  std::filesystem::path folder;
  std::string note;
  std::uint64_t caller = number_of_this_thread();
  bool begun = false;
  bool cancelled = false;
  std::optional<Answer> given;
  std::optional<Deferred<void>> waiting;
  // [background]
  TaskGroup background{TaskGroup::OnFailure::log};
  // [background]
};

}  // namespace weft::testing
