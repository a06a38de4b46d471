// The kinds of endpoint strings that weft brings along.
#pragma once

#include "../endpoints.hpp"

#include <map>
#include <string>

namespace weft::detail {

std::map<std::string, ServerEndpointBuilder> built_in_servers();
std::map<std::string, ClientEndpointBuilder> built_in_clients();

}  // namespace weft::detail
