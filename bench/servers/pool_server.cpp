// The echo of a pool: weft_pool_server REACTOR THREADS MICROSECONDS [SPREAD]. Prints its port. Each
// message costs that much work beside its echo, by this machine's clock.
#include <weft/framework/transport.hpp>
#include <weft/reactor/reactor_pool.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

class Echo final : public weft::Protocol {
 public:
  explicit Echo(std::chrono::microseconds work) : work_(work) {}
  void data_received(weft::BytesView data) override {
    if (work_.count() > 0) {
      const auto end = std::chrono::steady_clock::now() + work_;
      while (std::chrono::steady_clock::now() < end) {
      }
    }
    transport().write(data);
  }
  void pause_writing() override { transport().pause_producing(); }
  void resume_writing() override { transport().resume_producing(); }

 private:
  std::chrono::microseconds work_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 1;
  weft::ReactorPoolOptions options;
  options.reactor = argv[1];
  weft::ReactorPool pool(static_cast<std::size_t>(std::atoi(argv[2])), options);
  const std::chrono::microseconds work(std::atoi(argv[3]));
  const bool by_system = argc > 4 && std::string_view(argv[4]) == "by_system";
  weft::ListenOptions where;
  where.interface = "127.0.0.1";
  const auto port = pool.listen_tcp(
      0, [work](weft::Reactor&) { return weft::factory_for<Echo>(work); }, where,
      by_system ? weft::Spread::by_system : weft::Spread::round_robin);
  std::printf("%d\n", port.address().port());
  std::fflush(stdout);
  pool.run();
}
