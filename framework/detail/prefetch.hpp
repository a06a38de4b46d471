// Has memory fetched that is needed soon, and is likely to be in no cache.
#pragma once

#include <cstdint>

namespace weft::detail {

/// Begins to fetch so many lines of the cache from `object` on, which may be null; what lies there
/// may be anything.
inline void prefetch([[maybe_unused]] const void* object, [[maybe_unused]] int lines) noexcept {
#ifdef __GNUC__
  constexpr std::uintptr_t line = 64;
  auto memory = reinterpret_cast<std::uintptr_t>(object);
  for (int i = 0; i < lines; ++i, memory += line)
    __builtin_prefetch(reinterpret_cast<const void*>(memory));
#endif
}

}  // namespace weft::detail
