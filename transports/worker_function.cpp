#include "worker_function.hpp"

#include "../framework/error.hpp"
#include "detail/worker_registry.hpp"

#include <map>
#include <utility>

namespace weft::detail {

namespace {

// Functions are registered before `main` begins, in any order.
std::map<std::string, PackedFunction>& registry() {
  static std::map<std::string, PackedFunction> functions;
  return functions;
}

}  // namespace

void register_packed(std::string name, PackedFunction function) {
  if (name.empty()) throw InvalidArgument("A worker function was given no name; give it one.");
  const auto [place, fresh] = registry().try_emplace(std::move(name), std::move(function));
  if (!fresh) {
    throw InvalidArgument("There is a worker function called \"" + place->first +
                          "\" already; give this one another name, or make it `inline` where a "
                          "header registers it.");
  }
}

std::vector<std::string> registered_functions() {
  std::vector<std::string> names;
  for (const auto& [name, function] : registry())
    names.push_back(name);
  return names;
}

PackedFunction* registered_function(const std::string& name) {
  const auto found = registry().find(name);
  return found != registry().end() ? &found->second : nullptr;
}

}  // namespace weft::detail

#ifndef __linux__

namespace weft {

std::optional<int> run_worker(int, char**) {
  return std::nullopt;
}

}  // namespace weft

#endif
