// The machinery below AsyncGenerator: its promise, and what its `next` and `close` await.
#pragma once

#include "../../error.hpp"
#include "../../failure.hpp"
#include "awaiters.hpp"

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace weft {

template <class T>
class AsyncGenerator;

/// A generator was asked for a value while it runs for somebody else.
class GeneratorBusy : public Error {
 public:
  using Error::Error;
};

namespace detail {

[[noreturn]] void refuse_busy_generator();
[[noreturn]] void refuse_moved_generator();
[[noreturn]] void refuse_yield_of_closed_generator();

/// It belongs to its AsyncGenerator and to the awaiter of whoever is waiting for it.
template <class T>
class GeneratorPromise final : public AwaitingFrame {
 public:
  enum class State : std::uint8_t { new_made, yielded, runs, ended };

  AsyncGenerator<T> get_return_object(SourceLocation made = SourceLocation::current()) noexcept;
  [[nodiscard]] static std::suspend_always initial_suspend() noexcept { return {}; }
  void return_void() noexcept {}
  void unhandled_exception() noexcept { failure_.emplace(this->run().caught(*this)); }

  struct Yield {
    GeneratorPromise& promise;
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept { promise.stop_in(State::yielded); }
    void await_resume() const {
      if (promise.closing_) throw CancelledError();
    }
  };
  template <class V>
  requires std::is_constructible_v<T, V&&> Yield yield_value(V&& value) {
    item_.emplace(std::forward<V>(value));
    return {*this};
  }
  Yield yield_value(T&& value) {
    item_.emplace(std::move(value));
    return {*this};
  }

  struct Ending {
    GeneratorPromise& promise;
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept { promise.stop_in(State::ended); }
    static void await_resume() noexcept {}
  };
  [[nodiscard]] Ending final_suspend() noexcept { return {*this}; }

  // ---- for the awaiters

  [[nodiscard]] State state() const noexcept { return state_; }
  void go_on(TaskFrame& caller, bool closing) noexcept {
    closing_ = closing;
    state_ = State::runs;
    caller.run().call(caller, *this);
  }
  void end_unbegun() noexcept { state_ = State::ended; }
  [[nodiscard]] std::optional<T> take_item() noexcept { return std::exchange(item_, std::nullopt); }
  [[nodiscard]] std::optional<Failure> take_failure() noexcept {
    return std::exchange(failure_, std::nullopt);
  }
  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) this->destroy();
  }

  static void* operator new(std::size_t size) { return FrameMemory::take(size); }
  static void operator delete(void* memory, std::size_t size) noexcept {
    FrameMemory::give_back(memory, size);
  }

 private:
  void stop_in(State state) noexcept {
    state_ = state;
    this->run().give_back(*this);
  }

  std::optional<T> item_;
  std::optional<Failure> failure_;
  std::uint32_t references_ = 1;
  State state_ = State::new_made;
  bool closing_ = false;
};

/// What both awaiters are: the way into the generator, which lives at least as long.
template <class T>
class GeneratorAwaiter {
 public:
  using State = typename GeneratorPromise<T>::State;

  GeneratorAwaiter(GeneratorPromise<T>& generator, TaskFrame& frame) noexcept
      : generator_(generator), frame_(frame) {
    generator_.retain();
  }
  ~GeneratorAwaiter() { generator_.release(); }
  GeneratorAwaiter(const GeneratorAwaiter&) = delete;
  GeneratorAwaiter& operator=(const GeneratorAwaiter&) = delete;

 protected:
  GeneratorPromise<T>& generator_;
  TaskFrame& frame_;
};

template <class T>
class NextAwaiter final : public GeneratorAwaiter<T> {
 public:
  using GeneratorAwaiter<T>::GeneratorAwaiter;
  [[nodiscard]] bool await_ready() const {
    if (this->generator_.state() == GeneratorPromise<T>::State::runs) refuse_busy_generator();
    return this->generator_.state() == GeneratorPromise<T>::State::ended;
  }
  void await_suspend(std::coroutine_handle<>) noexcept {
    this->generator_.go_on(this->frame_, false);
  }
  [[nodiscard]] std::optional<T> await_resume() {
    if (const auto failure = this->generator_.take_failure()) this->frame_.run().raise(*failure);
    return this->generator_.take_item();
  }
};

template <class T>
class ClosingAwaiter final : public GeneratorAwaiter<T> {
 public:
  using State = typename GeneratorAwaiter<T>::State;
  using GeneratorAwaiter<T>::GeneratorAwaiter;
  [[nodiscard]] bool await_ready() const {
    if (this->generator_.state() == State::runs) refuse_busy_generator();
    if (this->generator_.state() == State::new_made) this->generator_.end_unbegun();
    return this->generator_.state() == State::ended;
  }
  void await_suspend(std::coroutine_handle<>) noexcept {
    this->generator_.go_on(this->frame_, true);
  }
  void await_resume() {
    const auto failure = this->generator_.take_failure();
    if (failure && failure->template check<CancelledError>() == nullptr) {
      this->frame_.run().raise(*failure);
    }
    if (this->generator_.state() != State::ended) refuse_yield_of_closed_generator();
  }
};

/// What `AsyncGenerator::next` gives, to be awaited at once.
template <class T>
class [[nodiscard]] NextItem {
 public:
  explicit NextItem(GeneratorPromise<T>& generator) noexcept : generator_(generator) {}
  [[nodiscard]] NextAwaiter<T> awaiter_in(TaskFrame& frame) && noexcept {
    return NextAwaiter<T>(generator_, frame);
  }

 private:
  GeneratorPromise<T>& generator_;
};

/// What `AsyncGenerator::close` gives, to be awaited at once.
template <class T>
class [[nodiscard]] GeneratorClosing {
 public:
  explicit GeneratorClosing(GeneratorPromise<T>& generator) noexcept : generator_(generator) {}
  [[nodiscard]] ClosingAwaiter<T> awaiter_in(TaskFrame& frame) && noexcept {
    return ClosingAwaiter<T>(generator_, frame);
  }

 private:
  GeneratorPromise<T>& generator_;
};

/// A generator that is closed because of a failure failed itself.
void log_failed_closing(const Failure& failure) noexcept;

}  // namespace detail
}  // namespace weft
