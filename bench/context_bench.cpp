// What a context costs each callback: captured where it is registered, restored where it runs, with
// nothing set and with some variables set.
#include <weft/framework/clock.hpp>
#include <weft/framework/context.hpp>
#include <weft/framework/deferred.hpp>
#include <weft/framework/protocol.hpp>
#include <weft/framework/stream_transport.hpp>

#include <benchmark/benchmark.h>

#include <memory>
#include <span>
#include <utility>

namespace {

const weft::ContextVar<int> first("first");
const weft::ContextVar<int> second("second");

// Runs what is measured with so many variables set, beside others that nothing asks for.
template <class F>
void with_variables(benchmark::State& state, F&& measured) {
  weft::Context().run([&] {
    if (state.range(0) > 0) first.set(1);
    if (state.range(0) > 1) second.set(2);
    measured();
  });
}

class StillClock final : public weft::Clock {
 public:
  [[nodiscard]] weft::TimePoint now() const override { return {}; }
  void run() { run_due({}); }
};

void timer(benchmark::State& state) {
  with_variables(state, [&] {
    StillClock clock;
    int made = 0;
    for (auto _ : state) {
      clock.call_later(weft::Duration::zero(), [&made] { ++made; });
      clock.run();
    }
    benchmark::DoNotOptimize(made);
  });
}
BENCHMARK(timer)->Arg(0)->Arg(2);

void pending_stage(benchmark::State& state) {
  with_variables(state, [&] {
    for (auto _ : state) {
      weft::Promise<int> promise;
      auto deferred = promise.deferred().add_callback([](int value) { return value + 1; });
      promise.callback(1);
      benchmark::DoNotOptimize(deferred.peek());
    }
  });
}
BENCHMARK(pending_stage)->Arg(0)->Arg(2);

// A carrier without a peer.
class Feed final : public weft::StreamTransport {
 public:
  explicit Feed(weft::Clock& clock) : StreamTransport(clock) {}
  void feed(weft::BytesView data) { received(data); }
  [[nodiscard]] weft::Address host() const override { return {}; }
  [[nodiscard]] weft::Address peer() const override { return {}; }

 private:
  SendResult try_send(std::span<const weft::BytesView>) noexcept override { return {}; }
  void send_later(std::span<const weft::BytesView>) override {}
  void reading_changed() override {}
  void send_end() noexcept override {}
  void close_in_order() noexcept override {}
  void close_abruptly() noexcept override {}
  [[nodiscard]] weft::Failure failure_from(std::error_code) const override {
    return weft::make_failure<weft::ConnectionLost>("It broke.");
  }
};

class Count final : public weft::Protocol {
 public:
  void data_received(weft::BytesView data) override { count += data.size(); }
  std::size_t count = 0;
};

void data_received(benchmark::State& state) {
  StillClock clock;
  const auto protocol = std::make_shared<Count>();
  with_variables(state, [&] {
    const auto transport = std::make_shared<Feed>(clock);
    transport->establish(protocol);
    for (auto _ : state)
      transport->feed("x");
    transport->abort_connection();
  });
  clock.turn().end_participants();
  benchmark::DoNotOptimize(protocol->count);
}
BENCHMARK(data_received)->Arg(0)->Arg(2);

void setting(benchmark::State& state) {
  with_variables(state, [&] {
    for (auto _ : state)
      const auto guard = first.scoped(3);
  });
}
BENCHMARK(setting)->Arg(0)->Arg(2);

void getting(benchmark::State& state) {
  with_variables(state, [&] {
    for (auto _ : state)
      benchmark::DoNotOptimize(second.get());
  });
}
BENCHMARK(getting)->Arg(2);

}  // namespace
