#include "resolver.hpp"

namespace weft {

Resolver::~Resolver() = default;

std::optional<Resolver::Families> Resolver::resolve_families(const std::string&, Port) {
  return std::nullopt;
}

}  // namespace weft
