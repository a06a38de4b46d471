// What a scheduled call costs with many others pending.
#include <weft/framework/clock.hpp>

#include <benchmark/benchmark.h>

#include <chrono>
#include <vector>

namespace {

class StillClock final : public weft::Clock {
 public:
  [[nodiscard]] weft::TimePoint now() const override { return {}; }
  std::vector<weft::DelayedCall> fill(std::int64_t count) {
    std::vector<weft::DelayedCall> calls;
    for (std::int64_t i = 0; i < count; ++i) {
      calls.push_back(call_later(std::chrono::microseconds(i * 7919 % 60'000'000), [] {}));
    }
    return calls;
  }
};

void schedule_and_cancel(benchmark::State& state) {
  StillClock clock;
  const auto pending = clock.fill(state.range(0));
  for (auto _ : state)
    clock.call_later(std::chrono::seconds(30), [] {}).cancel();
}
BENCHMARK(schedule_and_cancel)->Arg(0)->Arg(100'000);

void put_off(benchmark::State& state) {
  StillClock clock;
  const auto pending = clock.fill(state.range(0));
  auto call = clock.call_later(std::chrono::seconds(30), [] {});
  for (auto _ : state)
    call.reset(std::chrono::seconds(30));
}
BENCHMARK(put_off)->Arg(0)->Arg(100'000);

}  // namespace
