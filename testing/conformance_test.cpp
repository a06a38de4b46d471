#include "conformance/pump_fixture.hpp"
#include "conformance/reactor_suite.hpp"
#include "conformance/stream_suite.hpp"
#include "memory_reactor.hpp"

namespace weft::testing {
namespace {

StreamKind kind(const char* name, const Delivery& delivery) {
  return {name, [delivery] { return std::make_unique<PumpStreamFixture>(delivery); }, {}};
}

INSTANTIATE_TEST_SUITE_P(Memory, StreamConformance,
                         ::testing::Values(kind("memory", Delivery::all_at_once()),
                                           kind("memory_bytes", Delivery::byte_by_byte()),
                                           kind("memory_pieces", Delivery::random_pieces(7))),
                         stream_kind_name);

// Threads take real time, so that is what passes.
ReactorKind memory_reactor() {
  return {"memory", [] { return std::make_unique<MemoryReactor>(MemoryReactor::Time::real); }};
}

INSTANTIATE_TEST_SUITE_P(Memory, ReactorConformance, ::testing::Values(memory_reactor()),
                         reactor_kind_name);

StreamKind in_memory_reactor() {
  return {"memory_reactor",
          [] {
            return std::make_unique<ReactorStreamFixture>(
                std::make_unique<MemoryReactor>(MemoryReactor::Time::real));
          },
          {}};
}

INSTANTIATE_TEST_SUITE_P(MemoryReactor, StreamConformance, ::testing::Values(in_memory_reactor()),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
