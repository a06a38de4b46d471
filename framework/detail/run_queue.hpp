// Where those who wait for a lock or a queue are woken: one after the other, never inside each
// other.
#pragma once

#include "../unique_function.hpp"

namespace weft::detail {

/// Runs `callback` now, or, when called from a callback that runs like this, after that one: five
/// thousand waiters that wake each other cost no stack. Needs no loop.
void run_in_queue(Callback callback);

}  // namespace weft::detail
