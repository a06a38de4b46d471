// What a coroutine costs: an await, a task, against a callback doing the same.
#include "../framework/allocation_counter_test.hpp"
#include <weft/framework/clock.hpp>
#include <weft/framework/context.hpp>
#include <weft/framework/coroutines/task.hpp>
#include <weft/framework/turn.hpp>

#include <benchmark/benchmark.h>

#include <optional>
#include <utility>

namespace {

using weft::AllocationCounter;
using weft::Deferred;
using weft::ensure_deferred;
using weft::Promise;
using weft::Task;

void tell_allocations(benchmark::State& state, const AllocationCounter& counter) {
  state.counters["allocations"] =
      benchmark::Counter(static_cast<double>(counter.count()), benchmark::Counter::kAvgIterations);
}

Task<void> await_fired(benchmark::State& state) {
  int value = 1;
  benchmark::DoNotOptimize(value);
  const AllocationCounter counter;
  for (auto _ : state)
    benchmark::DoNotOptimize(co_await weft::succeed(value));
  tell_allocations(state, counter);
}
void awaiting_a_fired_deferred(benchmark::State& state) {
  static_cast<void>(ensure_deferred(await_fired(state)).take_result());
}
BENCHMARK(awaiting_a_fired_deferred);

// Both ends of one wait: the promise's cell is made, awaited, fired, and the coroutine resumed.
Task<void> await_pending(std::optional<Promise<int>>& next, const bool& ended) {
  while (!ended) {
    next.emplace();
    benchmark::DoNotOptimize(co_await next->deferred());
  }
}
void awaiting_a_pending_deferred(benchmark::State& state) {
  std::optional<Promise<int>> next;
  bool ended = false;
  auto task = ensure_deferred(await_pending(next, ended));
  const AllocationCounter counter;
  for (auto _ : state) {
    auto promise = std::move(*next);
    promise.callback(1);
  }
  tell_allocations(state, counter);
  ended = true;
  auto promise = std::move(*next);
  promise.callback(1);
  static_cast<void>(task.take_result());
}
BENCHMARK(awaiting_a_pending_deferred);

void awaiting_a_pending_deferred_in_a_context(benchmark::State& state) {
  static const weft::ContextVar<int> request("request");
  const auto scope = request.scoped(1);
  awaiting_a_pending_deferred(state);
}
BENCHMARK(awaiting_a_pending_deferred_in_a_context);

// The same with a callback.
void adding_a_callback_to_a_pending_deferred(benchmark::State& state) {
  const AllocationCounter counter;
  for (auto _ : state) {
    Promise<int> promise;
    auto next = promise.deferred().add_callback([](int value) { benchmark::DoNotOptimize(value); });
    promise.callback(1);
    benchmark::DoNotOptimize(next.peek());
  }
  tell_allocations(state, counter);
}
BENCHMARK(adding_a_callback_to_a_pending_deferred);

Task<int> give(int value) {
  co_return value;
}
Task<void> await_tasks(benchmark::State& state) {
  int value = 1;
  benchmark::DoNotOptimize(value);
  const AllocationCounter counter;
  for (auto _ : state)
    benchmark::DoNotOptimize(co_await give(value));
  tell_allocations(state, counter);
}
void awaiting_a_task_that_ends_at_once(benchmark::State& state) {
  static_cast<void>(ensure_deferred(await_tasks(state)).take_result());
}
BENCHMARK(awaiting_a_task_that_ends_at_once);

void beginning_a_task_in_a_loop(benchmark::State& state) {
  weft::Turn turn;
  const weft::Turn::Activation loop(turn);
  const AllocationCounter counter;
  for (auto _ : state) {
    auto result = ensure_deferred(give(1));
    benchmark::DoNotOptimize(result.peek());
  }
  tell_allocations(state, counter);
}
BENCHMARK(beginning_a_task_in_a_loop);

}  // namespace
