// What threads of ours are called, where a system shows the names of threads.
#pragma once

#include <string>

namespace weft {

/// Names the thread that calls it. Errors: none; a name that cannot be given is not.
using ThreadNamer = void (*)(const std::string& name) noexcept;

/// Has threads named by `namer` from now on, and gives the one before; null, as at first, names
/// none. What is made by `make_reactor` sets one for its system, unless there is one.
/// Thread: any.
ThreadNamer set_thread_namer(ThreadNamer namer) noexcept;

/// Names this thread. Thread: any.
void name_this_thread(const std::string& name) noexcept;

}  // namespace weft
