// A whole program as one function: run it, report how it failed, and give the exit status.
#pragma once

#include "../framework/deferred.hpp"
#include "../framework/reactor.hpp"

#include <string_view>

namespace weft {

/// Makes a reactor, runs it until what `main` returns has fired, and gives that as the exit status;
/// 1 when it failed, which is printed. A reactor that is stopped before cancels it.
[[nodiscard]] int react(UniqueFunction<Deferred<int>(Reactor&)> main,
                        std::string_view reactor_name = "");

}  // namespace weft
