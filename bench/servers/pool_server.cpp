// The echo of a pool: weft_pool_server REACTOR THREADS MICROSECONDS [SPREAD]. Prints its port. Each
// message costs that much work beside its echo: as many steps as this machine does in that time
// when nobody disturbs it.
#include <weft/framework/transport.hpp>
#include <weft/reactor/reactor_pool.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using Clock = std::chrono::steady_clock;

// Something that cannot be left out, nor done sooner.
std::uint64_t work(std::uint64_t steps) {
  std::uint64_t state = steps;
  for (std::uint64_t i = 0; i < steps; ++i)
    state = state * 6364136223846793005U + 1442695040888963407U;
  return state;
}

volatile std::uint64_t kept;

// The best of several counts: others may be using the machine.
std::uint64_t steps_in(std::chrono::microseconds time) {
  constexpr std::uint64_t sample = 100'000;
  auto best = Clock::duration::max();
  for (int i = 0; i < 100; ++i) {
    const auto begin = Clock::now();
    kept = work(sample);
    best = std::min(best, Clock::now() - begin);
  }
  return static_cast<std::uint64_t>(time / std::chrono::duration<double>(best) * sample);
}

class Echo final : public weft::Protocol {
 public:
  explicit Echo(std::uint64_t steps) : steps_(steps) {}
  void data_received(weft::BytesView data) override {
    if (steps_ > 0 && work(steps_) == 0) return;
    transport().write(data);
  }
  void pause_writing() override { transport().pause_producing(); }
  void resume_writing() override { transport().resume_producing(); }

 private:
  std::uint64_t steps_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 1;
  weft::ReactorPoolOptions options;
  options.reactor = argv[1];
  weft::ReactorPool pool(static_cast<std::size_t>(std::atoi(argv[2])), options);
  const auto steps = steps_in(std::chrono::microseconds(std::atoi(argv[3])));
  const bool by_system = argc > 4 && std::string_view(argv[4]) == "by_system";
  weft::ListenOptions where;
  where.interface = "127.0.0.1";
  const auto port = pool.listen_tcp(
      0, [steps](weft::Reactor&) { return weft::factory_for<Echo>(steps); }, where,
      by_system ? weft::Spread::by_system : weft::Spread::round_robin);
  std::printf("%d\n", port.address().port());
  std::fflush(stdout);
  pool.run();
}
