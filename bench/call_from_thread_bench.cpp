// How many calls another thread can hand to a reactor.
#include <weft/reactor/make_reactor.hpp>

#include <benchmark/benchmark.h>

#include <future>
#include <thread>

namespace {

void call_from_thread(benchmark::State& state) {
  const auto reactor = weft::make_reactor();
  std::int64_t made = 0;
  std::promise<void> runs;
  reactor->call_when_running([&] { runs.set_value(); });
  std::thread loop([&] { reactor->run(); });
  runs.get_future().wait();
  for (auto _ : state)
    reactor->call_from_thread([&made] { ++made; });
  reactor->stop_from_thread();
  loop.join();
  benchmark::DoNotOptimize(made);
}
BENCHMARK(call_from_thread);

}  // namespace
