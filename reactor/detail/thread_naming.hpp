// The names of threads, where the system shows them.
#pragma once

namespace weft::detail {

/// Has the system name the threads of pools, unless the application names them itself.
void name_threads() noexcept;

}  // namespace weft::detail
