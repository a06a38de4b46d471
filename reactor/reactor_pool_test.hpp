// What the tests of reactor pools share: waiting for what happens in other threads.
#pragma once

#include "reactor_pool.hpp"

#include <chrono>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace weft::testing {

/// A bound on what takes no time, for a test that would hang.
inline constexpr auto limit = std::chrono::seconds(20);

/// What `future` gives, or throws.
template <class T>
T wait_for(std::future<T> future) {
  if (future.wait_for(limit) != std::future_status::ready) {
    throw std::runtime_error("another thread did not do what the test waits for");
  }
  return future.get();
}

/// Gives other threads the processor until `condition` holds; false when it never does.
template <class F>
bool eventually(F condition) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

/// What `f(Reactor&)` returns, or its Deferred fires with, in reactor `index`.
template <class F>
auto in_reactor(ReactorPool& pool, std::size_t index, F f) {
  using R = detail::ReturnedValue<std::invoke_result_t<F&, Reactor&>>;
  auto promise = std::make_shared<std::promise<R>>();
  auto future = promise->get_future();
  pool.call_from_thread(index, [promise, f](Reactor& reactor) mutable {
    const auto told =
        maybe_deferred([&] { return f(reactor); }).add_both([promise](Outcome<R> outcome) {
          if (!outcome) {
            try {
              outcome.failure().raise();
            } catch (...) {
              promise->set_exception(std::current_exception());
            }
          } else if constexpr (std::is_void_v<R>) {
            promise->set_value();
          } else {
            promise->set_value(std::move(outcome).value());
          }
        });
  });
  return wait_for(std::move(future));
}

inline ReactorPoolOptions on(const std::string& reactor) {
  ReactorPoolOptions options;
  options.reactor = reactor;
  return options;
}

}  // namespace weft::testing
