// Run `process_pool 360 1000000007 --milliseconds 500`: worker processes take the numbers apart,
// and you see the factors, or that a number took too long. Add --crash to see a worker die and be
// replaced.
#include "example.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <utility>

namespace {

const auto factorise = weft::register_worker_function(
    "factorise", [](std::uint64_t number) -> std::vector<std::uint64_t> {
      if (number == 0) throw std::invalid_argument("zero has no factors");
      std::vector<std::uint64_t> factors;
      for (std::uint64_t divisor = 2; divisor <= number / divisor; ++divisor) {
        for (; number % divisor == 0; number /= divisor)
          factors.push_back(divisor);
      }
      if (number > 1) factors.push_back(number);
      return factors;
    });
const auto crash = weft::register_worker_function("crash", [] { std::abort(); });

std::string product(const std::vector<std::uint64_t>& factors) {
  std::string text;
  for (const auto factor : factors)
    text += (text.empty() ? "" : " * ") + std::to_string(factor);
  return text.empty() ? "1" : text;
}

}  // namespace

int main(int argc, char** argv) try {
  // [main]
  if (const auto status = weft::run_worker(argc, argv)) return *status;
  // [main]
  std::vector<std::string> numbers;
  std::size_t milliseconds = 5000;
  std::size_t workers = 2;
  bool crashes = false;
  Example example(Example::Role::tool, "Takes numbers apart in worker processes.", 0);
  example.add_option("numbers", numbers, "What to take apart");
  example.add_count("--milliseconds", milliseconds, "How long each may take");
  example.add_count("--workers", workers, "How many processes");
  example.add_flag("--crash", crashes, "Has one worker crash before");
  std::unique_ptr<weft::ProcessPool> pool;
  std::vector<weft::Deferred<void>> told;
  return example.run(argc, argv, [&] {
    // [pool]
    weft::ProcessPoolOptions options;
    options.max_workers = workers;
    options.call.timeout = std::chrono::milliseconds(milliseconds);
    pool = std::make_unique<weft::ProcessPool>(example.reactor(), options);
    // [pool]
    const auto complain = [](const std::string& what) {
      return [what](const weft::Failure& failure) { say(what + ": " + failure.message()); };
    };
    if (crashes) told.push_back(pool->call(crash).add_errback(complain("crash")));
    for (const auto& number : numbers) {
      // [call]
      auto factors = pool->call(factorise, std::stoull(number));
      told.push_back(std::move(factors)
                         .add_callback([number](const std::vector<std::uint64_t>& found) {
                           say(number + " = " + product(found));
                         })
                         .add_errback(complain(number)));
      // [call]
    }
    const auto done =
        weft::gather_results(std::move(told)).add_both([&](const auto&) { example.finish(0); });
  });
} catch (...) {
  return report_exception();
}
