#include "../testing/conformance/reactor_conformance.hpp"
#include "../testing/conformance/stream_conformance.hpp"
#include "make_reactor.hpp"

namespace weft::testing {
namespace {

std::vector<ReactorKind> our_reactors() {
  std::vector<ReactorKind> kinds;
  for (const auto& name : reactor_names()) {
    kinds.push_back({name, [name] { return make_reactor(name); }, {}});
  }
  return kinds;
}

std::vector<StreamKind> our_streams() {
  std::vector<StreamKind> kinds;
  for (const auto& name : reactor_names()) {
    kinds.push_back({"tcp_" + name, [name] {
                       return std::make_unique<ReactorStreamFixture>(make_reactor(name));
                     }});
  }
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Reactors, ReactorConformance, ::testing::ValuesIn(our_reactors()),
                         reactor_kind_name);
INSTANTIATE_TEST_SUITE_P(Tcp, StreamConformance, ::testing::ValuesIn(our_streams()),
                         stream_kind_name);

}  // namespace
}  // namespace weft::testing
