// Counts what operator new has given and not been given back: for tests of what is kept.
#pragma once

#include <cstdint>

namespace weft {

/// As the allocator rounds it. OpenSSL does not use operator new. Thread: any.
[[nodiscard]] std::int64_t live_bytes() noexcept;

}  // namespace weft
