// What a result costs: a Deferred's stages, against shared_ptr and std::function doing the same.
#include <weft/framework/deferred.hpp>
#include <weft/framework/gather.hpp>

#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace {

void pending_stages(benchmark::State& state) {
  for (auto _ : state) {
    weft::Promise<int> promise;
    auto deferred = promise.deferred();
    for (auto i = state.range(0); i > 0; --i) {
      deferred = std::move(deferred).add_callback([](int value) { return value + 1; });
    }
    promise.callback(1);
    benchmark::DoNotOptimize(deferred.peek());
  }
}
BENCHMARK(pending_stages)->Arg(1)->Arg(3)->Arg(20);

void ready_with_one_callback(benchmark::State& state) {
  for (auto _ : state) {
    auto deferred = weft::succeed(1).add_callback([](int value) { return value + 1; });
    benchmark::DoNotOptimize(deferred.peek());
  }
}
BENCHMARK(ready_with_one_callback);

void gathering_a_hundred(benchmark::State& state) {
  for (auto _ : state) {
    std::vector<weft::Promise<int>> promises(100);
    std::vector<weft::Deferred<int>> inputs;
    inputs.reserve(promises.size());
    for (auto& promise : promises)
      inputs.push_back(promise.deferred());
    auto gathered = weft::gather_results(std::move(inputs));
    for (auto& promise : promises)
      promise.callback(1);
    benchmark::DoNotOptimize(gathered.peek());
  }
}
BENCHMARK(gathering_a_hundred);

// What one would write without a library.
struct SharedStage {
  std::optional<int> value;
  std::function<void(int)> next;
};

void shared_ptr_and_function(benchmark::State& state) {
  for (auto _ : state) {
    const auto first = std::make_shared<SharedStage>();
    auto last = first;
    for (auto i = state.range(0); i > 0; --i) {
      auto stage = std::make_shared<SharedStage>();
      last->next = [stage](int value) {
        stage->value = value + 1;
        if (stage->next) stage->next(*stage->value);
      };
      last = stage;
    }
    first->next(1);
    benchmark::DoNotOptimize(last->value);
  }
}
BENCHMARK(shared_ptr_and_function)->Arg(1)->Arg(3)->Arg(20);

}  // namespace
