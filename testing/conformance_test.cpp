#include "conformance/pump_fixture.hpp"
#include "conformance/stream_conformance.hpp"

namespace weft::testing {
namespace {

StreamKind kind(const char* name, const Delivery& delivery) {
  return {name, [delivery] { return std::make_unique<PumpStreamFixture>(delivery); }};
}

INSTANTIATE_TEST_SUITE_P(Memory, StreamConformance,
                         ::testing::Values(kind("memory", Delivery::all_at_once()),
                                           kind("memory_bytes", Delivery::byte_by_byte()),
                                           kind("memory_pieces", Delivery::random_pieces(7))),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
